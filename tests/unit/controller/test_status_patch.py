"""What is written into a KasprApp's status: the whole of it somewhere, nothing twice, nothing of anybody else's."""

from copy import deepcopy
from typing import Any

import pytest

from controller.status_patch import conditions_to_write, fields_to_correct, fields_to_write, written_before
from tests.unit.fake_cluster import merge
from wheelwarden.api import names
from wheelwarden.api.conditions import FALSE, TRUE, Condition, ConditionShape
from wheelwarden.api.install_owner import InstallOwner

NOW, BEFORE = "2026-01-31T10:30:00Z", "2026-01-01T00:00:00Z"
WHOLE = {"hash": "h1", "state": "Ready", "warnings": [], "authentication": {"enabled": True, "secretName": "pypi"}}
KEPT = {"hash": "h1", "warnings": []}  # by a CRD that knows these two only
NESTED = {**KEPT, "authentication": {"enabled": True}}
LATER = {"hash": "h2", "state": "Failed", "error": "No.", "warnings": [], "authentication": {"enabled": False}}
OURS, FOREIGN = InstallOwner.OURS, InstallOwner.FOREIGN
KASPR_SHAPE = ConditionShape(observed_generation=True, last_probe_time=False)
THEIRS = {"hash": "theirs", "installed": ["six==1.16.0"]}


@pytest.mark.parametrize(
    ("status", "owner", "after"),
    [
        ({}, OURS, {"pythonPackages": WHOLE}),
        ({"pythonPackages": WHOLE}, OURS, None),
        ({"pythonPackages": KEPT, "wheelwarden": WHOLE}, OURS, None),
        ({"pythonPackages": NESTED, "wheelwarden": WHOLE}, OURS, None),
        # Something differs: all is offered again, ours too where it stands.
        ({"pythonPackages": KEPT}, OURS, {"pythonPackages": WHOLE}),
        ({"pythonPackages": LATER}, OURS, {"pythonPackages": WHOLE}),
        ({"pythonPackages": KEPT, "wheelwarden": LATER}, OURS, {"pythonPackages": WHOLE, "wheelwarden": WHOLE}),
        ({"pythonPackages": WHOLE, "wheelwarden": LATER}, OURS, {"pythonPackages": WHOLE, "wheelwarden": WHOLE}),
        # Somebody emptied it.
        ({"wheelwarden": WHOLE}, OURS, {"pythonPackages": WHOLE, "wheelwarden": WHOLE}),
        # Beside another owner.
        ({"pythonPackages": THEIRS}, FOREIGN, {"pythonPackages": THEIRS, "wheelwarden": WHOLE}),
        ({"pythonPackages": THEIRS, "wheelwarden": WHOLE}, FOREIGN, None),
    ],
)
def test_the_whole_stands_where_it_is_kept(
    status: dict[str, Any], owner: InstallOwner, after: dict[str, Any] | None
) -> None:
    patch = fields_to_write(status, WHOLE, owner)
    assert (merge(deepcopy(status), patch) if patch else None) == after


@pytest.mark.parametrize(
    ("status", "owner", "after"),
    [
        ({"pythonPackages": THEIRS, "wheelwarden": WHOLE}, FOREIGN, {"pythonPackages": THEIRS}),
        ({"pythonPackages": KEPT, "wheelwarden": WHOLE}, OURS, {}),
        ({"pythonPackages": THEIRS}, FOREIGN, None),
        ({}, OURS, None),
    ],
)
def test_where_no_packages_are_asked_for_ours_goes(
    status: dict[str, Any], owner: InstallOwner, after: dict[str, Any] | None
) -> None:
    patch = fields_to_write(status, None, owner)
    assert (merge(deepcopy(status), patch) if patch else None) == after


@pytest.mark.parametrize(
    ("status", "patch"),
    [
        ({"pythonPackages": WHOLE}, {}),
        ({"pythonPackages": KEPT}, {"wheelwarden": WHOLE}),
        ({"pythonPackages": KEPT, "wheelwarden": WHOLE}, {}),
        ({"pythonPackages": WHOLE, "wheelwarden": WHOLE}, {"wheelwarden": None}),  # the CRD keeps everything now
        ({}, {"wheelwarden": WHOLE}),
    ],
)
def test_the_answer_to_a_write_shows_what_the_crd_keeps(status: dict[str, Any], patch: dict[str, Any]) -> None:
    assert fields_to_correct(status, WHOLE, OURS) == patch
    assert fields_to_correct(status, WHOLE, FOREIGN) == {}
    assert fields_to_correct(status, None, OURS) == {}


def test_what_was_told_before_is_read_from_where_it_is_whole() -> None:
    assert written_before({"pythonPackages": KEPT, "wheelwarden": WHOLE}, OURS) == WHOLE
    assert written_before({"pythonPackages": KEPT}, OURS) == KEPT
    assert written_before({"pythonPackages": THEIRS}, FOREIGN) == {}
    assert written_before({}, OURS) == {}


def condition(status: str, type_: str = names.PACKAGES_INSTALLED) -> Condition:
    return Condition(type=type_, status=status, reason="R", message="M.")


def entry(
    status: str, type_: str = names.PACKAGES_INSTALLED, generation: int = 3, time: str = BEFORE
) -> dict[str, Any]:
    return {
        "type": type_, "status": status, "reason": "R", "message": "M.", "lastTransitionTime": time,
        "observedGeneration": generation,
    }  # fmt: skip


READY = {"type": "Ready", "status": "True"}
IMPORTS = names.IMPORTS_VERIFIED


@pytest.mark.parametrize(
    ("there", "wanted", "known", "after"),
    [
        ([READY, entry(TRUE)], [condition(TRUE)], [], None),
        ([READY], [condition(TRUE)], [], [READY, entry(TRUE, time=NOW)]),
        # The generation rose and nothing else changed: one write, and the transition is as old as it was.
        (
            [entry(TRUE, generation=2), READY, entry(TRUE, IMPORTS, 2)], [condition(TRUE), condition(TRUE, IMPORTS)], [],
            [READY, entry(TRUE), entry(TRUE, IMPORTS)],
        ),
        ([entry(TRUE), entry(FALSE, IMPORTS)], [condition(TRUE)], [], [entry(TRUE)]),
        ([entry(FALSE)], [], [], []),
        # Somebody dropped it: it comes back with its own transition time.
        ([READY], [condition(TRUE)], [entry(TRUE)], [READY, entry(TRUE)]),
        ([READY], [condition(TRUE)], [entry(FALSE)], [READY, entry(TRUE, time=NOW)]),
    ],
)  # fmt: skip
def test_conditions_are_written_beside_those_of_others(
    there: list[Any], wanted: list[Condition], known: list[Any], after: list[Any] | None
) -> None:
    assert conditions_to_write(there, wanted, NOW, shape=KASPR_SHAPE, generation=3, known=known) == after
