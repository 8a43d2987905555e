"""Programs for those who work on Wheelwarden; nothing here is shipped."""
