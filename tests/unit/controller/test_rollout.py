"""Pods that are about to be replaced, or have to be: each decision by itself."""

import datetime
from dataclasses import replace

import pytest

from controller.install_owner import Ownership
from controller.rollout import Attempt, Edit, came_back, follow_edit, next_pause, stuck_pod, why_outdated
from controller.state import PodState, Template
from tests.unit.controller.test_plan import SIX, pod, request
from wheelwarden.api.install_owner import InstallOwner

FOREIGN = Ownership(owner=InstallOwner.FOREIGN, reason="it installs", installer=True)
OURS = Ownership(owner=InstallOwner.OURS, reason="it does not")
UNKNOWN = Ownership(owner=InstallOwner.UNKNOWN, reason="there is no StatefulSet")
OBSERVED = pod(injected=False, hash="", foreign_installer=True, owners_hash="new", revision="r2")
TEMPLATE = Template(installs=True, owners_hash="new", claims=frozenset(), generation=2, revision="r2")
OLDER = "Pod demo-app-0 is of an older template than its StatefulSet; the operator is about to replace it."
TURN = (
    "it keeps what it has until its turn in the rollout: one pod at a time, the next when the one before is ready and "
    "proven."
)
MANAGED = request("six", install="managed")
CLAIM = "demo-app-python-packages"


def why(
    state: PodState, ownership: Ownership = FOREIGN, template: Template | None = TEMPLATE, *, wanted: object = SIX,
    acted: bool = True, back: bool = False,
) -> str:  # fmt: skip
    return why_outdated(wanted, state, ownership, template, acted=acted, came_back=back)  # type: ignore[arg-type]


def test_an_observed_pod_of_the_current_template_is_judged() -> None:
    assert why(OBSERVED) == ""
    assert why(OBSERVED, template=None) == ""
    assert why(replace(OBSERVED, owners_hash="", revision="")) == ""


def test_an_observed_pod_of_an_older_template_is_not_judged_yet() -> None:
    assert why(replace(OBSERVED, owners_hash="old")) == OLDER
    # The operator's hash decides; a new image of the same packages is no reason.
    assert why(replace(OBSERVED, revision="r1")) == ""
    assert why(replace(OBSERVED, owners_hash="", revision="r1")) == OLDER
    assert why(pod(taken_over=True, hash="old", owners_hash="old")) == OLDER


def test_what_we_installed_for_the_packages_of_now_is_judged_whatever_the_operator_still_has_to_do() -> None:
    assert why(pod(taken_over=True, owners_hash="old")) == ""
    assert why(pod(taken_over=True), acted=False) == ""


def test_until_the_operator_has_acted_on_an_edit_its_pods_are_not_judged() -> None:
    assert why(OBSERVED, acted=False) == "The packages changed, and the operator has not acted on it yet."
    assert why(pod(), OURS, None, acted=False) == ""


def test_a_pod_from_before_the_takeover_waits_for_its_turn_unless_that_was_in_vain() -> None:
    text = f"Pod demo-app-0 was made before Wheelwarden took over the installation; {TURN}"
    assert why(OBSERVED, wanted=MANAGED) == text
    assert why(OBSERVED, wanted=MANAGED, back=True) == ""
    assert why(OBSERVED, wanted=request("six", install="managed", rollout="manual")) == ""


def test_a_pod_of_ours_with_older_packages_waits_for_its_turn_where_pods_are_rolled() -> None:
    old = pod(hash="old")
    assert why(old, OURS) == f"The packages changed after pod demo-app-0 was made; {TURN}"
    assert why(old, OURS, wanted=request("six", rollout="manual")) == ""
    assert why(pod(), OURS) == ""


def test_while_nobody_can_tell_who_installs_a_pod_without_installer_is_not_wrong() -> None:
    bare = pod(injected=False, hash="", installer=None)
    assert why(bare, UNKNOWN) == "Who installs the packages is not clear yet: there is no StatefulSet."
    assert why(pod(), UNKNOWN) == ""
    assert why(bare, UNKNOWN, wanted=request(verify="six")) == ""


