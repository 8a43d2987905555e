"""What the command prints: results on standard output, complaints and progress on standard error, a line each.

On standard error control characters are escaped here, since what went wrong is often told in the words of others.
"""

import json
import sys
from typing import Any

from wheelwarden.api.redaction import printable


def say(text: str, end: str = "\n") -> None:
    """Prints a line of the result."""
    print(text, end=end)


def say_json(document: Any) -> None:
    """Prints a result for programs, without control characters."""
    say(json.dumps(document, indent=2).replace("\x7f", "\\u007f"))  # the one that JSON leaves as it is


def complain(text: str) -> None:
    """Prints a line about what went wrong."""
    print(f"wheelwarden: {printable(text)}", file=sys.stderr)


def note(text: str) -> None:
    """Prints a line about what is going on."""
    print(printable(text), file=sys.stderr, flush=True)
