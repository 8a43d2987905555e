"""The claim on which a workload shares its packages: which claims are ours, and which cache mode follows. Pure.

Webhook and controller both use this module, so they always agree on where a pod finds its packages.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from wheelwarden.api import names
from wheelwarden.api.install_owner import InstallOwner
from wheelwarden.api.objects import annotations_of, mapping_in
from wheelwarden.api.request import Request

SHARED: Final = "shared-pvc"  # a volume that several nodes can mount
SINGLE: Final = "pvc"  # a volume of one node
EMPTY: Final = "emptyDir"  # each pod installs for itself


def marks(request: Request) -> dict[str, str]:
    """The labels that identify our claim for an object."""
    return {
        names.MANAGED_BY_LABEL: names.MANAGED_BY,
        names.WORKLOAD_KIND_LABEL: request.kind.name,
        # A label value has at most 63 characters, a name up to 253. The claim's own name has all of it.
        names.WORKLOAD_NAME_LABEL: request.name[:63].rstrip("-."),
    }


def is_ours(request: Request, claim: Mapping[str, Any]) -> bool:
    """Whether a claim has the labels that we give to the claim of this object."""
    labels = mapping_in(mapping_in(claim, "metadata"), "labels")
    return all(labels.get(label) == value for label, value in marks(request).items())


def cache_mode(request: Request, claim: Mapping[str, Any] | None, *, owner: InstallOwner = InstallOwner.OURS) -> str:
    """Where pods that are created now keep their packages: `shared-pvc`, `pvc` or `emptyDir`.

    Args:
        request: the object's request; it must have packages.
        claim: the claim with the expected name, None if there is none (yet).
        owner: who installs. If that is not Wheelwarden, the claim belongs to the owner and is used unchanged.
    """
    assert request.packages is not None
    if owner is not InstallOwner.OURS:
        return EMPTY if claim is None else _mode(mapping_in(claim, "spec").get("accessModes"))
    cache = request.packages.cache
    if not cache.enabled or cache.type != "pvc":
        return EMPTY
    mode = cache.access_mode
    if claim is not None:
        # Another owner's claim is never used, nor one that was given up because it could not be provisioned.
        if not is_ours(request, claim) or annotations_of(claim).get(names.CACHE_MODE_ANNOTATION) == EMPTY:
            return EMPTY
        return _mode(mapping_in(claim, "spec").get("accessModes") or [mode])
    return _mode([mode])


def _mode(access_modes: Sequence[str] | None) -> str:
    return SHARED if "ReadWriteMany" in (access_modes or ()) else SINGLE


def fallback_reason(claim: Mapping[str, Any] | None) -> str:
    """Why the volume is not the requested one, as a warning; empty if it is."""
    return "" if claim is None else annotations_of(claim).get(names.CACHE_FALLBACK_ANNOTATION, "")
