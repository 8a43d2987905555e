"""The kinds that Wheelwarden guards. One line in `KINDS` registers a kind; everybody else asks the functions here.

To add a kind: a module beside `notebook.py` and `kasprapp.py` with a `WorkloadKind`, its line in `KINDS`, `make generate`.
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
    """Every registered kind, in the order in which they are shown."""
    return KINDS


def kind_named(name: str) -> WorkloadKind:
    """The registered kind of a name. Raises KeyError."""
    return {kind.name: kind for kind in KINDS}[name]


def kind_of_bare_spec() -> WorkloadKind:
    """The kind as whose object a `pythonPackages` without an object around it is judged: the first that has the field."""
    return next(kind for kind in KINDS if kind.packages_field)


def kind_of(api_version: str, kind: str) -> WorkloadKind | None:
    """The guarded kind of an object's apiVersion and kind, in any served version; None for kinds that are not ours."""
    group, _, version = api_version.rpartition("/")
    for candidate in KINDS:
        if candidate.name == kind and candidate.group == group and version in candidate.versions:
            return candidate
    return None


def kind_of_unknown_version(api_version: str, kind: str) -> WorkloadKind | None:
    """The guarded kind whose group and name an object has, in a version that we do not know; None for all others."""
    group, _, version = api_version.rpartition("/")
    for candidate in KINDS:
        if candidate.name == kind and candidate.group == group and version not in candidate.versions:
            return candidate
    return None


def kind_of_pod(labels: Mapping[str, str]) -> tuple[WorkloadKind, str] | None:
    """The kind and name of the object that a pod's labels say it belongs to; None for other people's pods."""
    for kind in KINDS:
        if name := kind.owner_of(labels):
            return kind, name
    return None
