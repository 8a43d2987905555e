"""What is to be written into the status of an object: pure. The whole of it stands somewhere, also where a CRD prunes fields.

                                       status.pythonPackages        status.wheelwarden
managed, the CRD keeps every field     the whole                    absent
managed, the CRD prunes some           what it keeps of the whole   the whole
another owner installs                 that owner's                 the whole

Which of the first two holds is read off the object itself and off the API server's answer to each write, so nothing is
remembered of a CRD, and no object decides for another.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from wheelwarden.api import names
from wheelwarden.api.conditions import Condition, ConditionShape, is_written, written
from wheelwarden.api.install_owner import InstallOwner
from wheelwarden.api.objects import Object

TYPES: Final = (names.PACKAGES_INSTALLED, names.IMPORTS_VERIFIED)
PACKAGES: Final = "pythonPackages"
OURS: Final = "wheelwarden"


def written_before(status: Mapping[str, Any], owner: InstallOwner) -> Mapping[str, Any]:
    """What we told of the packages so far, as whole as it stands there."""
    return status.get(OURS) or (status.get(PACKAGES) if owner is InstallOwner.OURS else None) or {}


def conditions_to_write(
    there: Sequence[Mapping[str, Any]],
    wanted: Sequence[Condition],
    stamp: str,
    *,
    shape: ConditionShape,
    generation: int,
    known: Sequence[Mapping[str, Any]] = (),
) -> list[Mapping[str, Any]] | None:
    """The whole list of conditions as it is to be; None where it is so already.

    Args:
        there: the object's conditions.
        wanted: ours; those of our types that are not in here are taken away.
        stamp: the time, RFC 3339.
        shape: how the CRD of the object wants a condition.
        generation: of the object.
        known: ours as we wrote them last: one that somebody dropped comes back with its own transition time.
    """
    kept = {condition.type for condition in wanted}
    stale = [condition for condition in wanted if not is_written(condition, there, generation)]
    dropped = any(entry.get("type") in TYPES and entry.get("type") not in kept for entry in there)
    if not stale and not dropped:
        return None
    ours = [
        written(condition, [*known, *there], stamp, shape=shape, generation=generation)
        if condition in stale
        else next(entry for entry in there if entry.get("type") == condition.type)
        for condition in wanted
    ]
    return [*(entry for entry in there if entry.get("type") not in TYPES), *ours]


def fields_to_write(status: Mapping[str, Any], packages: Object | None, owner: InstallOwner) -> Object:
    """A merge patch of the two fields; empty where they are as they should be.

    Args:
        status: the object's status.
        packages: the whole of what is to be told, None where no packages are asked for.
        owner: who installs them; while that is not known, the fields stay as they are.
    """
    if owner is InstallOwner.UNKNOWN:
        return {}
    there, ours = status.get(PACKAGES), status.get(OURS)
    if packages is None:
        fields = (PACKAGES, OURS) if owner is InstallOwner.OURS else (OURS,)
        return {field: None for field in fields if status.get(field) is not None}
    if owner is InstallOwner.FOREIGN:
        return {} if ours == packages else {OURS: _replacing(ours, packages)}
    if there == packages and ours in (None, packages):
        return {}
    if ours == packages and there and _is_part(there, packages):
        return {}
    changes: Object = {PACKAGES: _replacing(there, packages)}
    if ours is not None:
        changes[OURS] = _replacing(ours, packages)
    return changes


def fields_to_correct(status: Mapping[str, Any], packages: Object | None, owner: InstallOwner) -> Object:
    """What is still to be written when the API server's answer has shown what the CRD keeps; empty for nothing."""
    if packages is None or owner is not InstallOwner.OURS:
        return {}
    there, ours = status.get(PACKAGES), status.get(OURS)
    if there == packages:
        return {} if ours is None else {OURS: None}
    return {} if ours == packages else {OURS: _replacing(ours, packages)}


def _is_part(there: Any, whole: Any) -> bool:
    """Whether `there` is what a CRD may have left of `whole`: fields are missing, and what is there is the same."""
    if isinstance(there, Mapping) and isinstance(whole, Mapping):
        return all(name in whole and _is_part(part, whole[name]) for name, part in there.items())
    return bool(there == whole)


def _replacing(before: Any, wanted: Any) -> Any:
    """A merge patch (RFC 7386) that leaves exactly `wanted` where `before` was."""
    if not isinstance(before, Mapping) or not isinstance(wanted, Mapping):
        return wanted
    gone = {name: None for name in before if name not in wanted}
    return gone | {name: _replacing(before.get(name), part) for name, part in wanted.items()}
