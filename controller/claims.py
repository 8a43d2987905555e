"""The claim of a workload: what is to be done with it now. Pure: no I/O, the time is passed in.

none ──create──► Pending ──► Bound            kept, grown, deleted with the packages
│ cannot be provisioned
├── one replica: made anew as ReadWriteOnce ──► Pending ──► Bound
└── several, or not even that: given up, marked emptyDir; pods install for themselves
"""

import datetime
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from controller.state import PodState
from wheelwarden import names
from wheelwarden.claims import EMPTY, SINGLE, is_ours, marks
from wheelwarden.quantities import parse_quantity
from wheelwarden.request import Request
from wheelwarden.targets import KASPR_APP, annotations_of, claim_name, mapping_in

# What provisioners say of an access mode that they cannot give (CSI's MULTI_NODE_MULTI_WRITER, local-path, cloud disks).
_MODE: Final = re.compile(r"access ?mode|ReadWrite(Once|Many)|\b(RWX|RWO)\b|multi.?node|multiple nodes", re.IGNORECASE)
FAILURES: Final = ("ProvisioningFailed", "FailedBinding")
# A failure that says nothing of access modes may pass: quotas are raised, provisioners come back.
PATIENCE_SECONDS: Final = 120.0
REASON_LENGTH: Final = 400

Object = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class ClaimPlan:
    """What to do with the claim, one thing at a time.

    Attributes:
        create: a body to create.
        grow: a size to grow to.
        owners: owner references to set, where `deleteClaim` was changed.
        delete: the uid of a claim to delete.
        anew: a body to create as soon as the deleted one is gone.
        mark: annotations to set.
        conflict: why it is not used: it is a stranger's.
        pending: why it is not bound yet; empty where it is, or nobody said.
    """

    create: Mapping[str, Any] | None = None
    grow: str = ""
    owners: Sequence[Mapping[str, Any]] | None = None
    delete: str = ""
    anew: Mapping[str, Any] | None = None
    mark: Mapping[str, str] | None = None
    conflict: str = ""
    pending: str = ""


def plan_claim(
    request: Request,
    claim: Mapping[str, Any] | None,
    pods: Sequence[PodState],
    *,
    replicas: int,
    failures: Sequence[str],
    now: datetime.datetime,
) -> ClaimPlan:
    """What to do with the claim of an object.

    Never adopts a claim that is not marked as ours, never shrinks one, and deletes only what nobody uses and what goes
    with its owner (`deleteClaim`), or what was never bound.

    Args:
        request: what the object asks for.
        claim: the claim of the wanted name, None where there is none.
        pods: the object's pods.
        replicas: how many it asks for.
        failures: what events say of a claim that is not bound.
        now: the time.
    """
    wanted = wants_claim(request)
    if claim is None:
        return ClaimPlan(create=build_claim(request)) if wanted else ClaimPlan()
    if not is_ours(request, claim):
        return ClaimPlan(conflict=conflict_text(claim)) if wanted else ClaimPlan()
    uid, deleting = claim["metadata"]["uid"], "deletionTimestamp" in claim["metadata"]
    if deleting:
        return ClaimPlan()
    if not wanted:
        used = any(claim["metadata"]["name"] in pod.claims for pod in pods)
        owned = bool(claim["metadata"].get("ownerReferences"))
        return ClaimPlan(delete=uid) if owned and not used else ClaimPlan()
    if is_pending(claim):
        return _plan_pending(request, claim, replicas=replicas, failures=failures, now=now)
    assert request.packages is not None
    mark = None
    if annotations_of(claim).get(names.CACHE_MODE_ANNOTATION) == SINGLE and replicas > 1:
        text = "the volume can be mounted by one node only, and there are several replicas now"
        mark = _given_up(claim, text)
    size = request.packages.cache.size
    has = claim["spec"]["resources"]["requests"]["storage"]
    owners = _owners(request)
    return ClaimPlan(
        grow=size if parse_quantity(size) > parse_quantity(has) else "",
        owners=owners if owners != list(claim["metadata"].get("ownerReferences") or []) else None,
        mark=mark,
    )


