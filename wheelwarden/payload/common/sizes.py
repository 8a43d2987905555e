"""Formats byte counts for people, and parses them back."""

from __future__ import annotations

UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
# The form that `in_words` writes. Without a unit, as older installers wrote it, the number is in bytes.
SIZE = r"[0-9]{1,18}(?:\.[0-9]{2})?(?: (?:bytes|[KMGTPE]iB))?"


def in_words(count: int) -> str:
    """Format a byte count, as in `251.97 GiB`; below one KiB as in `1000 bytes`."""
    value, unit = float(count), 0
    while round(value, 2) >= 1024 and unit < len(UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.2f} {UNITS[unit]}" if unit else f"{count} bytes"


def of_words(text: str) -> int:
    """Parse a size into bytes, with the precision of two decimals."""
    value, _, unit = text.partition(" ")
    return int(float(value) * 1024 ** UNITS.index(unit or "bytes"))
