"""`wheelwarden test-image`: starts an image, proves its imports, cleans up."""
