"""Who installs: each kind of evidence by itself, and which of two wins."""

from dataclasses import replace
from typing import Any

import pytest

from controller.claim_plan import build_claim
from controller.install_owner import (
    Evidence,
    Ownership,
    decide_owner,
    observed_generation,
    wrote_packages_status,
)
from controller.state import PodState, Template
from tests.unit.controller.test_plan import SIX, pod, request
from wheelwarden.api.install_owner import InstallOwner

OURS, FOREIGN, UNKNOWN = InstallOwner.OURS, InstallOwner.FOREIGN, InstallOwner.UNKNOWN
BARE = pod(injected=False, hash="", installer=None)
THEIRS = pod(injected=False, hash="", foreign_installer=True)
OPERATORS_CLAIM = {"metadata": {"name": "c", "labels": {"kaspr.io/component": "python-packages"}}}
STRANGERS_CLAIM = {"metadata": {"name": "c", "labels": {}}}
OUR_CLAIM = build_claim(SIX)


def template(*, installs: bool = False, generation: int = 1) -> Template:
    return Template(installs=installs, owners_hash="", claims=frozenset(), generation=generation, revision="")


def decide(
    wanted: Any = SIX, *, pods: tuple[PodState, ...] = (), sets: Template | None = None, readable: bool = True,
    claim: Any = None, app: Any = None,
) -> Ownership:  # fmt: skip
    evidence = Evidence(pods=pods, template=sets, readable=readable, claim=claim, app=app or {})
    return decide_owner(wanted, evidence)


@pytest.mark.parametrize(
    ("evidence", "owner", "reason"),
    [
        # The operator needs a minute for its StatefulSet: nobody can tell, and nobody needs the claim.
        ({}, UNKNOWN, "its operator has not made a StatefulSet yet"),
        ({"claim": OPERATORS_CLAIM}, UNKNOWN, "its operator has not made a StatefulSet yet"),
        ({"pods": (BARE,)}, UNKNOWN, "its operator has not made a StatefulSet yet"),
        ({"sets": template(installs=True)}, FOREIGN, "its StatefulSet has an init container install-packages"),
        ({"sets": template()}, OURS, "its StatefulSet installs nothing"),
        ({"sets": template(), "claim": STRANGERS_CLAIM}, OURS, "its StatefulSet installs nothing"),
        ({"sets": template(), "claim": OPERATORS_CLAIM}, FOREIGN, "its operator made a claim for packages"),
        ({"sets": template(), "claim": OUR_CLAIM}, OURS, "its StatefulSet installs nothing, and the claim is ours"),
        ({"pods": (THEIRS,)}, FOREIGN, "pod demo-app-0 comes with an installer of its operator"),
        ({"pods": (pod(taken_over=True),)}, FOREIGN, "pod demo-app-0 comes with an installer of its operator"),
        ({"pods": (pod(),)}, OURS, "pod demo-app-0 has our installer"),
        # Late evidence: we acted as the owner, and then the template says otherwise.
        (
            {"pods": (pod(),), "sets": template(installs=True), "claim": OUR_CLAIM}, FOREIGN,
            "its StatefulSet has an init container install-packages",
        ),
        # Where StatefulSets may not be read.
        ({"readable": False}, UNKNOWN, "it has no pods, and its StatefulSet may not be read"),
        ({"readable": False, "claim": OPERATORS_CLAIM}, FOREIGN, "its operator made a claim for packages"),
        ({"readable": False, "claim": OUR_CLAIM}, OURS, "the claim is ours"),
        ({"readable": False, "pods": (BARE,)}, OURS, "its pods come without an installer"),
        (
            {"readable": False, "app": {"status": {"pythonPackages": {"hash": "theirs"}}}}, FOREIGN,
            "its operator tells of packages in status.pythonPackages",
        ),
    ],
)  # fmt: skip
def test_each_piece_of_evidence_has_its_owner(evidence: dict[str, Any], owner: InstallOwner, reason: str) -> None:
    assert decide(**evidence) == Ownership(owner=owner, reason=reason, installer=owner is FOREIGN)


def test_what_is_to_be_observed_is_foreign_and_nothing_of_ours_is_in_its_way() -> None:
    assert decide(request("six", install="observe")) == Ownership(owner=FOREIGN, reason="it is to be observed only")


def test_an_operator_that_has_not_acted_on_the_edit_is_waited_for() -> None:
    edited = replace(SIX, generation=3)
    late = {"status": {"observedGeneration": 2}}
    reason = "its operator has not acted on generation 3 yet, it is at 2"
    assert decide(edited, sets=template(), app=late) == Ownership(owner=UNKNOWN, reason=reason)
    assert decide(edited, sets=template(), app={"status": {"observedGeneration": 3}}).owner is OURS


def test_the_generation_that_an_operator_acted_on_is_not_ours() -> None:
    conditions = [
        {"type": "Ready", "observedGeneration": 4},
        {"type": "Progressing", "observedGeneration": 5},
        {"type": "wheelwarden.dev/PackagesInstalled", "observedGeneration": 1},
        {"type": "example.com/Audited", "observedGeneration": 9},
    ]
    assert observed_generation({"status": {"conditions": conditions}}) == 5
    assert observed_generation({"status": {"conditions": conditions[2:]}}) is None
    assert observed_generation({"status": {"observedGeneration": 6, "conditions": conditions}}) == 6
    assert observed_generation({}) is None


@pytest.mark.parametrize(
    ("packages", "manager", "ours"),
    [
        ({"hash": SIX.packages_hash}, "", True),
        ({"hash": "older"}, "wheelwarden-controller", True),
        ({"hash": "older"}, "OpenAPI-Generator", False),
        ({"hash": "older"}, "", False),
        ({}, "wheelwarden-controller", False),
    ],
)
def test_our_status_is_told_from_the_operators(packages: dict[str, str], manager: str, ours: bool) -> None:
    fields: Any = {"f:status": {"f:pythonPackages": {"f:hash": {}}}}
    managed = [{"manager": manager, "fieldsV1": fields}] if manager else []
    app = {"metadata": {"managedFields": managed}, "status": {"pythonPackages": packages}}
    assert wrote_packages_status(SIX, app) is ours
