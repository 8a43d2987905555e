"""The claim of a workload: what is to be done with it now. Pure: no I/O, the time is passed in.

none ──create──► Pending ──► Bound            kept, grown, deleted with the packages
│ cannot be provisioned
├── one replica: recreated as ReadWriteOnce ──► Pending ──► Bound
└── several, or not even that: given up, marked emptyDir; pods install for themselves
"""

import datetime
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from controller.state import PodState
from wheelwarden.api import names
from wheelwarden.api.conditions import Condition
from wheelwarden.api.objects import Object, annotations_of, mapping_in
from wheelwarden.api.quantities import parse_quantity
from wheelwarden.api.request import Request
from wheelwarden.api.volumes import EMPTY, SINGLE, is_ours, marks

# What provisioners say of an access mode that they cannot give (CSI's MULTI_NODE_MULTI_WRITER, local-path, cloud disks).
_MODE: Final = re.compile(r"access ?mode|ReadWrite(Once|Many)|\b(RWX|RWO)\b|multi.?node|multiple nodes", re.IGNORECASE)
FAILURES: Final = ("ProvisioningFailed", "FailedBinding")
# The volume is made once a pod that uses the claim has a node (volumeBindingMode: WaitForFirstConsumer).
WAITS_FOR_POD: Final = ("WaitForFirstConsumer", "WaitForPodScheduled")
# A failure that says nothing of access modes may pass: quotas are raised, provisioners come back.
PATIENCE_SECONDS: Final = 120.0
LOOK_SECONDS: Final = 10.0  # between two looks at why a claim is not bound, while a pod waits for it
# A claim that no pod mounts is looked at after pauses that grow with its age, and no longer when it is as old as this.
# What a provisioner has to say at once is so known before the first pod comes, and an idle workload costs nothing.
UNMOUNTED_SECONDS: Final = 600.0
REASON_LENGTH: Final = 400


@dataclass(frozen=True, kw_only=True, slots=True)
class ClaimPlan:
    """What to do with the claim, one thing at a time.

    Attributes:
        create: a body to create.
        grow: a size to grow to.
        owners: owner references to set, where `deleteClaim` was changed.
        delete: the uid of a claim to delete.
        successor: a body to create as soon as the deleted one is gone.
        mark: annotations to set.
        conflict: why it is not used: it is a stranger's.
        pending: a failure that keeps it from being bound; empty where there is none.
        warnings: what of it is not as asked for and cannot be changed any more.
    """

    create: Mapping[str, Any] | None = None
    grow: str = ""
    owners: Sequence[Mapping[str, Any]] | None = None
    delete: str = ""
    successor: Mapping[str, Any] | None = None
    mark: Mapping[str, str] | None = None
    conflict: str = ""
    pending: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Settled:
    """What came of the claim, once `controller.claim_controller` has acted on it.

    Attributes:
        claim: as it is now, None where there is none.
        hindrance: why pods cannot have their packages from it, None where they can.
        unused: the name of a claim that is there and that new pods do not mount; empty where there is none.
        waiting: ClaimPending, for pods that wait for the claim; None where it is bound.
        usable: whether a pod that is scheduled now can have the claim.
        warnings: what of the claim is not as asked for.
        name: that the claim has, or would have.
    """

    claim: Object | None = None
    hindrance: Condition | None = None
    unused: str = ""
    waiting: Condition | None = None
    usable: bool = False
    warnings: tuple[str, ...] = ()
    name: str = ""

    def hindrance_of(self, pod: PodState) -> Condition | None:
        """What keeps this pod from its packages: what keeps all of them, or the claim that it mounts and waits for."""
        if self.hindrance is None and self.name in pod.claims:
            return self.waiting
        return self.hindrance


@dataclass(frozen=True, kw_only=True, slots=True)
class ClaimEvent:
    """What somebody said of a claim: an Event's reason and message."""

    reason: str
    message: str


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
    owners = _owners(request)
    return ClaimPlan(
        grow=size if parse_quantity(size) > parse_quantity(_size(claim)) else "",
        owners=owners if owners != list(claim["metadata"].get("ownerReferences") or []) else None,
        mark=mark,
        warnings=tuple(_unchangeable(request, claim)),
    )


def _unchangeable(request: Request, claim: Mapping[str, Any]) -> list[str]:
    """What was asked for after the claim was bound and that the API server never changes."""
    assert request.packages is not None
    name, cache = claim["metadata"]["name"], request.packages.cache
    remedy = "To have it recreated, remove the packages until the claim is gone, or delete it while no pod uses it."
    found = []
    if annotations_of(claim).get(names.CLAIM_ASKED_ANNOTATION, asked(request)) != asked(request):
        modes = ", ".join(claim["spec"].get("accessModes") or [])
        class_ = claim["spec"].get("storageClassName") or "none"
        wanted = f"{cache.access_mode} and storage class {cache.storage_class or 'the default'}"
        found.append(
            f"The claim {name} keeps access mode {modes} and storage class {class_}, though {wanted} are asked for: "
            f"a bound claim cannot change them. {remedy}"
        )
    if parse_quantity(cache.size) < parse_quantity(_size(claim)):
        found.append(
            f"The claim {name} keeps its size {_size(claim)}, though {cache.size} is asked for: a bound claim cannot shrink. "
            f"{remedy}"
        )
    return found


