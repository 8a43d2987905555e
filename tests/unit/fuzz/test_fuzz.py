"""The fuzzer runs, and finds what is there to be found."""

import pytest

from tests import fuzz
from wheelwarden.api.violations import Violation
from wheelwarden.rules import judge_object


def test_some_thousand_inputs_find_nothing() -> None:
    assert [problem for obj in fuzz.inputs(7, 2000) if (problem := fuzz.fails(obj))] == []


def test_the_same_seed_gives_the_same_inputs() -> None:
    assert [repr(obj) for obj in fuzz.inputs(3, 50)] == [repr(obj) for obj in fuzz.inputs(3, 50)]


def test_a_planted_fault_is_found_and_made_small(monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty(obj: dict[str, object]) -> list[Violation]:
        if "`" in repr(obj):
            raise RuntimeError("a backtick")
        return judge_object(obj)

    monkeypatch.setattr(fuzz, "judge_object", faulty)
    found = next(obj for obj in fuzz.inputs(1, 5000) if fuzz.fails(obj))
    small = fuzz.shrink(found)
    assert fuzz.fails(small) == "RuntimeError: a backtick"
    assert len(repr(small)) < len(repr(found))
