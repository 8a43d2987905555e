"""The claim that a workload's packages are shared on: how ours is told from a stranger's, and what stands in for it. Pure.

The webhook and the controller both ask here, so that they never disagree about where a pod finds its packages.
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
    """The labels that say whose a claim of ours is."""
    return {
        names.MANAGED_BY_LABEL: names.MANAGED_BY,
        names.WORKLOAD_KIND_LABEL: request.kind.name,
        # A label holds 63 characters, a name up to 253; the claim's own name tells the rest.
        names.WORKLOAD_NAME_LABEL: request.name[:63].rstrip("-."),
    }


def is_ours(request: Request, claim: Mapping[str, Any]) -> bool:
    """Whether a claim bears the marks that we give the claim of this very object."""
    labels = mapping_in(mapping_in(claim, "metadata"), "labels")
    return all(labels.get(label) == value for label, value in marks(request).items())


def cache_mode(request: Request, claim: Mapping[str, Any] | None, *, owner: InstallOwner = InstallOwner.OURS) -> str:
    """Where pods made now keep their packages: `shared-pvc`, `pvc` or `emptyDir`.

    Args:
        request: what the owner asks for; with packages.
        claim: the claim of the wanted name, None where there is none (yet).
        owner: who installs. Where it is not us, the claim is that owner's, and is used as it is.
    """
    assert request.packages is not None
    if owner is not InstallOwner.OURS:
        return EMPTY if claim is None else _mode(mapping_in(claim, "spec").get("accessModes"))
    cache = request.packages.cache
    if not cache.enabled or cache.type != "pvc":
        return EMPTY
    mode = cache.access_mode
    if claim is not None:
        # A stranger's is never used, and one that could not be provisioned is given up.
        if not is_ours(request, claim) or annotations_of(claim).get(names.CACHE_MODE_ANNOTATION) == EMPTY:
            return EMPTY
        return _mode(mapping_in(claim, "spec").get("accessModes") or [mode])
    return _mode([mode])


def _mode(access_modes: Sequence[str] | None) -> str:
    return SHARED if "ReadWriteMany" in (access_modes or ()) else SINGLE


def fallback_reason(claim: Mapping[str, Any] | None) -> str:
    """Why the volume is not the one that was asked for, as a warning; empty where it is."""
    return "" if claim is None else annotations_of(claim).get(names.CACHE_FALLBACK_ANNOTATION, "")
