"""The status of an object: conditions and what is told of its packages, written where they changed, and put right again."""

import datetime
import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

from controller.decisions import Decisions
from controller.install_owner import View
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
from wheelwarden.api.conditions import Reason
from wheelwarden.api.errors import KubeError, NotFound
from wheelwarden.api.objects import Object
from wheelwarden.kube import Cluster, resource_for
from wheelwarden.kube.events import Recorder

LOGGER = logging.getLogger(__name__)
# The targets of the two writes, in the words of `Refusals`.
_TARGETS: Final = {CONDITIONS: "its conditions", STATUS: "its status of packages"}


class StatusReporter:
    """Writes the status of objects whose kind keeps what we write there.

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

    async def report(self, view: View, decisions: Decisions) -> None:
        """Writes what changed, in one write where the API server takes it. Raises Conflict: work on it again.

        Conditions of our types that are not decided on are taken away. While it is not known who installs, only conditions
        are written.
        """
        key, obj, packages, owner = view.key, view.obj, decisions.packages, view.ownership.owner
        parts = self._changes(view, decisions)
        for what, target in _TARGETS.items():
            if what not in parts:  # nothing is left to write
                self._refusals.accepted(key, target)
        if not parts:
            return
        wish = _digest([repr(decisions.conditions), obj["metadata"].get("generation"), packages, owner.value])
        wrote, left = self._wrote.get(key, ("", ""))
        if wrote == wish and left == _state(obj):  # the CRD does not keep what the last write offered
            return
        restoring = wrote == wish
        if restoring and (wait := self._restores.wait(key, self._monotonic())) > 0:
            self._again(key, wait)
            return
        due = {what: part for what, part in parts.items() if not self._refusals.must_wait(key, _TARGETS[what], wish)}
        after = await self._write_all(view, decisions, due, wish)
        if after is None:
            return
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
            await self._tell(view, packages, written_before(obj.get("status") or {}, owner))

    def _changes(self, view: View, decisions: Decisions) -> dict[str, Object]:
        """The parts of the status that are not as they should be, by what they are; none where the kind keeps none."""
        key, obj, shape = view.key, view.obj, view.request.kind.conditions
        parts: dict[str, Object] = {}
        if shape is None:
            return parts
        conditions = conditions_to_write(
            conditions_of(obj),
            decisions.conditions,
            self._now().strftime("%Y-%m-%dT%H:%M:%SZ"),
            shape=shape,
            generation=int(obj["metadata"].get("generation") or 0),
            known=self._times.get(key, ()),
        )
        if conditions is not None:
            parts[CONDITIONS] = {"conditions": conditions}
        if fields := fields_to_write(obj.get("status") or {}, decisions.packages, view.ownership.owner):
            parts[STATUS] = fields
        return parts

    async def _write_all(
        self, view: View, decisions: Decisions, parts: Mapping[str, Object], wish: str
    ) -> Object | None:
        """The object after the write, and after a second one where the first showed what the CRD prunes; None for no write."""
        after = await self._write(view, view.obj, parts, wish) if parts else None
        if after is None or STATUS not in parts:
            return after
        more = fields_to_correct(after.get("status") or {}, decisions.packages, view.ownership.owner)
        return (await self._write(view, after, {STATUS: more}, wish) if more else None) or after

    async def _write(self, view: View, obj: Object, parts: Mapping[str, Object], wish: str) -> Object | None:
        """The object after the write; None where nothing was written. A part that is refused does not keep the other."""
        key = view.key
        status = {field: value for part in parts.values() for field, value in part.items()}
        patch = {"metadata": {"resourceVersion": obj["metadata"]["resourceVersion"]}, "status": status}
        try:
            resource = resource_for(view.request.kind)
            after = await self._cluster.patch(resource, key.name, patch, key.namespace, subresource="status")
        except NotFound:
            return None
        except KubeError as error:
            if not is_refusal(error):
                raise
            if len(parts) == 1:
                (what,) = parts
                await self._refusals.refused(
                    key, _TARGETS[what], wish, what=what, about=view.request.reference, error=error
                )
                return None
        else:
            for what in parts:
                self._refusals.accepted(key, _TARGETS[what])
            return after
        done: Object | None = None
        for what, part in parts.items():
            done = await self._write(view, done or obj, {what: part}, wish) or done
        return done

    async def _tell(self, view: View, packages: Object, before: Mapping[str, Any]) -> None:
        """Logs what is new in what was just written; a volume that is nearly full is an event too."""
        key = view.key
        if before.get("hash") and before["hash"] != packages["hash"]:
            LOGGER.info(
                "%s/%s: the packages changed: %s → %s", key.namespace, key.name, before["hash"], packages["hash"]
            )
        fresh = new_warnings(before.get("warnings") or (), packages["warnings"])
        for warning in fresh:
            LOGGER.warning("%s/%s: %s", key.namespace, key.name, warning)
            if warning.startswith(CACHE_FULL):
                await self._recorder.record(
                    view.request.reference, key.namespace, "Warning", Reason.CACHE_NEARLY_FULL, warning
                )


def _state(obj: Object) -> str:
    """A digest of what stands in a status of what is ours to write."""
    status = obj.get("status") or {}
    ours = [entry for entry in conditions_of(obj) if entry.get("type") in TYPES]
    return _digest([ours, status.get(PACKAGES), status.get(OURS)])


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:24]
