"""What is said of packages that another owner's installer put there."""

from dataclasses import replace

import pytest

from controller.plan import (
    imports_condition,
    needs_probe,
    packages_condition,
    probe_digest,
    replacement,
)
from controller.state import Installer, PodState, ProbeOutcome
from tests.unit.controller.test_plan import pod, request
from wheelwarden.api import names
from wheelwarden.api.conditions import FALSE, TRUE, UNKNOWN, Reason
from wheelwarden.api.request import Request
from wheelwarden.verify.results import Distribution, ModuleResult, ProbeReport

PINNED = request("six==1.17.0", "requests>=2")


def foreign(**changes: object) -> PodState:
    """A ready pod whose own installer ended well."""
    ended = Installer(phase="ended", exit_code=0)
    own = pod(
        injected=False,
        hash="",
        foreign_installer=True,
        search_path="/opt/kaspr/packages",
        installer=ended,
        conditions=(),
    )
    return replace(own, **changes)  # type: ignore[arg-type]


def seen(asked: Request, there: PodState, *distributions: Distribution, good: bool = True) -> ProbeOutcome:
    module = ModuleResult(module="six", ok=good, seconds=0.1)
    report = ProbeReport(
        python="3.11.2", executable="python3", derived=True, results=(module,), distributions=distributions
    )
    return ProbeOutcome(digest=probe_digest(asked, there), report=report)


def dist(name: str, *found: tuple[str, bool | None]) -> Distribution:
    return Distribution(name=name, found=found)


REQUESTS = dist("requests", ("2.31.0", True))


@pytest.mark.parametrize(
    ("six", "status", "reason", "text"),
    [
        (dist("six", ("1.17.0", True)), TRUE, Reason.OBSERVED, "requests==2.31.0, six==1.17.0"),
        (dist("six", ("1.17.0", None)), TRUE, Reason.OBSERVED, "six==1.17.0"),
        (dist("six"), FALSE, Reason.PACKAGE_MISSING, "six is not there."),
        (
            dist("six", ("1.16.0", True), ("1.17.0", False)),
            FALSE,
            Reason.VERSION_MISMATCH,
            "six is 1.16.0 (the metadata of 1.17.0 lies beside it), and ==1.17.0 is asked for.",
        ),
        (dist("six", ("1.16.0", True)), FALSE, Reason.VERSION_MISMATCH, "six is 1.16.0, and ==1.17.0 is asked for."),
        (
            dist("six", ("1.17.0", False)),
            FALSE,
            Reason.FILES_DAMAGED,
            "six 1.17.0 is there, but not with the files it was installed with.",
        ),
    ],
)
def test_what_is_there_is_held_against_what_is_asked_for(
    six: Distribution, status: str, reason: str, text: str
) -> None:
    there = foreign()
    found = packages_condition(PINNED, there, None, (), seen(PINNED, there, six, REQUESTS))
    assert found is not None
    assert (found.status, found.reason) == (status, reason)
    assert text in found.message


@pytest.mark.parametrize(
    ("there", "six", "message"),
    [
        (
            foreign(),
            dist("six"),
            (
                "six is not there. The pod's own installer ended without an error and did not install it. Check that name and "
                "version exist on the index, and see `kubectl logs demo-app-0 -c install-packages`; or set "
                "wheelwarden.dev/install: managed to have Wheelwarden install and tell what fails."
            ),
        ),
        (
            foreign(),
            dist("six", ("1.16.0", True)),
            (
                "six is 1.16.0, and ==1.17.0 is asked for. The pod's own installer ended without an error. Empty its volume "
                "and restart the pods, or set wheelwarden.dev/install: managed to have Wheelwarden install."
            ),
        ),
        (
            foreign(foreign_installer=False, installer=None),
            dist("six"),
            (
                "six is not there. Nothing installs packages into this pod: use an image that has them, or set "
                "wheelwarden.dev/install: managed to have Wheelwarden install."
            ),
        ),
    ],
)
def test_the_advice_fits_the_cause(there: PodState, six: Distribution, message: str) -> None:
    asked = replace(PINNED, install="observe")
    found = packages_condition(asked, there, None, (), seen(asked, there, six, REQUESTS))
    assert found is not None
    assert found.message == message


