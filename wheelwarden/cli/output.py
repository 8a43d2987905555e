"""What the command prints: results on standard output, complaints and progress on standard error, a line each."""

import sys


def say(text: str, end: str = "\n") -> None:
    """Prints a line of the result."""
    print(text, end=end)


def complain(text: str) -> None:
    """Prints a line about what went wrong."""
    print(f"wheelwarden: {text}", file=sys.stderr)


def note(text: str) -> None:
    """Prints a line about what is going on."""
    print(text, file=sys.stderr, flush=True)
