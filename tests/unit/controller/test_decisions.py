"""All that a round decides about one object, as one value."""

import datetime
from collections.abc import Sequence
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest

from controller.claim_plan import Settled
from controller.decisions import Decisions, Facts, decide
from controller.install_owner import Ownership, View
from controller.plan import Replacement, obstacle, probe_digest
from controller.state import Installer, InstallResult, Key, PodState, ProbeOutcome
from tests.cases import request_of
from tests.standins.data_job import registered
from tests.unit.controller.test_plan import pod
from wheelwarden.api import names
from wheelwarden.api.conditions import FALSE, TRUE, UNKNOWN, Condition, Reason
from wheelwarden.api.install_owner import InstallOwner
from wheelwarden.api.kinds import kind_named
from wheelwarden.api.objects import Object
from wheelwarden.api.volumes import marks
from wheelwarden.parsing.packages_hash import compute_packages_hash
from wheelwarden.verify.results import ModuleResult, ProbeReport, Usage

NOW = datetime.datetime(2026, 1, 31, 11, tzinfo=datetime.UTC)
ASKED = {"packages": ["six"]}
HASH = compute_packages_hash(ASKED)
MADE = "2026-01-31T10:00:00Z"
GOOD = ProbeReport(
    python="3.11.2", executable="python3", derived=True, results=(ModuleResult(module="six", ok=True, seconds=0.1),)
)
USAGE = Usage(total_bytes=1000, used_bytes=900, available_bytes=100)
RESULT = InstallResult(
    outcome="installed", hash="h", installed=("six==1.17.0",), installed_at="2026-01-31T10:30:00Z",
    installed_by="demo-0", install_seconds=3, usage=USAGE,
)  # fmt: skip
FULL = "Package cache 90.0% full (0.00GB / 0.00GB)"
PROVEN = Condition(
    type=names.IMPORTS_VERIFIED, status=TRUE, reason=Reason.IMPORTS_SUCCEEDED,
    message="Every import works in Python 3.11.2: six",
)  # fmt: skip


def installed(message: str) -> Condition:
    return Condition(type=names.PACKAGES_INSTALLED, status=TRUE, reason=Reason.INSTALLED, message=message)


def an_object(kind: str, *, packages: bool = True) -> Object:
    metadata: Object = {"name": "demo", "namespace": "team", "uid": "u", "annotations": {}}
    spec: Object = {}
    if packages and kind_named(kind).packages_field:
        spec["pythonPackages"] = ASKED
    elif packages:
        metadata["annotations"][names.PACKAGES_ANNOTATION] = "packages: [six]"
    return {"apiVersion": kind_named(kind).api_version, "kind": kind, "metadata": metadata, "spec": spec}


def facts(
    kind: str, *, owner: InstallOwner = InstallOwner.OURS, pods: Sequence[PodState] | None = None, **more: Any
) -> Facts:
    obj = an_object(kind)
    request = request_of(obj)
    claim: Object = {
        "metadata": {"name": request.kind.claim_name("demo"), "labels": marks(request), "creationTimestamp": MADE},
        "spec": {"accessModes": ["ReadWriteMany"]},
    }
    if pods is None:
        pods = [pod("demo-0", installer=Installer(phase="ended", exit_code=0, result=RESULT))]
    view = View(
        key=Key(kind, "team", "demo"), request=request, obj=obj, pods=pods, replicas=1, claim=claim, template=None,
        ownership=Ownership(owner=owner, reason="so it is"),
    )  # fmt: skip
    outcomes = {one.uid: ProbeOutcome(digest=probe_digest(request, one), report=GOOD) for one in pods}
    settled = Settled(claim=claim, name=claim["metadata"]["name"], usable=True)
    return Facts(
        **{"view": view, "settled": settled, "outcomes": outcomes, "seen": None, "invalid": "", "now": NOW, **more}
    )


