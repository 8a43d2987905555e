"""The controller: watches, decides, acts; one leader at a time."""
