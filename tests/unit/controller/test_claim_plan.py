"""The claim: never adopted, never shrunk, and given up where the cluster cannot give such a volume."""

import datetime
from collections.abc import Sequence
from typing import Any

import pytest

from controller.claim_plan import ClaimEvent, ClaimPlan, build_claim, can_be_used, describe_wait, next_look, plan_claim
from controller.state import PodState
from tests.unit.controller.test_status import pod, request
from wheelwarden.api import names
from wheelwarden.api.request import Request
from wheelwarden.api.volumes import cache_mode

NOW = datetime.datetime(2026, 1, 31, 10, 0, 30, tzinfo=datetime.UTC)
NO_RWX = "storage class fast supports ReadWriteOnce only"


def planned(
    asked: Request,
    found: Any,
    pods: Sequence[PodState],
    *,
    replicas: int = 1,
    failures: Sequence[str] = (),
    seconds: float = 0,
) -> ClaimPlan:
    now = NOW + datetime.timedelta(seconds=seconds)
    return plan_claim(asked, found, pods, replicas=replicas, failures=failures, now=now)


def claim(size: str = "256Mi", *, owned: bool = True, phase: str = "Bound", **cache: Any) -> dict[str, Any]:
    made = build_claim(request(size=size, deleteClaim=owned, **cache))
    made["metadata"] |= {"uid": "claim-uid", "creationTimestamp": "2026-01-31T10:00:00Z"}
    made["status"] = {"phase": phase}
    return made


def test_the_claim_bears_the_seeds_name_labels_and_owner() -> None:
    assert build_claim(request(size="1Gi", storageClass="fast")) == {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": "demo-app-python-packages",
            "namespace": "team",
            "labels": {
                "app.kubernetes.io/managed-by": "wheelwarden",
                "wheelwarden.dev/workload-kind": "KasprApp",
                "wheelwarden.dev/workload-name": "demo",
                "kaspr.io/component": "python-packages",
                "kaspr.io/app": "demo",
                "kaspr.io/cluster": "demo",
            },
            "annotations": {
                names.POD_HASH_ANNOTATION: request().packages_hash,
                names.CLAIM_ASKED_ANNOTATION: "ReadWriteMany/fast",
            },
            "ownerReferences": [
                {
                    "apiVersion": "kaspr.io/v1alpha1",
                    "kind": "KasprApp",
                    "name": "demo",
                    "uid": "u-1",
                    "controller": False,
                    "blockOwnerDeletion": False,
                }
            ],
        },
        "spec": {
            "accessModes": ["ReadWriteMany"],
            "resources": {"requests": {"storage": "1Gi"}},
            "storageClassName": "fast",
        },
    }


def test_a_claim_that_outlives_its_app_has_no_owner() -> None:
    assert "ownerReferences" not in build_claim(request(deleteClaim=False))["metadata"]


def test_the_claim_is_made_where_it_is_missing_and_wanted() -> None:
    assert planned(request(), None, []) == ClaimPlan(create=build_claim(request()))
    assert planned(request(enabled=False), None, []) == ClaimPlan()
    assert planned(request(packages=False), None, []) == ClaimPlan()


def test_the_claim_grows_and_never_shrinks() -> None:
    assert planned(request(size="1Gi"), claim(), []) == ClaimPlan(grow="1Gi")
    kept = planned(request(size="256Mi"), claim("1Gi"), [])
    assert kept == ClaimPlan(warnings=kept.warnings)
    assert [text.partition(". ")[0] for text in kept.warnings] == [
        "The claim demo-app-python-packages keeps its size 1Gi, though 256Mi is asked for: a bound claim cannot shrink"
    ]
    assert planned(request(size="1024Mi"), claim("1Gi"), []) == ClaimPlan()


def test_a_strangers_claim_is_never_touched() -> None:
    stranger = claim()
    stranger["metadata"] = {"name": "demo-app-python-packages", "uid": "x", "labels": {}}
    plan = planned(request(size="1Gi"), stranger, [])
    assert (plan.create, plan.grow, plan.delete) == (None, "", "")
    assert "belongs to somebody else" in plan.conflict
    assert planned(request(packages=False), stranger, []) == ClaimPlan()


def test_an_unwanted_claim_goes_when_nobody_uses_it_and_it_goes_with_its_owner() -> None:
    unwanted = request(packages=False)
    assert planned(unwanted, claim(), []) == ClaimPlan(delete="claim-uid")
    assert planned(unwanted, claim(), [pod()]) == ClaimPlan()
    assert planned(request(packages=False), claim(owned=False), []) == ClaimPlan()


