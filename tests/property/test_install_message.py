"""The installer's termination message, for results of any content."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from controller.state import parse_result
from tests.unit.payload.install.test_message import failed, message_of, result

# Halves of surrogate pairs, too: a path of an image may hold what is no UTF-8.
TEXT = st.text(st.characters(), max_size=300)
LISTS = st.lists(TEXT, max_size=40)


@given(LISTS, LISTS, LISTS, TEXT, st.integers(1024, 4096))
def test_any_result_fits_and_is_read_back(
    installed: list[str], provided: list[str], warnings: list[str], installer: str, limit: int
) -> None:
    written: dict[str, Any] = result(installed=installed, provided=provided, warnings=warnings, installer=installer)
    text = message_of(written, limit)
    assert len(text.encode()) <= limit
    found = parse_result(text)
    assert found is not None
    for name in ("installed", "provided", "warnings"):
        assert len(getattr(found, name)) + getattr(found, f"{name}_omitted") == len(written[name])


@given(TEXT.map(lambda text: text * 20))
def test_any_failure_fits_and_is_read_back(message: str) -> None:
    text = message_of(failed(message, "network"), 4096)
    assert len(text.encode()) <= 4096
    found = parse_result(text)
    assert found is not None
    assert (found.outcome, found.error_class) == ("failed", "network")


@given(st.text(max_size=200), st.text(max_size=200), st.text(max_size=200))
def test_any_words_are_a_result_or_none(first: str, second: str, third: str) -> None:
    for text in (
        first,
        f"{first}\n{second}",
        f"{first}\n{second}\n{third}",
        f'No.\n{{"version":1,"outcome":{second}}}',
    ):
        assert parse_result(text) is None
