"""Exact values of Kubernetes quantities: `256Mi`, `500m`, `1e3`, `0.5`.

The grammar is that of k8s.io/apimachinery/pkg/api/resource.Quantity: a signed decimal number and one suffix, binary
(Ki … Ei), decimal (n, u, m, none, k … E) or an exponent. Kubernetes uses 9 fractional digits at most; we keep all.
"""

import re
from decimal import Decimal
from functools import lru_cache
from typing import Final

# Longer text is refused; the largest number that Kubernetes keeps is 2^63-1, which has 19 digits.
MAX_LENGTH: Final = 64

_QUANTITY: Final = re.compile(
    r"(?P<number>[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))"
    r"(?:(?P<suffix>[KMGTPE]i|[numkMGTPE])|[eE](?P<exponent>[+-]?[0-9]{1,2}))?"
)
_BINARY: Final = {f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", start=1)}
_DECIMAL: Final = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "k": Decimal(10) ** 3,
    "M": Decimal(10) ** 6,
    "G": Decimal(10) ** 9,
    "T": Decimal(10) ** 12,
    "P": Decimal(10) ** 15,
    "E": Decimal(10) ** 18,
}
_SUFFIXES: Final = _BINARY | _DECIMAL


@lru_cache(maxsize=256)
def parse_quantity(text: str) -> Decimal:
    """The exact value of a quantity: `parse_quantity("1Ki")` is 1024, `parse_quantity("500m")` is 0.5.

    Raises:
        ValueError: it is not a quantity; the text describes what a quantity looks like.
    """
    match = _QUANTITY.fullmatch(text) if len(text) <= MAX_LENGTH else None
    if match is None:
        raise ValueError("it is not a Kubernetes quantity: a number with an optional unit such as Mi, Gi, M or m")
    number = Decimal(match["number"])
    if match["suffix"]:
        return number * _SUFFIXES[match["suffix"]]
    if match["exponent"]:
        return number.scaleb(int(match["exponent"]))
    return number
