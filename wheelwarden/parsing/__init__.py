"""From text and plain data to types. Pure."""
