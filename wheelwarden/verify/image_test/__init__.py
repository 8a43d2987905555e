"""`wheelwarden test-image`: start an image, verify its imports, clean up."""
