"""Quantities, exactly as Kubernetes reads them."""

from decimal import Decimal

import pytest

from wheelwarden.api.quantities import parse_quantity


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", "0"),
        ("256Mi", "268435456"),
        ("1.5Gi", "1610612736"),
        ("500m", "0.5"),
        ("1e3", "1000"),
        ("1E3", "1000"),
        ("1E", "1000000000000000000"),
        ("1Ei", "1152921504606846976"),
        (".5", "0.5"),
        ("5.", "5"),
        ("-1", "-1"),
        ("+1k", "1000"),
        ("100n", "1e-7"),
        ("12e-3", "0.012"),
    ],
)
def test_a_quantity_has_an_exact_value(text: str, expected: str) -> None:
    assert parse_quantity(text) == Decimal(expected)


@pytest.mark.parametrize(
    "text", ["", "Gi", "1 Gi", "1GB", "1gi", "1K", "1KI", "one", "1e", "1e999", "0x10", "1_000", "٣Gi", "1" * 65]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a Kubernetes quantity"):
        parse_quantity(text)
