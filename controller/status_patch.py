"""What is to be written into a KasprApp's status: pure. The whole of it stands somewhere, also where a CRD prunes fields.

                                       status.pythonPackages        status.wheelwarden
managed, the CRD keeps every field     the whole                    absent
managed, the CRD prunes some           what it keeps of the whole   the whole
beside another owner's installer       that owner's                 the whole

Which of the first two holds is read off the object itself and off the API server's answer to each write, so nothing is
remembered of a CRD, and no object decides for another.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from wheelwarden.api import names
from wheelwarden.api.conditions import Condition, is_written, written

TYPES: Final = (names.PACKAGES_INSTALLED, names.IMPORTS_VERIFIED)
PACKAGES: Final = "pythonPackages"
OURS: Final = "wheelwarden"

Object = dict[str, Any]


def written_before(status: Mapping[str, Any], *, beside: bool) -> Mapping[str, Any]:
    """What we told of the packages so far, as whole as it stands there."""
    return status.get(OURS) or (None if beside else status.get(PACKAGES)) or {}


def conditions_to_write(
    there: Sequence[Mapping[str, Any]],
    wanted: Sequence[Condition],
    stamp: str,
    *,
    generation: int,
    known: Sequence[Mapping[str, Any]] = (),
) -> list[Mapping[str, Any]] | None:
    """The whole list of conditions as it is to be; None where it is so already.

    Args:
        there: the object's conditions.
        wanted: ours; those of our types that are not in here are taken away.
        stamp: the time, RFC 3339.
        generation: of the object.
        known: ours as we wrote them last: one that somebody dropped comes back with its own transition time.
    """
    kept = {condition.type for condition in wanted}
    stale = [condition for condition in wanted if not is_written(condition, there, generation)]
    dropped = any(entry.get("type") in TYPES and entry.get("type") not in kept for entry in there)
    if not stale and not dropped:
        return None
    ours = [
        written(condition, [*known, *there], stamp, generation=generation)
        if condition in stale
        else next(entry for entry in there if entry.get("type") == condition.type)
        for condition in wanted
    ]
    return [*(entry for entry in there if entry.get("type") not in TYPES), *ours]


def fields_to_write(status: Mapping[str, Any], packages: Object | None, *, beside: bool) -> Object:
    """A merge patch of the two fields; empty where they are as they should be.

    Args:
        status: the object's status.
        packages: the whole of what is to be told, None where no packages are asked for.
        beside: whether another owner installs them, or did until taken over.
    """
    there, ours = status.get(PACKAGES), status.get(OURS)
    if packages is None:
        fields = (OURS,) if beside else (PACKAGES, OURS)
        return {field: None for field in fields if status.get(field) is not None}
    if beside:
        return {} if ours == packages else {OURS: _replacing(ours, packages)}
    if there == packages and ours in (None, packages):
        return {}
    if ours == packages and there and _is_part(there, packages):
        return {}
    changes: Object = {PACKAGES: _replacing(there, packages)}
    if ours is not None:
        changes[OURS] = _replacing(ours, packages)
    return changes


def fields_to_correct(status: Mapping[str, Any], packages: Object | None, *, beside: bool) -> Object:
    """What is still to be written when the API server's answer has shown what the CRD keeps; empty for nothing."""
    if packages is None or beside:
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
