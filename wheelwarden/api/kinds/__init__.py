"""The kinds that Wheelwarden guards. An entry in `KINDS` registers a kind; other code uses the functions here.

To add a kind, write a module like `notebook.py` with a `WorkloadKind`, add it to `KINDS`, and run `make generate`.
"""

from collections.abc import Mapping
from typing import Final

from wheelwarden.api.kinds.base import MAX_STATEFULSET_NAME, PACKAGES_FIELD, NameLimit, WorkloadKind
from wheelwarden.api.kinds.kasprapp import KASPR_APP
from wheelwarden.api.kinds.notebook import NOTEBOOK

__all__ = [
    "KASPR_APP",
    "KINDS",
    "MAX_STATEFULSET_NAME",
    "NOTEBOOK",
    "PACKAGES_FIELD",
    "NameLimit",
    "WorkloadKind",
    "all_kinds",
    "kind_named",
    "kind_of",
    "kind_of_bare_spec",
    "kind_of_pod",
    "kind_of_unknown_version",
]

KINDS: Final[tuple[WorkloadKind, ...]] = (
    NOTEBOOK,
    KASPR_APP,
)


def all_kinds() -> tuple[WorkloadKind, ...]:
    """Every registered kind, in display order."""
    return KINDS


def kind_named(name: str) -> WorkloadKind:
    """The registered kind with this name. Raises KeyError."""
    return {kind.name: kind for kind in KINDS}[name]


def kind_of_bare_spec() -> WorkloadKind:
    """The kind that a `pythonPackages` without an object is judged as: the first kind that has this field."""
    return next(kind for kind in KINDS if kind.packages_field)


def kind_of(api_version: str, kind: str) -> WorkloadKind | None:
    """The guarded kind with this apiVersion and kind, in any served version; None for kinds that are not guarded."""
    group, _, version = api_version.rpartition("/")
    for candidate in KINDS:
        if candidate.name == kind and candidate.group == group and version in candidate.versions:
            return candidate
    return None


def kind_of_unknown_version(api_version: str, kind: str) -> WorkloadKind | None:
    """The guarded kind with this group and kind, if the version is one that we do not know; None otherwise."""
    group, _, version = api_version.rpartition("/")
    for candidate in KINDS:
        if candidate.name == kind and candidate.group == group and version not in candidate.versions:
            return candidate
    return None


def kind_of_pod(labels: Mapping[str, str]) -> tuple[WorkloadKind, str] | None:
    """The kind and name of the guarded object that owns a pod, by the pod's labels; None for all other pods."""
    for kind in KINDS:
        if name := kind.owner_of(labels):
            return kind, name
    return None
