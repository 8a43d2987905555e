"""Conditions: times and generations that tell the truth, and messages of bounded length."""

from typing import Any

import pytest

from wheelwarden.api import names
from wheelwarden.api.conditions import FALSE, TRUE, Condition, ConditionShape, find, is_written, shortened, written

NOW = "2026-01-31T10:30:00Z"
BEFORE = "2026-01-01T00:00:00Z"


def condition(status: str, reason: str = "R", message: str = "M.") -> Condition:
    return Condition(type=names.IMPORTS_VERIFIED, status=status, reason=reason, message=message)


def test_the_transition_time_changes_with_the_status_only() -> None:
    there = [
        {"type": names.IMPORTS_VERIFIED, "status": TRUE, "lastTransitionTime": BEFORE, "reason": "R", "message": "M."}
    ]
    assert written(condition(TRUE, "Other"), there, NOW) == {
        "type": names.IMPORTS_VERIFIED,
        "status": TRUE,
        "reason": "Other",
        "message": "M.",
        "lastProbeTime": NOW,
        "lastTransitionTime": BEFORE,
    }
    assert written(condition(FALSE), there, NOW)["lastTransitionTime"] == NOW
    assert written(condition(TRUE), [], NOW)["lastTransitionTime"] == NOW
    assert find(there, names.IMPORTS_VERIFIED) == condition(TRUE)
    assert find(there, names.PACKAGES_INSTALLED) is None


def test_a_condition_of_a_custom_resource_tells_its_generation_and_no_probe_time() -> None:
    shape = ConditionShape(observed_generation=True, last_probe_time=False)
    assert written(condition(FALSE), [], NOW, shape=shape, generation=7) == {
        "type": names.IMPORTS_VERIFIED,
        "status": FALSE,
        "reason": "R",
        "message": "M.",
        "lastTransitionTime": NOW,
        "observedGeneration": 7,
    }


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        ({"observedGeneration": 7}, True),
        ({"observedGeneration": 6}, False),
        ({}, True),  # its CRD does not keep it: writing it again would change nothing
        ({"observedGeneration": 7, "message": "Other."}, False),
        ({"observedGeneration": 7, "lastProbeTime": BEFORE}, True),
        ({"observedGeneration": 7, "type": names.PACKAGES_INSTALLED}, False),
    ],
)
def test_a_condition_is_written_where_it_says_the_same_of_the_present_generation(
    entry: dict[str, Any], found: bool
) -> None:
    there = {"type": names.IMPORTS_VERIFIED, "status": TRUE, "reason": "R", "message": "M.", **entry}
    assert is_written(condition(TRUE), [there], 7) is found


@pytest.mark.parametrize(
    ("message", "short"),
    [
        ("Short.", "Short."),
        ("First sentence. Second sentence. Third.", "First sentence. Second sentence. …"),
        ("No sentence ends in here at all, only words", "No sentence ends in here at all, …"),
        ("x" * 50, "x" * 34 + " …"),
    ],
)
def test_a_message_is_shortened_by_whole_sentences_or_words(message: str, short: str) -> None:
    assert shortened(message, 36) == short
