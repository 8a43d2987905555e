"""The webhook's certificates: made by ourselves, kept in a Secret, renewed with overlap."""
