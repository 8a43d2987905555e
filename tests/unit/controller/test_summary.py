"""One condition for many pods: the cause of a failure decides and comes first, and no advice takes down a good replica."""

import itertools

import pytest

from controller.summary import SEVERITY, advised, severity, sum_up
from tests.unit.controller.test_plan import pod, request
from wheelwarden.api import names
from wheelwarden.api.conditions import FALSE, TRUE, UNKNOWN, Condition, Reason

UNKNOWNS = {
    Reason.CLAIM_PENDING, Reason.OUT_OF_MEMORY, Reason.PROBE_FAILED, Reason.WAITING_FOR_POD, Reason.INSTALLING,
    Reason.PROBING, Reason.WAITING_FOR_PACKAGES, Reason.OBSERVED, Reason.ROLLOUT_PENDING,
}  # fmt: skip
ADVICE = "It keeps the old set. Restart it when it suits (kubectl delete pod demo-app-0)."
NOT_FOUND = "Package not found in index. Verify package name and version. There is no six in version 99."


def condition(status: str, reason: str, message: str = "M.", type_: str = names.PACKAGES_INSTALLED) -> Condition:
    return Condition(type=type_, status=status, reason=reason, message=message)


def imports(status: str, reason: str, message: str = "M.") -> Condition:
    return condition(status, reason, message, names.IMPORTS_VERIFIED)


def test_no_pods_are_unknown() -> None:
    assert sum_up(names.IMPORTS_VERIFIED, [], 1) == imports(UNKNOWN, "WaitingForPod", "There is no pod yet.")


def test_all_good_is_true() -> None:
    pods = [("app-0", imports(TRUE, "ImportsSucceeded")), ("app-1", imports(TRUE, "ImportsSucceeded"))]
    assert sum_up(names.IMPORTS_VERIFIED, pods, 1) == imports(
        TRUE, "ImportsSucceeded", "2 of 2 pods import everything. M."
    )


def test_a_pod_that_is_being_recreated_is_awaited() -> None:
    pods = [("app-1", imports(TRUE, "ImportsSucceeded")), ("app-2", imports(TRUE, "ImportsSucceeded"))]
    found = [sum_up(names.IMPORTS_VERIFIED, pods, replicas) for replicas in (3, 4)]
    assert found == [
        imports(UNKNOWN, "WaitingForPod", "2 of 3 pods import everything. 1 pod is not there yet."),
        imports(UNKNOWN, "WaitingForPod", "2 of 4 pods import everything. 2 pods are not there yet."),
    ]
    failing = [*pods, ("app-0", imports(FALSE, "ImportFailed", "cv2 broke."))]
    assert sum_up(names.IMPORTS_VERIFIED, failing, 4).message == "app-0: cv2 broke. 2 of 4 pods import everything."


def test_one_failure_makes_it_false_and_is_named_first() -> None:
    pods = [
        ("app-0", imports(TRUE, "ImportsSucceeded")),
        ("app-1", imports(UNKNOWN, "Probing", "The imports are being tried.")),
        ("app-2", imports(FALSE, "ImportFailed", "cv2 broke")),
    ]
    assert sum_up(names.IMPORTS_VERIFIED, pods, 1) == imports(
        FALSE,
        "ImportFailed",
        "app-2: cv2 broke. 1 of 3 pods import everything. app-1: The imports are being tried.",
    )


def test_in_a_stuck_rollout_the_cause_comes_before_the_healthy_pods() -> None:
    pods = [
        ("demo-app-0", condition(FALSE, Reason.RESTART_REQUIRED, "It runs on.")),
        ("demo-app-1", condition(FALSE, Reason.RESTART_REQUIRED, "It runs on.")),
        ("demo-app-2", condition(FALSE, Reason.PACKAGE_NOT_FOUND, NOT_FOUND)),
    ]
    assert sum_up(names.PACKAGES_INSTALLED, pods, 1) == condition(
        FALSE,
        Reason.PACKAGE_NOT_FOUND,
        f"demo-app-2: {NOT_FOUND} 0 of 3 pods have their packages. demo-app-0, demo-app-1: It runs on.",
    )