def test_everything_about_an_object_whose_status_is_ours_is_one_value() -> None:
    decisions = decide(facts("KasprApp"))
    assert decisions == Decisions(
        pods={"demo-0": [installed("Installed 1 distribution: six==1.17.0"), PROVEN]},
        conditions=[
            installed("1 of 1 pods have their packages. Installed 1 distribution: six==1.17.0."),
            replace(PROVEN, message="1 of 1 pods import everything. Every import works in Python 3.11.2: six."),
        ],
        packages={
            "hash": HASH, "cacheMode": "shared-pvc", "state": "Ready",
            "authentication": {"enabled": False}, "installed": ["six==1.17.0"], "installDuration": "3s",
            "installedBy": "demo-0", "lastInstallTime": "2026-01-31T10:30:00Z", "warnings": [FULL],
            "cacheUsage": {"totalBytes": 1000, "usedBytes": 900, "availableBytes": 100, "usagePercent": 90.0},
        },
        last_results=[],
        usage=USAGE,
        mode="shared-pvc",
        troubles=[],
        replacement=None,
        stuck_seconds=0.0,
    )  # fmt: skip
    with pytest.raises(FrozenInstanceError):
        decisions.mode = "pvc"  # type: ignore[misc]


def test_a_kind_without_a_status_of_ours_tells_it_on_its_pods_and_keeps_the_last_result() -> None:
    gathered = facts("Notebook")
    [(digest, kept)] = decide(gathered).last_results
    decisions = decide(gathered)
    assert decisions == Decisions(
        pods={"demo-0": [installed(f"Installed 1 distribution: six==1.17.0. {FULL}"), PROVEN]},
        conditions=[],
        packages=None,
        last_results=[(digest, kept)],
        usage=USAGE,
        mode="shared-pvc",
        troubles=[],
        replacement=None,
        stuck_seconds=0.0,
    )
    assert digest == probe_digest(gathered.view.request, gathered.view.pods[0])
    assert kept == {
        "hash": HASH,
        "installed": ["six==1.17.0"],
        "imports": [{"module": "six", "ok": True}],
    }


def test_a_third_kind_decides_as_it_says_of_itself() -> None:
    with registered():
        decisions = decide(facts("DataJob"))
    assert [condition.status for condition in decisions.conditions] == [TRUE, TRUE]
    assert (decisions.packages or {})["state"] == "Ready"
    assert decisions.last_results == []


BARE = pod("demo-0", injected=False, hash="", installer=None)


@pytest.mark.parametrize(
    ("owner", "invalid", "replacement"),
    [
        (
            InstallOwner.OURS,
            "",
            Replacement(pod=BARE, evict=True, reason="it was made without the installer", not_injected=True),
        ),
        (InstallOwner.UNKNOWN, "", None),
        (InstallOwner.OURS, "packages[0]: it is empty", None),
    ],
)
def test_no_pod_is_replaced_while_it_is_not_clear_what_is_right(
    owner: InstallOwner, invalid: str, replacement: Replacement | None
) -> None:
    settled = {"settled": Settled(hindrance=obstacle(Reason.INVALID_SPEC, invalid))} if invalid else {}
    assert decide(facts("KasprApp", owner=owner, pods=[BARE], invalid=invalid, **settled)).replacement == replacement


@pytest.mark.parametrize(
    ("owner", "troubles", "mode"),
    [
        (InstallOwner.OURS, ["conflict"], "emptyDir"),
        (InstallOwner.FOREIGN, [], "shared-pvc"),
        (InstallOwner.UNKNOWN, [], "shared-pvc"),
    ],
)
def test_a_claim_that_is_not_ours_is_in_our_way_only_where_we_install(
    owner: InstallOwner, troubles: list[str], mode: str
) -> None:
    theirs = {"metadata": {"name": "demo-app-python-packages"}, "spec": {"accessModes": ["ReadWriteMany"]}}
    decisions = decide(facts("KasprApp", owner=owner, settled=Settled(claim=theirs, name="demo-app-python-packages")))
    assert (decisions.troubles, decisions.mode) == (troubles, mode)


def test_without_pods_the_object_says_what_keeps_them_from_their_packages() -> None:
    refused = Condition(type=names.PACKAGES_INSTALLED, status=FALSE, reason=Reason.CLAIM_REFUSED, message="No quota.")
    decisions = decide(facts("KasprApp", pods=[], settled=Settled(hindrance=refused)))
    assert decisions.conditions == [
        refused,
        Condition(
            type=names.IMPORTS_VERIFIED, status=UNKNOWN, reason=Reason.WAITING_FOR_POD, message="There is no pod yet."
        ),
    ]
    assert decisions.troubles == ["refused"]