def test_until_the_probe_it_is_not_known_and_afterwards_it_stays_known() -> None:
    there = foreign()
    before = packages_condition(PINNED, there, None)
    assert before is not None
    assert (before.status, before.reason) == (UNKNOWN, Reason.OBSERVED)
    assert needs_probe(PINNED, there)
    judged = packages_condition(PINNED, there, None, (), seen(PINNED, there, dist("six"), REQUESTS))
    assert judged is not None
    entry = {"type": judged.type, "status": judged.status, "reason": judged.reason, "message": judged.message}
    imports = {"type": names.IMPORTS_VERIFIED, "status": TRUE, "reason": "ImportsSucceeded", "message": ""}
    after = replace(there, probed=probe_digest(PINNED, there), conditions=(entry, imports))
    assert packages_condition(PINNED, after, None) == judged
    assert not needs_probe(PINNED, after)
    pending = {**entry, "status": UNKNOWN, "reason": Reason.ROLLOUT_PENDING}
    assert needs_probe(PINNED, replace(after, conditions=(pending, imports)))
    # Other packages are held against what is there now.
    assert needs_probe(request("six==1.16.0"), after)


def test_an_installer_of_another_owner_that_failed_is_named_with_its_log() -> None:
    failing = Installer(phase="waiting", reason="CrashLoopBackOff", exit_code=1)
    found = packages_condition(PINNED, foreign(ready=False, installer=failing), None)
    assert found is not None
    assert (found.status, found.reason) == (FALSE, Reason.INSTALL_FAILED)
    assert "kubectl logs demo-app-0 -c install-packages" in found.message


def test_imports_of_what_is_missing_do_not_pass_for_proven() -> None:
    there = foreign()
    report = ProbeReport(
        python="3.11.2", executable="python3", derived=True, results=(), distributions=(dist("six"), REQUESTS)
    )
    outcome = ProbeOutcome(digest=probe_digest(PINNED, there), report=report)
    found = imports_condition(PINNED, there, outcome)
    assert found is not None
    assert (found.status, found.reason) == (FALSE, Reason.MODULE_NOT_FOUND)
    assert found.message == "six is not installed, so nothing of it can be imported: see PackagesInstalled."


def test_what_a_marker_rules_out_need_not_be_there() -> None:
    asked = request("six; python_version < '3.8'")
    there = foreign()
    found = packages_condition(asked, there, None, (), seen(asked, there, dist("six")))
    assert found is not None
    assert found.status == TRUE


def test_managed_makes_foreign_pods_anew_one_at_a_time_and_leaves_rolling_to_the_owner_afterwards() -> None:
    managed = request("six", install="managed")
    pods = [foreign(), foreign(name="demo-app-1", uid="uid-demo-app-1")]
    due = replacement(managed, pods, {}, replicas=2)
    assert due is not None
    assert (due.pod.name, due.evict) == ("demo-app-1", True)
    assert replacement(request("six"), pods, {}, replicas=2) is None
    taken = pod(taken_over=True, hash="older")
    assert replacement(managed, [taken], {}, replicas=1) is None


def test_the_modules_of_now_are_not_looked_for_in_a_pod_with_an_older_set() -> None:
    older = pod(hash="older")
    assert not needs_probe(request("six"), older)
    found = imports_condition(request("six"), older, None)
    assert found is not None
    assert found.reason == Reason.WAITING_FOR_PACKAGES


def test_a_degraded_pod_has_no_imports_to_wait_for() -> None:
    from controller.state import InstallResult

    result = InstallResult(outcome="failed", hash="h", error_class="network", error_message="No.")
    degraded = pod(installer=Installer(phase="ended", exit_code=0, result=result))
    found = imports_condition(request("six"), degraded, None)
    assert found is not None
    assert (found.type, found.status, found.reason) == (names.IMPORTS_VERIFIED, FALSE, Reason.MODULE_NOT_FOUND)
