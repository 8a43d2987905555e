"""The store: when a volume is short of space."""

import pytest

from wheelwarden.payload.install.store import is_short

GIB = 1 << 30


@pytest.mark.parametrize(
    ("total", "available", "short"),
    [
        (2 * GIB, 1 * GIB, False),
        (2 * GIB, GIB // 4, True),
        (40 * GIB, 8 * GIB, False),
        (40 * GIB, 7 * GIB, True),
        (1000 * GIB, 11 * GIB, False),
        (1000 * GIB, 9 * GIB, True),
    ],
)
def test_a_volume_is_short_below_a_fifth_and_below_ten_gib(total: int, available: int, short: bool) -> None:
    assert is_short({"totalBytes": total, "usedBytes": total - available, "availableBytes": available}) is short


def test_a_volume_of_unknown_usage_is_not_short() -> None:
    assert not is_short(None)
