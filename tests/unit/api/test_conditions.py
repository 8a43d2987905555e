"""Conditions: correct times and generations, and messages of bounded length."""

from typing import Any

import pytest

from wheelwarden.api import names
from wheelwarden.api.conditions import FALSE, TRUE, Condition, ConditionShape, find, is_written, shortened, written

NOW = "2026-01-31T10:30:00Z"
BEFORE = "2026-01-01T00:00:00Z"


def condition(status: str, reason: str = "R", message: str = "M.") -> Condition:
    return Condition(type=names.IMPORTS_VERIFIED, status=status, reason=reason, message=message)


def test_the_transition_time_changes_with_the_status_only() -> None:
    existing = [
        {"type": names.IMPORTS_VERIFIED, "status": TRUE, "lastTransitionTime": BEFORE, "reason": "R", "message": "M."}
    ]
    assert written(condition(TRUE, "Other"), existing, NOW) == {
        "type": names.IMPORTS_VERIFIED,
        "status": TRUE,
        "reason": "Other",
        "message": "M.",
        "lastProbeTime": NOW,
        "lastTransitionTime": BEFORE,
    }
    assert written(condition(FALSE), existing, NOW)["lastTransitionTime"] == NOW
    assert written(condition(TRUE), [], NOW)["lastTransitionTime"] == NOW
    assert find(existing, names.IMPORTS_VERIFIED) == condition(TRUE)
    assert find(existing, names.PACKAGES_INSTALLED) is None


def test_a_condition_of_a_custom_resource_has_a_generation_and_no_probe_time() -> None:
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
        ({}, True),  # the CRD does not keep the field: writing it again would change nothing
        ({"observedGeneration": 7, "message": "Other."}, False),
        ({"observedGeneration": 7, "lastProbeTime": BEFORE}, True),
        ({"observedGeneration": 7, "type": names.PACKAGES_INSTALLED}, False),
    ],
)
def test_a_condition_counts_as_written_if_it_is_equal_and_of_the_current_generation(
    entry: dict[str, Any], found: bool
) -> None:
    existing = {"type": names.IMPORTS_VERIFIED, "status": TRUE, "reason": "R", "message": "M.", **entry}
    assert is_written(condition(TRUE), [existing], 7) is found


@pytest.mark.parametrize(
    ("message", "short"),
    [
        ("Short.", "Short."),
        ("First sentence. Second sentence. Third.", "First sentence. Second sentence. …"),
        ("No sentence ends in here at all, only words", "No sentence ends in here at all, …"),
        ("x" * 50, "x" * 34 + " …"),
    ],
)
def test_a_message_is_cut_after_a_sentence_or_a_word(message: str, short: str) -> None:
    assert shortened(message, 36) == short