def _size(claim: Mapping[str, Any]) -> str:
    return str(claim["spec"]["resources"]["requests"]["storage"])


def _plan_pending(
    request: Request, claim: Mapping[str, Any], *, replicas: int, failures: Sequence[str], now: datetime.datetime
) -> ClaimPlan:
    assert request.packages is not None
    annotations = annotations_of(claim)
    mode = annotations.get(names.CACHE_MODE_ANNOTATION)
    # It was never bound, so what is asked for now can still be had.
    if annotations.get(names.CLAIM_ASKED_ANNOTATION, asked(request)) != asked(request):
        return ClaimPlan(delete=claim["metadata"]["uid"], successor=build_claim(request))
    if parse_quantity(request.packages.cache.size) != parse_quantity(_size(claim)):
        successor = build_claim(request)
        if mode == SINGLE:  # that ReadWriteMany cannot be had has nothing to do with the size
            successor["spec"]["accessModes"] = ["ReadWriteOnce"]
            successor["metadata"]["annotations"] |= {
                names.CACHE_MODE_ANNOTATION: SINGLE,
                names.CACHE_FALLBACK_ANNOTATION: annotations.get(names.CACHE_FALLBACK_ANNOTATION, ""),
            }
        return ClaimPlan(delete=claim["metadata"]["uid"], successor=successor)
    if mode == EMPTY or not failures:
        return ClaimPlan()
    text = failures[-1][:REASON_LENGTH]
    shared = claim["spec"]["accessModes"] == ["ReadWriteMany"]
    age = (now - _time(claim["metadata"]["creationTimestamp"])).total_seconds()
    if (shared or mode == SINGLE) and (_MODE.search(text) or age >= PATIENCE_SECONDS):
        if shared and replicas <= 1:
            successor = build_claim(request)
            successor["spec"]["accessModes"] = ["ReadWriteOnce"]
            reason = f"The volume is ReadWriteOnce, since ReadWriteMany cannot be had: {text}"
            successor["metadata"]["annotations"] |= {
                names.CACHE_MODE_ANNOTATION: SINGLE,
                names.CACHE_FALLBACK_ANNOTATION: reason,
            }
            return ClaimPlan(delete=claim["metadata"]["uid"], successor=successor)
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


def next_look(claim: Mapping[str, Any], *, mounted: bool, now: datetime.datetime) -> float:
    """Seconds until the next look at why a claim is not bound; 0.0 where nobody waits for the answer.

    A pod that comes to mount it, and a claim that gets bound or deleted, wake us by their watches.
    """
    if mounted:
        return LOOK_SECONDS
    age = (now - _time(claim["metadata"]["creationTimestamp"])).total_seconds()
    return max(LOOK_SECONDS, age) if age < UNMOUNTED_SECONDS else 0.0


def describe_wait(name: str, claim: Mapping[str, Any] | None, events: Sequence[ClaimEvent] | None) -> str:
    """The state of a claim that a pod waits for, and why; empty where it is bound: then the pod waits for something else.

    Args:
        name: of the claim.
        claim: None where there is none.
        events: about it, the latest last; None where they may not be read.
    """
    if claim is None:
        return f"The claim {name} does not exist."
    if "deletionTimestamp" in claim["metadata"]:
        return f"The claim {name} is being deleted."
    phase = mapping_in(claim, "status").get("phase", "Pending")
    if phase == "Bound":
        return ""
    if phase == "Lost":
        return f"The claim {name} is Lost: its volume is gone. Delete the claim."
    since = claim["metadata"].get("creationTimestamp", "")
    return f"The claim {name} is {phase} since {since}: {_why(events)}"


def _why(events: Sequence[ClaimEvent] | None) -> str:
    if events is None:
        return "why is not known, its events may not be read."
    if not events:
        return "no provisioner has answered. See `kubectl get storageclass`."
    failures = [event for event in events if event.reason in FAILURES]
    text = (failures or events)[-1].message[:REASON_LENGTH].rstrip()
    return text if text.endswith(".") else f"{text}."


def can_be_used(claim: Mapping[str, Any], events: Sequence[ClaimEvent] | None) -> bool:
    """Whether a pod that is scheduled now can have the claim: it is bound, or only waits for a pod."""
    if "deletionTimestamp" in claim["metadata"]:
        return False
    if mapping_in(claim, "status").get("phase") == "Bound":
        return True
    last = events[-1].reason if events else ""
    return is_pending(claim) and last in WAITS_FOR_POD


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
    labels = {**marks(request), **request.kind.claim_labels(request.name)}
    metadata: Object = {
        "name": request.kind.claim_name(request.name),
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
