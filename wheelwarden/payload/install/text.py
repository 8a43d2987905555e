"""Text for people and the kubelet: printable, encodable and of limited length."""

from __future__ import annotations

import json


def clean(value: object) -> str:
    """The value as one line of encodable text, without control characters and lone surrogates."""
    text = str(value).encode("utf-8", "replace").decode("utf-8")
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())


def shortened(value: object, limit: int) -> str:
    """The cleaned text in at most `limit` bytes of UTF-8. Longer text is cut after a whole word and gets an ellipsis."""
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
    """The length in bytes of UTF-8."""
    return len(text.encode())


def counted(number: int, noun: str) -> str:
    """Number and noun, such as `1 package` or `2 packages`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