def test_an_edit_is_open_until_the_operator_says_that_it_acted_on_it() -> None:
    before = follow_edit(None, replace(SIX, generation=1), TEMPLATE, 1, 0.0)
    assert before == Edit(packages_hash=SIX.packages_hash, template_generation=2)
    edited = replace(request("idna"), generation=2)
    seen = follow_edit(before, edited, TEMPLATE, 1, 10.0)
    assert seen == Edit(packages_hash=edited.packages_hash, template_generation=2, since=10.0)
    assert follow_edit(seen, edited, TEMPLATE, 1, 100.0) == seen
    assert follow_edit(seen, edited, TEMPLATE, 2, 100.0).since is None
    assert follow_edit(seen, edited, TEMPLATE, 1, 130.0).since is None  # it never will


def test_after_a_restart_an_edit_is_open_where_the_operator_is_behind() -> None:
    edited = replace(SIX, generation=2)
    assert follow_edit(None, edited, TEMPLATE, 1, 5.0).since == 5.0
    assert follow_edit(None, edited, TEMPLATE, 2, 5.0).since is None
    assert follow_edit(None, edited, TEMPLATE, None, 5.0).since is None


def test_an_operator_that_says_no_generation_is_known_by_its_template_or_given_a_little_time() -> None:
    before = follow_edit(None, SIX, TEMPLATE, None, 0.0)
    edited = request("idna")
    seen = follow_edit(before, edited, TEMPLATE, None, 10.0)
    assert seen.since == 10.0
    assert follow_edit(seen, edited, TEMPLATE, None, 24.0) == seen
    assert follow_edit(seen, edited, replace(TEMPLATE, generation=3), None, 11.0).since is None
    assert follow_edit(seen, edited, TEMPLATE, None, 25.0).since is None
    # It was faster than our look.
    assert follow_edit(before, edited, replace(TEMPLATE, generation=3), None, 10.0).since is None


def test_replacements_go_on_while_they_get_the_installer_and_pause_longer_each_time_they_do_not() -> None:
    first = Attempt(pod="demo-app-0", uid="before", at=100.0)
    bare = pod(injected=False, hash="", installer=None)
    assert (came_back(None, [bare]), next_pause(None, [bare], 101.0)) == ("", (0.0, 60.0))
    assert (came_back(first, [pod()]), next_pause(first, [pod()], 101.0)) == ("", (0.0, 60.0))
    assert (came_back(first, [bare]), next_pause(first, [bare], 101.0)) == ("demo-app-0", (59.0, 120.0))
    assert next_pause(replace(first, pause=3600.0), [bare], 3800.0) == (0.0, 3600.0)


MADE = datetime.datetime(2026, 1, 31, 10, 0, 0, tzinfo=datetime.UTC)
REMADE = {"metadata": {"name": CLAIM, "creationTimestamp": "2026-01-31T10:00:00Z"}}
MISSED = pod(
    ready=False, node="", claims=frozenset({CLAIM}), created="2026-01-31T10:00:00Z",
    unschedulable=f'persistentvolumeclaim "{CLAIM}" is being deleted',
)  # fmt: skip


def stuck(state: PodState, seconds: float, *, usable: bool = True) -> tuple[PodState | None, float]:
    return stuck_pod([state], CLAIM, REMADE, usable=usable, now=MADE + datetime.timedelta(seconds=seconds))


def test_a_pod_that_missed_its_claim_is_stuck_after_a_minute() -> None:
    assert stuck(MISSED, 20) == (None, 40.0)
    assert stuck(MISSED, 60) == (MISSED, 0.0)


@pytest.mark.parametrize(
    "other",
    [
        replace(MISSED, created="2026-01-31T10:00:01Z"),  # the pod that replaced it
        replace(MISSED, node="node-1"),
        replace(MISSED, unschedulable="0/1 nodes are available: insufficient memory"),
        replace(MISSED, deleting=True),
        replace(MISSED, claims=frozenset()),
    ],
)
def test_other_pods_are_not_stuck(other: PodState) -> None:
    assert stuck(other, 600) == (None, 0.0)


def test_a_claim_that_cannot_be_had_leaves_the_pod_waiting() -> None:
    assert stuck(MISSED, 600, usable=False) == (None, 0.0)