def _plan_pending(
    request: Request, claim: Mapping[str, Any], *, replicas: int, failures: Sequence[str], now: datetime.datetime
) -> ClaimPlan:
    annotations = annotations_of(claim)
    if annotations.get(names.CLAIM_ASKED_ANNOTATION, asked(request)) != asked(request):
        # It was never bound, so what is asked for now can still be had.
        return ClaimPlan(delete=claim["metadata"]["uid"], anew=build_claim(request))
    mode = annotations.get(names.CACHE_MODE_ANNOTATION)
    if mode == EMPTY or not failures:
        return ClaimPlan()
    text = failures[-1][:REASON_LENGTH]
    shared = claim["spec"]["accessModes"] == ["ReadWriteMany"]
    age = (now - _time(claim["metadata"]["creationTimestamp"])).total_seconds()
    if (shared or mode == SINGLE) and (_MODE.search(text) or age >= PATIENCE_SECONDS):
        if shared and replicas <= 1:
            anew = build_claim(request)
            anew["spec"]["accessModes"] = ["ReadWriteOnce"]
            reason = f"The volume is ReadWriteOnce, since ReadWriteMany cannot be had: {text}"
            anew["metadata"]["annotations"] |= {
                names.CACHE_MODE_ANNOTATION: SINGLE,
                names.CACHE_FALLBACK_ANNOTATION: reason,
            }
            return ClaimPlan(delete=claim["metadata"]["uid"], anew=anew)
        return ClaimPlan(mark=_given_up(claim, text))
    return ClaimPlan(pending=f"The claim {claim['metadata']['name']} is not bound yet: {text}")


def _given_up(claim: Mapping[str, Any], text: str) -> Mapping[str, str]:
    name = claim["metadata"]["name"]
    reason = f"Each pod installs for itself, since the claim {name} cannot be used: {text}"
    return {names.CACHE_MODE_ANNOTATION: EMPTY, names.CACHE_FALLBACK_ANNOTATION: reason}


def wants_claim(request: Request) -> bool:
    """Whether an object asks for a volume that we make."""
    packages = request.packages
    return (
        packages is not None
        and packages.cache.enabled
        and packages.cache.type == "pvc"
        and request.install != "observe"
    )


def is_pending(claim: Mapping[str, Any]) -> bool:
    """Whether a claim was never bound to a volume."""
    return bool(mapping_in(claim, "status").get("phase", "Pending") == "Pending")


def conflict_text(claim: Mapping[str, Any]) -> str:
    """What is said of a claim of the wanted name that is a stranger's."""
    return (
        f"The claim {claim['metadata']['name']} exists and belongs to somebody else, so it is not touched, and each pod "
        "installs for itself. Rename or delete it, or set cache.enabled to false."
    )


def asked(request: Request) -> str:
    """What of a claim can never be changed, as it is asked for: access mode and storage class."""
    assert request.packages is not None
    cache = request.packages.cache
    return f"{cache.access_mode}/{cache.storage_class or ''}"


def build_claim(request: Request) -> Object:
    """The claim of an object that asks for packages on a shared volume."""
    assert request.packages is not None
    cache = request.packages.cache
    labels = marks(request)
    if request.kind is KASPR_APP:
        labels |= {
            "kaspr.io/component": "python-packages",
            "kaspr.io/app": request.name,
            "kaspr.io/cluster": request.name,
        }
    metadata: Object = {
        "name": claim_name(request.kind, request.name),
        "namespace": request.namespace,
        "labels": labels,
        "annotations": {
            names.POD_HASH_ANNOTATION: request.packages_hash,
            names.CLAIM_ASKED_ANNOTATION: asked(request),
        },
    }
    if owners := _owners(request):
        metadata["ownerReferences"] = owners
    spec: Object = {"accessModes": [cache.access_mode], "resources": {"requests": {"storage": cache.size}}}
    if cache.storage_class is not None:
        spec["storageClassName"] = cache.storage_class
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}


def _owners(request: Request) -> list[Object]:
    """The owner references of the claim: with `deleteClaim` it goes with its owner."""
    assert request.packages is not None
    if not request.packages.cache.delete_claim:
        return []
    return [{**request.reference, "controller": False, "blockOwnerDeletion": False}]


def _time(stamp: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(stamp)
