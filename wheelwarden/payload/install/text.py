"""Text as people and the kubelet can take it: printable, encodable, and no longer than there is room."""

from __future__ import annotations

import json


def clean(value: object) -> str:
    """On one line and encodable: without control characters, line breaks and halves of surrogate pairs."""
    text = str(value).encode("utf-8", "replace").decode("utf-8")
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())


def shortened(value: object, limit: int) -> str:
    """The text cleaned, in at most `limit` bytes of UTF-8; what is longer ends after a whole word, with an ellipsis."""
    text = clean(value)
    if size_of(text) <= limit:
        return text
    cut = text.encode()[: max(0, limit - 3)].decode("utf-8", "ignore")  # the ellipsis has three bytes
    words = cut.rpartition(" ")[0]
    return (words or cut) + "\u2026"


def compact(value: object) -> str:
    """The value as JSON without spaces."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def size_of(text: str) -> int:
    """Bytes of UTF-8."""
    return len(text.encode())


def counted(number: int, noun: str) -> str:
    """As in `1 package`, `2 packages`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