def test_the_owner_of_a_claim_follows_delete_claim() -> None:
    assert planned(request(deleteClaim=False), claim(), []) == ClaimPlan(owners=[])
    owners = build_claim(request())["metadata"]["ownerReferences"]
    assert planned(request(), claim(owned=False), []) == ClaimPlan(owners=owners)


def test_a_shared_volume_that_cannot_be_had_becomes_one_of_one_node_for_one_replica() -> None:
    plan = planned(request(), claim(phase="Pending"), [], failures=["waiting for a volume", NO_RWX])
    assert (plan.delete, plan.mark) == ("claim-uid", None)
    assert plan.successor is not None
    assert plan.successor["spec"]["accessModes"] == ["ReadWriteOnce"]
    annotations = plan.successor["metadata"]["annotations"]
    assert annotations[names.CACHE_MODE_ANNOTATION] == "pvc"
    assert annotations[names.CACHE_FALLBACK_ANNOTATION] == (
        f"The volume is ReadWriteOnce, since ReadWriteMany cannot be had: {NO_RWX}"
    )
    assert cache_mode(request(), plan.successor) == "pvc"


def given_up(text: str) -> dict[str, str]:
    return {
        names.CACHE_MODE_ANNOTATION: "emptyDir",
        names.CACHE_FALLBACK_ANNOTATION: "Each pod installs for itself, since the claim demo-app-python-packages "
        f"cannot be used: {text}",
    }


def test_for_several_replicas_it_is_given_up() -> None:
    plan = planned(request(), claim(phase="Pending"), [], replicas=3, failures=[NO_RWX])
    assert plan == ClaimPlan(mark=given_up(NO_RWX))
    marked = claim(phase="Pending")
    marked["metadata"]["annotations"] |= given_up(NO_RWX)
    assert cache_mode(request(), marked) == "emptyDir"
    assert planned(request(), marked, [], replicas=3, failures=[NO_RWX]) == ClaimPlan()


def fallen_back(phase: str) -> dict[str, Any]:
    made = claim(phase=phase)
    made["spec"]["accessModes"] = ["ReadWriteOnce"]
    made["metadata"]["annotations"][names.CACHE_MODE_ANNOTATION] = "pvc"
    return made


def test_a_volume_of_one_node_that_cannot_be_had_either_is_given_up() -> None:
    none = "no persistent volumes available for this claim and no storage class is set"
    pending = fallen_back("Pending")
    assert planned(request(), pending, [], failures=[none]).pending.endswith(f"is not bound yet: {none}")
    assert planned(request(), pending, [], failures=[none], seconds=120) == ClaimPlan(mark=given_up(none))


def test_a_volume_of_one_node_is_given_up_when_there_are_several_replicas() -> None:
    assert planned(request(), fallen_back("Bound"), [], replicas=1) == ClaimPlan()
    text = "the volume can be mounted by one node only, and there are several replicas now"
    assert planned(request(), fallen_back("Bound"), [], replicas=2) == ClaimPlan(mark=given_up(text))


def test_a_failure_that_says_nothing_of_access_modes_is_told_and_waited_for() -> None:
    plan = planned(request(), claim(phase="Pending"), [], failures=["quota exceeded"])
    assert plan == ClaimPlan(pending="The claim demo-app-python-packages is not bound yet: quota exceeded")
    later = planned(request(), claim(phase="Pending"), [], failures=["quota exceeded"], seconds=120)
    assert later.successor is not None


def test_an_access_mode_that_was_chosen_is_never_changed() -> None:
    chosen = claim(phase="Pending", accessMode="ReadWriteOnce")
    plan = planned(request(accessMode="ReadWriteOnce"), chosen, [], failures=[NO_RWX], seconds=3600)
    assert plan.pending
    assert (plan.successor, plan.mark) == (None, None)


@pytest.mark.parametrize("failures", [[], [NO_RWX]])
def test_a_claim_that_was_never_bound_is_made_anew_when_something_else_is_asked_for(failures: list[str]) -> None:
    wanted = request(storageClass="nfs")
    plan = planned(wanted, claim(phase="Pending", storageClass="fast"), [], failures=failures)
    assert plan == ClaimPlan(delete="claim-uid", successor=build_claim(wanted))
    kept = planned(wanted, claim(phase="Bound", storageClass="fast"), [])
    assert kept == ClaimPlan(warnings=kept.warnings)
    text = (
        "The claim demo-app-python-packages keeps access mode ReadWriteMany and storage class fast, though ReadWriteMany and "
        "storage class nfs are asked for: a bound claim cannot change them"
    )
    assert [found.partition(". ")[0] for found in kept.warnings] == [text]


