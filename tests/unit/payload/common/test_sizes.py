"""Numbers of bytes in words."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wheelwarden.payload.common.sizes import SIZE, in_words, of_words


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 bytes"), (1023, "1023 bytes"), (1024, "1.00 KiB"), (256 << 20, "256.00 MiB"),
        ((1 << 30) - 1, "1.00 GiB"), (270553174016, "251.97 GiB"), (1 << 60, "1.00 EiB"), (1 << 75, "32768.00 EiB"),
    ],
)  # fmt: skip
def test_a_size_is_told_in_binary_units(count: int, words: str) -> None:
    assert in_words(count) == words


def test_a_size_without_a_unit_is_in_bytes() -> None:
    assert [of_words("1073741824"), of_words("10 bytes"), of_words("1.50 KiB")] == [1 << 30, 10, 1536]


@given(st.integers(0, 1 << 60), st.integers(0, 1 << 60))
def test_words_are_read_back_nearly_and_in_the_same_order(one: int, other: int) -> None:
    small, large = sorted((one, other))
    for count in (small, large):
        assert re.fullmatch(SIZE, in_words(count))
        assert abs(of_words(in_words(count)) - count) <= count / 200
    assert of_words(in_words(small)) <= of_words(in_words(large))
