"""A KasprApp's status: conditions and what is told of its packages, written only where they changed, and put right again."""

import datetime
import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from controller.metrics import Metrics
from controller.refusals import CONDITIONS, STATUS, Refusals, is_refusal
from controller.restores import Restores
from controller.state import Key
from controller.status import CACHE_FULL, conditions_of, new_warnings
from controller.status_patch import (
    OURS,
    PACKAGES,
    TYPES,
    conditions_to_write,
    fields_to_correct,
    fields_to_write,
    written_before,
)
from wheelwarden.api.conditions import Condition, Reason
from wheelwarden.api.errors import KubeError, NotFound
from wheelwarden.kube import KASPRAPPS, Cluster, Object
from wheelwarden.kube.events import Recorder

LOGGER = logging.getLogger(__name__)
# The targets of the two writes, in the words of `Refusals`.
_TARGETS: Final = {CONDITIONS: "its conditions", STATUS: "its status of packages"}


class AppReporter:
    """Writes the status of KasprApps.

    Args:
        cluster: the client.
        recorder: writes events.
        metrics: where restorations are counted.
        refusals: remembers what the API server refused.
        monotonic: a clock in seconds; `now`: the wall clock, timezone-aware.
        again: asks for a key after some seconds.
    """

    def __init__(
        self,
        cluster: Cluster,
        recorder: Recorder,
        metrics: Metrics,
        refusals: Refusals,
        *,
        monotonic: Callable[[], float],
        now: Callable[[], datetime.datetime],
        again: Callable[[Key, float], None],
    ) -> None:
        self._cluster = cluster
        self._recorder = recorder
        self._metrics = metrics
        self._refusals = refusals
        self._monotonic = monotonic
        self._now = now
        self._again = again
        self._restores = Restores()
        # By object: a digest of what was asked for by the last write, and of what stood there after it.
        self._wrote: dict[Key, tuple[str, str]] = {}
        self._times: dict[Key, list[Mapping[str, Any]]] = {}  # type, status and transition time of our conditions

    def forget(self, key: Key) -> None:
        """The object is gone."""
        self._restores.forget(key)
        self._wrote.pop(key, None)
        self._times.pop(key, None)

    async def report(
        self, key: Key, obj: Object, summed: Sequence[Condition], packages: Object | None, *, beside: bool | None
    ) -> None:
        """Writes what changed, in one write where the API server takes it. Raises Conflict: work on it again.

        Args:
            key: the object.
            obj: as it was read.
            summed: its conditions; those of our types that are not in here are taken away.
            packages: what is told of its packages, None where none are asked for.
            beside: whether another owner installs them; None while that is not clear: then only conditions are written.
        """
        parts = self._changes(key, obj, summed, packages, beside)
        if not parts:
            return
        wish = _digest([repr(summed), obj["metadata"].get("generation"), packages, beside])
        wrote, left = self._wrote.get(key, ("", ""))
        if wrote == wish and left == _state(obj):  # the CRD does not keep what the last write offered
            return
        restoring = wrote == wish
        if restoring and (wait := self._restores.wait(key, self._monotonic())) > 0:
            self._again(key, wait)
            return
        due = {what: part for what, part in parts.items() if not self._refusals.must_wait(key, _TARGETS[what], wish)}
        after = await self._write(key, obj, due, wish) if due else None
        if after is None:
            return
        if beside is not None and STATUS in due:
            more = fields_to_correct(after.get("status") or {}, packages, beside=beside)
            after = (await self._write(key, after, {STATUS: more}, wish) if more else None) or after
        if restoring:
            self._restores.count(key, self._monotonic())
            self._metrics.restored.inc()
        refused = {what for what in parts if self._refusals.is_refused(key, _TARGETS[what])}
        self._wrote[key] = ("", "") if refused else (wish, _state(after))
        self._times[key] = [
            {name: entry.get(name) for name in ("type", "status", "lastTransitionTime")}
            for entry in conditions_of(after)
            if entry.get("type") in TYPES
        ]
        if STATUS in due and STATUS not in refused and packages is not None:
            await self._tell(key, obj, packages, written_before(obj.get("status") or {}, beside=bool(beside)))

    def _changes(
        self, key: Key, obj: Object, summed: Sequence[Condition], packages: Object | None, beside: bool | None
    ) -> dict[str, Object]:
        """The parts of the status that are not as they should be, by what they are."""
        parts: dict[str, Object] = {}
        conditions = conditions_to_write(
            conditions_of(obj),
            summed,
            self._now().strftime("%Y-%m-%dT%H:%M:%SZ"),
            generation=int(obj["metadata"].get("generation") or 0),
            known=self._times.get(key, ()),
        )
        if conditions is not None:
            parts[CONDITIONS] = {"conditions": conditions}
        if beside is not None and (fields := fields_to_write(obj.get("status") or {}, packages, beside=beside)):
            parts[STATUS] = fields
        return parts

    async def _write(self, key: Key, obj: Object, parts: Mapping[str, Object], wish: str) -> Object | None:
        """The object after the write; None where nothing was written. A part that is refused does not keep the other."""
        status = {field: value for part in parts.values() for field, value in part.items()}
        patch = {"metadata": {"resourceVersion": obj["metadata"]["resourceVersion"]}, "status": status}
        try:
            after = await self._cluster.patch(KASPRAPPS, key.name, patch, key.namespace, subresource="status")
        except NotFound:
            return None
        except KubeError as error:
            if not is_refusal(error):
                raise
            if len(parts) == 1:
                (what,) = parts
                await self._refusals.refused(key, _TARGETS[what], wish, what=what, about=_reference(obj), error=error)
                return None
        else:
            for what in parts:
                self._refusals.accepted(key, _TARGETS[what])
            return {**after, "apiVersion": obj["apiVersion"], "kind": obj["kind"]}
        done: Object | None = None
        for what, part in parts.items():
            done = await self._write(key, done or obj, {what: part}, wish) or done
        return done

    async def _tell(self, key: Key, obj: Object, packages: Object, before: Mapping[str, Any]) -> None:
        """Logs what is new in what was just written; a volume that is nearly full is an event too."""
        if before.get("hash") and before["hash"] != packages["hash"]:
            LOGGER.info(
                "%s/%s: the packages changed: %s → %s", key.namespace, key.name, before["hash"], packages["hash"]
            )
        fresh = new_warnings(before.get("warnings") or (), packages["warnings"])
        for warning in fresh:
            LOGGER.warning("%s/%s: %s", key.namespace, key.name, warning)
            if warning.startswith(CACHE_FULL):
                await self._recorder.record(
                    _reference(obj), key.namespace, "Warning", Reason.CACHE_NEARLY_FULL, warning
                )


def _reference(obj: Object) -> dict[str, str]:
    """The object as its events name it."""
    metadata = obj["metadata"]
    return {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "name": metadata["name"], "uid": metadata["uid"]}


def _state(obj: Object) -> str:
    """A digest of what stands in a status of what is ours to write."""
    status = obj.get("status") or {}
    ours = [entry for entry in conditions_of(obj) if entry.get("type") in TYPES]
    return _digest([ours, status.get(PACKAGES), status.get(OURS)])


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:24]