def test_the_order_of_the_reasons_is_that_of_the_table() -> None:
    order = [reason for reasons in SEVERITY for reason in reasons]
    assert len(set(order)) == len(order)
    for worse, better in itertools.pairwise(SEVERITY):
        for reason in worse:
            for other in better:
                pods = [
                    ("app-0", condition(UNKNOWN if other in UNKNOWNS else FALSE, other)),
                    ("app-1", condition(UNKNOWN if reason in UNKNOWNS else FALSE, reason)),
                ]
                found = sum_up(names.PACKAGES_INSTALLED, pods, 1)
                assert (found.reason, found.message.partition(":")[0]) == (reason, "app-1")


def test_every_reason_has_its_place_in_the_table() -> None:
    events = {Reason.CACHE_NEARLY_FULL, Reason.WRITE_REFUSED}
    good = {Reason.INSTALLED, Reason.IMPORTS_SUCCEEDED, Reason.NOTHING_TO_VERIFY}
    every = {value for name, value in vars(Reason).items() if name.isupper()}
    assert {reason for reasons in SEVERITY for reason in reasons} == every - events - good


@pytest.mark.parametrize(("status", "rank"), [(FALSE, 1), (UNKNOWN, len(SEVERITY) - 1), (TRUE, len(SEVERITY))])
def test_a_reason_that_is_in_no_table_counts_by_its_status(status: str, rank: int) -> None:
    assert severity(condition(status, "MadeUp")) == rank


def test_hundreds_of_failing_pods_stay_on_a_screen_in_whole_sentences() -> None:
    pods = [(f"app-{number}", imports(FALSE, "ImportFailed", f"{number} broke. " + "y" * 200)) for number in range(300)]
    message = sum_up(names.IMPORTS_VERIFIED, pods, 1).message
    told = " ".join(f"app-{number}: {number} broke. {'y' * 200}." for number in range(1, 4))
    assert message == (
        f"app-0: 0 broke. {'y' * 200}. 0 of 300 pods import everything. {told} And 296 more pods are not there."
    )


def test_many_pods_that_say_the_same_are_told_once() -> None:
    pods = [(f"app-{number}", imports(FALSE, "ImportFailed", "cv2 broke.")) for number in range(5)]
    assert sum_up(names.IMPORTS_VERIFIED, pods, 1).message == (
        "app-0, app-1, app-2 and 2 more: cv2 broke. 0 of 5 pods import everything."
    )


def test_a_cause_longer_than_the_screen_keeps_its_head_and_the_tally() -> None:
    message = sum_up(names.IMPORTS_VERIFIED, [("app-0", imports(FALSE, "ImportFailed", "It broke. " * 200))], 1).message
    assert message.startswith("app-0: It broke. It broke.")
    assert message.endswith("It broke. … 0 of 1 pods import everything.")
    assert len(message) <= 1000


KEPT = "The packages changed after this pod was made; it runs on with those it was made with."


@pytest.mark.parametrize(
    ("rollout", "newer", "told"),
    [
        (
            "auto",
            [condition(FALSE, Reason.PACKAGE_NOT_FOUND, NOT_FOUND)],
            f"{KEPT} Do not restart it: pod demo-app-1 was made with the new ones and fails. Correct that first.",
        ),
        (
            "manual",
            [condition(TRUE, Reason.INSTALLED), imports(FALSE, Reason.IMPORT_FAILED)],
            f"{KEPT} Do not restart it: pod demo-app-1 was made with the new ones and fails. Correct that first.",
        ),
        (
            "manual",
            [condition(UNKNOWN, Reason.CLAIM_PENDING)],
            f"{KEPT} Restart it when the pod that was made with the new ones is ready.",
        ),
        ("manual", [condition(TRUE, Reason.INSTALLED)], ADVICE),
    ],
)
def test_nobody_is_advised_to_restart_a_good_pod_while_a_newer_one_fails(
    rollout: str, newer: list[Condition], told: str
) -> None:
    older = condition(FALSE, Reason.RESTART_REQUIRED, ADVICE)
    pods = [pod("demo-app-0", hash="older"), pod("demo-app-1")]
    decided = {"demo-app-0": [older], "demo-app-1": newer}
    assert advised(request("six", rollout=rollout), pods, decided) == {
        "demo-app-0": [condition(FALSE, Reason.RESTART_REQUIRED, told)],
        "demo-app-1": newer,
    }
