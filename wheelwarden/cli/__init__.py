"""The command `wheelwarden`: one module for each subcommand, `__main__` puts them together."""
