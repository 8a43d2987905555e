"""Conditions: times that tell the truth, and one sentence for many pods."""

from wheelwarden import names
from wheelwarden.conditions import FALSE, TRUE, UNKNOWN, Condition, find, sum_up, written

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


def test_no_pods_are_unknown() -> None:
    assert sum_up(names.IMPORTS_VERIFIED, []) == condition(UNKNOWN, "WaitingForPod", "There is no pod yet.")


def test_all_good_is_true() -> None:
    pods = [("app-0", condition(TRUE, "ImportsSucceeded")), ("app-1", condition(TRUE, "ImportsSucceeded"))]
    assert sum_up(names.IMPORTS_VERIFIED, pods) == condition(
        TRUE, "ImportsSucceeded", "2 of 2 pods import everything. M."
    )


def test_one_failure_makes_it_false_and_is_named_first() -> None:
    pods = [
        ("app-0", condition(TRUE)),
        ("app-1", condition(UNKNOWN, "Probing", "wait.")),
        ("app-2", condition(FALSE, "ImportFailed", "cv2 broke.")),
    ]
    assert sum_up(names.IMPORTS_VERIFIED, pods) == condition(
        FALSE, "ImportFailed", "1 of 3 pods import everything. app-2: cv2 broke.; app-1: wait."
    )


def test_hundreds_of_failing_pods_stay_on_a_screen() -> None:
    pods = [(f"app-{number}", condition(FALSE, "ImportFailed", "x" * 200)) for number in range(300)]
    message = sum_up(names.IMPORTS_VERIFIED, pods).message
    assert message.startswith("0 of 300 pods import everything. app-0: xxx")
    assert len(message) == 1000
