"""What was decided, written where people see it: conditions, status, annotations; and what changed, as events and metrics."""

import datetime
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from controller import plan
from controller.manifests import cache_warnings, conditions_of, last_result
from controller.metrics import Metrics
from controller.probe import Prober
from controller.settle import Settled
from controller.state import Key, PodState, ProbeOutcome
from wheelwarden import names
from wheelwarden.conditions import FALSE, TRUE, Condition, Reason, find, written
from wheelwarden.errors import Conflict, Invalid, NotFound
from wheelwarden.events import Recorder
from wheelwarden.kube import KASPRAPPS, NOTEBOOKS, PODS, Cluster, Object
from wheelwarden.request import Request
from wheelwarden.targets import KASPR_APP
from wheelwarden.verify.results import write_results

LOGGER = logging.getLogger(__name__)
TYPES: Final = (names.PACKAGES_INSTALLED, names.IMPORTS_VERIFIED)
RESTORE_SECONDS: Final = 60.0  # between two times that a condition which somebody dropped is put back


class Reporter:
    """Writes only what changed, and tells it only after it was written.

    Args:
        cluster: the client.
        prober: has what the probes found.
        recorder: writes events.
        metrics: where transitions are counted.
        monotonic: a clock in seconds; `now`: the wall clock, timezone-aware.
        again: asks for a key after some seconds.
    """

    def __init__(
        self,
        cluster: Cluster,
        prober: Prober,
        recorder: Recorder,
        metrics: Metrics,
        *,
        monotonic: Callable[[], float],
        now: Callable[[], datetime.datetime],
        again: Callable[[Key, float], None],
    ) -> None:
        self._cluster = cluster
        self._prober = prober
        self._recorder = recorder
        self._metrics = metrics
        self._monotonic = monotonic
        self._now = now
        self._again = again
        self._pruned: set[str] = set()
        self._wrote: dict[Key, tuple[list[Condition], float]] = {}

    def forget(self, key: Key) -> None:
        """The object is gone."""
        self._wrote.pop(key, None)

    async def report_pods(
        self, key: Key, request: Request, pods: Sequence[PodState], settled: Settled, *, beside: bool
    ) -> dict[str, list[Condition]]:
        """Writes the conditions of each pod where they changed; returns them by pod name."""
        decided: dict[str, list[Condition]] = {}
        notes = cache_warnings(request, settled.claim) if request.packages is not None and not beside else []
        for pod in pods:
            outcome = self._prober.outcome(pod)
            found = [
                plan.packages_condition(request, pod, settled.hindrance_of(pod), notes, outcome),
                plan.imports_condition(request, pod, outcome),
            ]
            decided[pod.name] = [condition for condition in found if condition is not None]
            if not pod.deleting:
                await self._write_pod(key, request, pod, decided[pod.name], outcome)
        return decided

    async def _write_pod(
        self,
        key: Key,
        request: Request,
        pod: PodState,
        conditions: Sequence[Condition],
        outcome: ProbeOutcome | None,
    ) -> None:
        changed = [condition for condition in conditions if find(pod.conditions, condition.type) != condition]
        patch: Object = {}
        if changed:
            stamp = self._stamp()
            patch["status"] = {"conditions": [written(condition, pod.conditions, stamp) for condition in changed]}
        # A probe that could not run leaves no digest: it is tried again.
        if outcome is not None and outcome.report is not None and outcome.digest != pod.probed:
            marks = {names.POD_PROBED_ANNOTATION: outcome.digest}
            marks[names.POD_RESULTS_ANNOTATION] = write_results(outcome.report, self._stamp())
            patch["metadata"] = {"annotations": marks}
        if not patch:
            return
        patch.setdefault("metadata", {})["uid"] = pod.uid  # a pod of the same name that came since is another
        try:
            await self._cluster.patch(PODS, pod.name, patch, key.namespace, subresource="status", style="strategic")
        except (NotFound, Conflict):
            return
        except Invalid as error:  # how the API server refuses another uid in a patch
            if "metadata.uid" not in error.message:
                raise
            return
        for condition in changed:
            before = find(pod.conditions, condition.type)
            await self._tell(key, request, pod, condition, before, outcome)

    async def _tell(
        self,
        key: Key,
        request: Request,
        pod: PodState,
        condition: Condition,
        before: Condition | None,
        outcome: ProbeOutcome | None,
    ) -> None:
        """Counts and tells one transition, after it was written."""
        result = pod.installer.result if pod.installer else None
        moved = before is None or (before.status, before.reason) != (condition.status, condition.reason)
        if condition.type == names.PACKAGES_INSTALLED and moved and result is not None:
            failed = condition.status == FALSE and result.outcome == "failed"
            if failed or (condition.status == TRUE and result.outcome == "installed"):
                error = result.error_class if failed else ""
                self._metrics.count_install(
                    key.name,
                    key.namespace,
                    seconds=result.install_seconds,
                    attempts=result.attempts,
                    error_class=error,
                )
        if condition.type == names.IMPORTS_VERIFIED and outcome is not None:
            for module in outcome.report.results if outcome.report else ():
                self._metrics.count_import(
                    key.name, key.namespace, module.module, seconds=module.seconds, reason=module.reason
                )
            if outcome.report is None:
                self._metrics.verification_errors.labels(Reason.PROBE_FAILED).inc()
        if not moved or condition.status not in (TRUE, FALSE):
            return
        type_ = "Normal" if condition.status == TRUE else "Warning"
        about = {"apiVersion": "v1", "kind": "Pod", "name": pod.name, "uid": pod.uid}
        await self._recorder.record(about, key.namespace, type_, condition.reason, condition.message)
        if request.kind is KASPR_APP:  # the Notebook's controller issues its pod's events on the Notebook again
            text = f"Pod {pod.name}: {condition.message}"
            await self._recorder.record(request.reference, key.namespace, type_, condition.reason, text)

    async def report_app(
        self, key: Key, obj: Object, summed: list[Condition], packages: Object | None, *, beside: bool
    ) -> None:
        """Writes a KasprApp's conditions and what they say of its packages, once and only where they changed.

        Where the operator installs the packages itself, `status.pythonPackages` is the operator's, and ours is
        `status.wheelwarden`.
        """
        now_there = conditions_of(obj)
        changed = [condition for condition in summed if find(now_there, condition.type) != condition]
        kept = {condition.type for condition in summed}
        dropped = [type_ for type_ in TYPES if type_ not in kept and find(now_there, type_)]
        status: Object = {}
        if changed or dropped:
            if self._is_too_soon(key, summed):
                self._again(key, RESTORE_SECONDS)
            else:
                stamp = self._stamp()
                foreign = [entry for entry in now_there if entry.get("type") not in TYPES]
                status["conditions"] = [
                    *foreign,
                    *(written(condition, now_there, stamp) for condition in summed if condition in changed),
                    *(
                        entry
                        for entry in now_there
                        if any(entry.get("type") == c.type for c in summed if c not in changed)
                    ),
                ]
        fields = {status_field(beside=beside): packages}
        if not beside:
            fields.setdefault(status_field(beside=True), None)  # of a time when somebody else installed
        for field, wanted in fields.items():
            value = wanted and {name: part for name, part in wanted.items() if name not in self._pruned}
            before = (obj.get("status") or {}).get(field)
            if value != before:
                gone = dict.fromkeys(set(before or {}) - set(value or {}))
                status[field] = None if value is None else {**gone, **value}
        if status:
            patch = {"metadata": {"resourceVersion": obj["metadata"]["resourceVersion"]}, "status": status}
            after = await self._cluster.patch(KASPRAPPS, key.name, patch, key.namespace, subresource="status")
            self._notice_pruned(status, after)
            if "conditions" in status:
                self._wrote[key] = (summed, self._monotonic())

    def _notice_pruned(self, written_status: Mapping[str, Any], after: Object) -> None:
        """Remembers fields that the operator's CRD does not know: writing them again and again would change nothing."""
        for field in ("pythonPackages", "wheelwarden"):
            kept = (after.get("status") or {}).get(field) or {}
            lost = {name for name, part in (written_status.get(field) or {}).items() if part is not None} - set(kept)
            if lost - self._pruned:
                LOGGER.info("the CRD of KasprApp does not keep status.%s of %s", ", ".join(sorted(lost)), field)
                self._pruned |= lost

    def _is_too_soon(self, key: Key, summed: list[Condition]) -> bool:
        """Whether just this was written within the last minute: then somebody dropped it, and may do so again."""
        wrote = self._wrote.get(key)
        return wrote is not None and wrote[0] == summed and self._monotonic() - wrote[1] < RESTORE_SECONDS

    async def keep_last_result(self, key: Key, request: Request, obj: Object, pods: Sequence[PodState]) -> None:
        """Keeps what was found out in an annotation: stopping a Notebook empties its status."""
        for pod in pods:
            outcome = self._prober.outcome(pod)
            if outcome is None or outcome.report is None or outcome.digest != plan.probe_digest(request, pod):
                continue
            result = pod.installer.result if pod.installer else None
            fresh = {
                "hash": pod.hash,
                "installed": list(result.installed) if result else [],
                "imports": plan.module_names(outcome),
            }
            if {**last_result(obj), "time": None} == {**fresh, "time": None}:
                continue
            text = json.dumps({**fresh, "time": self._stamp()}, separators=(",", ":"))
            patch = {"metadata": {"annotations": {names.LAST_RESULT_ANNOTATION: text}}}
            await self._cluster.patch(NOTEBOOKS, key.name, patch, key.namespace)

    def _stamp(self) -> str:
        return self._now().strftime("%Y-%m-%dT%H:%M:%SZ")


def status_field(*, beside: bool) -> str:
    """Where a KasprApp's status tells of its packages (design, section 5, ruling 1)."""
    return "wheelwarden" if beside else "pythonPackages"