@pytest.mark.parametrize(("there", "asked_for"), [("1Gi", "256Mi"), ("256Mi", "1Gi")])
def test_the_size_of_a_claim_that_was_never_bound_can_be_changed_either_way(there: str, asked_for: str) -> None:
    wanted = request(size=asked_for)
    plan = planned(wanted, claim(there, phase="Pending"), [])
    assert plan == ClaimPlan(delete="claim-uid", successor=build_claim(wanted))


def test_a_size_that_is_changed_before_it_is_bound_keeps_the_access_mode_that_could_be_had() -> None:
    single = planned(request(size="1Gi"), claim("1Gi", phase="Pending"), [], failures=[NO_RWX]).successor
    assert single is not None
    there = {**single, "status": {"phase": "Pending"}}
    there["metadata"] = {**single["metadata"], "uid": "claim-uid", "creationTimestamp": "2026-01-31T10:00:00Z"}
    plan = planned(request(size="256Mi"), there, [])
    assert plan.successor is not None
    assert plan.successor["spec"] == {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "256Mi"}}}
    assert cache_mode(request(), plan.successor) == "pvc"


@pytest.mark.parametrize(
    ("found", "events", "text"),
    [
        (None, [], "The claim c does not exist."),
        (claim(phase="Bound"), [], ""),
        (claim(phase="Lost"), [], "The claim c is Lost: its volume is gone. Delete the claim."),
        (
            claim(phase="Pending"), [],
            "The claim c is Pending since 2026-01-31T10:00:00Z: no provisioner has answered. See `kubectl get storageclass`.",
        ),
        (
            claim(phase="Pending"), None,
            "The claim c is Pending since 2026-01-31T10:00:00Z: why is not known, its events may not be read.",
        ),
        (
            claim(phase="Pending"),
            [ClaimEvent(reason="ProvisioningFailed", message=NO_RWX), ClaimEvent(reason="Provisioning", message="Wait")],
            f"The claim c is Pending since 2026-01-31T10:00:00Z: {NO_RWX}.",
        ),
        (
            claim(phase="Pending"), [ClaimEvent(reason="WaitForFirstConsumer", message="waiting for a pod")],
            "The claim c is Pending since 2026-01-31T10:00:00Z: waiting for a pod.",
        ),
    ],
)  # fmt: skip
def test_the_state_of_a_claim_that_is_waited_for_is_told(
    found: dict[str, Any] | None, events: list[ClaimEvent] | None, text: str
) -> None:
    assert describe_wait("c", found, events) == text


def test_a_claim_that_only_waits_for_a_pod_can_be_used() -> None:
    waits = ClaimEvent(reason="WaitForFirstConsumer", message="waiting for a pod")
    failed = ClaimEvent(reason="ProvisioningFailed", message=NO_RWX)
    assert can_be_used(claim(phase="Bound"), [])
    assert can_be_used(claim(phase="Pending"), [failed, waits])
    assert [can_be_used(claim(phase="Pending"), events) for events in ([], None, [waits, failed])] == [False] * 3


@pytest.mark.parametrize(
    ("age", "mounted", "pause"),
    [
        (0, True, 10), (3600, True, 10),
        (-5, False, 10), (0, False, 10), (10, False, 10), (40, False, 40), (599, False, 599),
        (600, False, 0), (86400, False, 0),
    ],
)  # fmt: skip
def test_a_claim_that_no_pod_mounts_is_looked_at_after_growing_pauses_and_then_no_more(
    age: int, mounted: bool, pause: int
) -> None:
    now = datetime.datetime(2026, 1, 31, 10, tzinfo=datetime.UTC) + datetime.timedelta(seconds=age)
    assert next_look(claim(phase="Pending"), mounted=mounted, now=now) == pause


def test_a_bucket_is_no_volume_of_ours() -> None:
    bucket = request(type="gcs", gcs={"bucket": "packages", "secretRef": {"name": "packages"}})
    assert planned(bucket, None, []) == ClaimPlan()
    assert cache_mode(bucket, None) == "emptyDir"
