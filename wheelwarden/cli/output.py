"""What the command prints: results on standard output, complaints on standard error, a line each."""

import sys


def say(text: str, end: str = "\n") -> None:
    """Prints a line of the result."""
    print(text, end=end)


def complain(text: str) -> None:
    """Prints a line about what went wrong."""
    print(f"wheelwarden: {text}", file=sys.stderr)
