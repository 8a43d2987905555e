"""Printing: results to standard output, errors and progress to standard error, one line each.

On standard error control characters are escaped here, because error messages often contain foreign text.
"""

import json
import sys
from typing import Any

from wheelwarden.api.redaction import printable


def say(text: str, end: str = "\n") -> None:
    """Print a line of the result."""
    print(text, end=end)


def say_json(document: Any) -> None:
    """Print a result for programs, without control characters."""
    say(
        json.dumps(document, indent=2).replace("\x7f", "\\u007f")
    )  # the only control character that JSON does not escape


def complain(text: str) -> None:
    """Print a line about an error."""
    print(f"wheelwarden: {printable(text)}", file=sys.stderr)


def note(text: str) -> None:
    """Print a line about the progress."""
    print(printable(text), file=sys.stderr, flush=True)
