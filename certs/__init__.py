"""The webhook's certificates: issued by our own CA, kept in a Secret, renewed with an overlap."""
