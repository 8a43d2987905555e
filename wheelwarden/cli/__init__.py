"""The command `wheelwarden`: one module for each subcommand, and `__main__`, which combines them."""
