"""The store: when a volume is short of room."""

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
def test_a_volume_is_short_with_little_left_and_a_large_one_not_for_its_part_alone(
    total: int, available: int, short: bool
) -> None:
    assert is_short({"totalBytes": total, "usedBytes": total - available, "availableBytes": available}) is short


def test_a_volume_that_tells_nothing_is_not_short() -> None:
    assert not is_short(None)
