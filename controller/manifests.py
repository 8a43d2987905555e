"""The claim, and what a KasprApp's status says: pure builders."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from controller.state import InstallResult, PodState
from wheelwarden import names
from wheelwarden.conditions import FALSE, TRUE, Condition
from wheelwarden.quantities import parse_quantity
from wheelwarden.request import Request
from wheelwarden.targets import KASPR_APP, annotations_of, claim_name

WARNING_PERCENT: Final = 80.0

Object = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class ClaimPlan:
    """What to do with the claim: `create` a body, `grow` to a size, `delete` a uid; or why it cannot be used."""

    create: Mapping[str, Any] | None = None
    grow: str = ""
    delete: str = ""
    conflict: str = ""


def plan_claim(request: Request, claim: Mapping[str, Any] | None, pods: Sequence[PodState]) -> ClaimPlan:
    """What to do with the claim of an object.

    Never adopts a claim that is not marked as ours, never shrinks one, and deletes only what nobody uses and what goes
    with its owner (`deleteClaim`).
    """
    wanted = request.packages is not None and request.packages.cache.enabled and request.install != "observe"
    if claim is None:
        return ClaimPlan(create=build_claim(request)) if wanted else ClaimPlan()
    name = claim["metadata"]["name"]
    if not is_ours(request, claim):
        if not wanted:
            return ClaimPlan()
        return ClaimPlan(
            conflict=f"The claim {name} exists and belongs to somebody else, so it is not touched. Rename or delete it, or "
            "set cache.enabled to false."
        )
    if not wanted:
        used = any(name in pod.claims for pod in pods)
        owned = bool(claim["metadata"].get("ownerReferences"))
        deleting = "deletionTimestamp" in claim["metadata"]
        return ClaimPlan(delete=claim["metadata"]["uid"]) if owned and not used and not deleting else ClaimPlan()
    assert request.packages is not None
    size = request.packages.cache.size
    has = claim["spec"]["resources"]["requests"]["storage"]
    return ClaimPlan(grow=size) if parse_quantity(size) > parse_quantity(has) else ClaimPlan()


def is_ours(request: Request, claim: Mapping[str, Any]) -> bool:
    """Whether a claim bears the marks that we give the claim of this very object."""
    labels = claim["metadata"].get("labels") or {}
    return all(labels.get(label) == value for label, value in _marks(request).items())


def build_claim(request: Request) -> Object:
    """The claim of an object that asks for packages on a shared volume."""
    assert request.packages is not None
    cache = request.packages.cache
    labels = _marks(request)
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
        "annotations": {names.POD_HASH_ANNOTATION: request.packages_hash},
    }
    if cache.delete_claim:
        metadata["ownerReferences"] = [
            {
                "apiVersion": request.kind.api_version,
                "kind": request.kind.name,
                "name": request.name,
                "uid": request.uid,
                "controller": False,
                "blockOwnerDeletion": False,
            }
        ]
    spec: Object = {"accessModes": [cache.access_mode], "resources": {"requests": {"storage": cache.size}}}
    if cache.storage_class is not None:
        spec["storageClassName"] = cache.storage_class
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}


def _marks(request: Request) -> dict[str, str]:
    return {
        names.MANAGED_BY_LABEL: names.MANAGED_BY,
        names.WORKLOAD_KIND_LABEL: request.kind.name,
        # A label holds 63 characters, a name up to 253; the claim's own name tells the rest.
        names.WORKLOAD_NAME_LABEL: request.name[:63].rstrip("-."),
    }


def package_status(request: Request, pods: Sequence[PodState], condition: Condition) -> Object | None:
    """`status.pythonPackages` of a KasprApp, None where it asks for no packages.

    Args:
        request: what it asks for.
        pods: its pods.
        condition: PackagesInstalled, summed up over them.
    """
    if request.packages is None:
        return None
    results = [
        pod.installer.result
        for pod in pods
        if pod.installer is not None and pod.installer.result is not None and pod.hash == request.packages_hash
    ]
    status: Object = {"hash": request.packages_hash, "cacheMode": _cache_mode(request), "warnings": []}
    done = [result for result in results if result.outcome in ("installed", "reused")]
    failed = [result for result in results if result.outcome == "failed"]
    status["state"] = {TRUE: "Ready", FALSE: "Failed"}.get(condition.status, "Installing")
    if done:
        status |= _of_result(max(done, key=lambda result: result.installed_at))
    if failed:
        status |= {"error": failed[0].error_message, "errorType": failed[0].error_class}
    elif condition.status == FALSE:
        status["error"] = condition.message
    usages = [result.usage for result in results if result.usage is not None]
    if usages:
        # Pods of one volume differ by when they looked; the fullest is the one to warn about, and it stays the same.
        usage = max(usages, key=lambda one: one.used_bytes)
        status["cacheUsage"] = {
            "totalBytes": usage.total_bytes,
            "usedBytes": usage.used_bytes,
            "availableBytes": usage.available_bytes,
            "usagePercent": usage.percent,
        }
        if usage.percent > WARNING_PERCENT:
            used, total = usage.used_bytes / 1024**3, usage.total_bytes / 1024**3
            status["warnings"] = [
                *status["warnings"],
                f"Package cache {usage.percent:.1f}% full ({used:.2f}GB / {total:.2f}GB)",
            ]
    return status


def _of_result(result: InstallResult) -> Object:
    return {
        "installed": list(result.installed),
        "lastInstallTime": result.installed_at,
        "installDuration": duration(result.install_seconds),
        "installedBy": result.installed_by,
        "warnings": list(result.warnings),
    }


def _cache_mode(request: Request) -> str:
    assert request.packages is not None
    cache = request.packages.cache
    if not cache.enabled:
        return "emptyDir"
    return "shared-pvc" if cache.access_mode == "ReadWriteMany" else "pvc"


def duration(seconds: float) -> str:
    """A duration as people write it: `45s`, `2m30s`; at least one second."""
    whole = max(1, round(seconds))
    minutes, rest = divmod(whole, 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def conditions_of(obj: Mapping[str, Any]) -> list[Object]:
    """The conditions in an object's status."""
    return list((obj.get("status") or {}).get("conditions") or [])


def last_result(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the last-result annotation of a Notebook says, empty where there is none or somebody wrote nonsense in it."""
    try:
        found = json.loads(annotations_of(obj).get(names.LAST_RESULT_ANNOTATION, ""))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
