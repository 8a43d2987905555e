"""What was decided about pods, written where people see it: conditions and annotations; what changed, as events and metrics."""

import datetime
import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from controller.decisions import Decisions, Outcomes
from controller.install_owner import View
from controller.metrics import Metrics
from controller.refusals import LAST_RESULT, POD, Refusals, is_refusal
from controller.state import InstallResult, Key, PodState, ProbeOutcome
from controller.status import CACHE_FULL, install_mark, last_result
from wheelwarden.api import names
from wheelwarden.api.conditions import FALSE, TRUE, Condition, Reason, find, written
from wheelwarden.api.errors import Conflict, Invalid, KubeError, NotFound
from wheelwarden.api.objects import Object
from wheelwarden.api.request import Request
from wheelwarden.kube import PODS, Cluster, resource_for
from wheelwarden.kube.events import Recorder
from wheelwarden.verify.results import write_results

LOGGER = logging.getLogger(__name__)
_POD_TARGET: Final = "the conditions of pod "
_LAST_RESULT_TARGET: Final = "its last result"


class PodReporter:
    """Writes only what changed, and tells it only after it was written.

    Args:
        cluster: the client.
        recorder: writes events.
        metrics: where transitions are counted.
        refusals: remembers what the API server refused.
        now: the wall clock, timezone-aware.
    """

    def __init__(
        self,
        cluster: Cluster,
        recorder: Recorder,
        metrics: Metrics,
        refusals: Refusals,
        *,
        now: Callable[[], datetime.datetime],
    ) -> None:
        self._cluster = cluster
        self._recorder = recorder
        self._metrics = metrics
        self._refusals = refusals
        self._now = now
        self._hashes: dict[Key, str] = {}  # of objects whose status has no room for it

    def forget(self, key: Key) -> None:
        """The object is gone."""
        self._hashes.pop(key, None)

    async def report(self, view: View, decisions: Decisions, outcomes: Outcomes) -> None:
        """Writes the conditions of each pod where they changed."""
        key, pods = view.key, view.pods
        self._refusals.forget_others(key, _POD_TARGET, [_target(pod) for pod in pods])
        for pod in pods:
            if not pod.deleting:
                await self._write_pod(key, view.request, pod, decisions.pods[pod.name], outcomes.get(pod.uid))

    async def _write_pod(
        self,
        key: Key,
        request: Request,
        pod: PodState,
        conditions: Sequence[Condition],
        outcome: ProbeOutcome | None,
    ) -> None:
        changed = [condition for condition in conditions if find(pod.conditions, condition.type) != condition]
        ended = _ended_install(pod, changed)
        marks = {} if ended is None else {names.POD_COUNTED_ANNOTATION: install_mark(ended)}
        # A probe that could not run leaves no digest: it is tried again.
        if outcome is not None and outcome.report is not None and outcome.digest != pod.probed:
            marks[names.POD_PROBED_ANNOTATION] = outcome.digest
            marks[names.POD_RESULTS_ANNOTATION] = write_results(outcome.report, self._stamp())
        if not changed and not marks:
            self._refusals.accepted(key, _target(pod))
            return
        wish = hashlib.sha256(repr((changed, outcome and outcome.digest)).encode()).hexdigest()[:24]
        if self._refusals.must_wait(key, _target(pod), wish):
            return
        # A pod of the same name that came since is another.
        patch: Object = {"metadata": {"uid": pod.uid, **({"annotations": marks} if marks else {})}}
        if changed:
            stamp = self._stamp()
            patch["status"] = {"conditions": [written(condition, pod.conditions, stamp) for condition in changed]}
        if not await self._patch_pod(key, request, pod, patch, wish):
            return
        if ended is not None:
            self._count_install(key, ended)
        for condition in changed:
            await self._tell(key, request, pod, condition, outcome)

    async def _patch_pod(self, key: Key, request: Request, pod: PodState, patch: Object, wish: str) -> bool:
        """Whether it was written; a pod that is gone, or another of its name, has nothing to be told."""
        try:
            await self._cluster.patch(PODS, pod.name, patch, key.namespace, subresource="status", style="strategic")
        except (NotFound, Conflict):
            return False
        except KubeError as error:
            if isinstance(error, Invalid) and "metadata.uid" in error.message:  # how another uid in a patch is refused
                return False
            if not is_refusal(error):
                raise
            about = request.reference
            await self._refusals.refused(key, _target(pod), wish, what=POD, about=about, error=error)
            return False
        self._refusals.accepted(key, _target(pod))
        return True

    def _count_install(self, key: Key, result: InstallResult) -> None:
        self._metrics.count_install(
            key.name,
            key.namespace,
            seconds=result.install_seconds,
            attempts=result.attempts,
            error_class=(result.error_class or "unknown") if result.outcome == "failed" else "",
        )

    async def _tell(
        self, key: Key, request: Request, pod: PodState, condition: Condition, outcome: ProbeOutcome | None
    ) -> None:
        """Counts and tells one transition, after it was written."""
        if condition.type == names.IMPORTS_VERIFIED and outcome is not None:
            for module in outcome.report.results if outcome.report else ():
                self._metrics.count_import(
                    key.name, key.namespace, module.module, seconds=module.seconds, reason=module.reason
                )
            if outcome.report is None:
                self._metrics.verification_errors.labels(Reason.PROBE_FAILED).inc()
        before = find(pod.conditions, condition.type)
        if _is_full(condition) and not (before and _is_full(before)):
            told = condition.message[condition.message.index(CACHE_FULL) :]
            await self._record(key, request, pod, "Warning", Reason.CACHE_NEARLY_FULL, told)
        moved = before is None or (before.status, before.reason) != (condition.status, condition.reason)
        if moved and condition.status in (TRUE, FALSE):
            type_ = "Normal" if condition.status == TRUE else "Warning"
            await self._record(key, request, pod, type_, condition.reason, condition.message)

    async def _record(self, key: Key, request: Request, pod: PodState, type_: str, reason: str, text: str) -> None:
        about = {"apiVersion": "v1", "kind": "Pod", "name": pod.name, "uid": pod.uid}
        await self._recorder.record(about, key.namespace, type_, reason, text)
        if not request.kind.copies_pod_events:
            await self._recorder.record(request.reference, key.namespace, type_, reason, f"Pod {pod.name}: {text}")

    async def keep_last_result(self, view: View, decisions: Decisions) -> None:
        """Keeps what was found out in an annotation, where the status of the kind does not keep it."""
        key, request, annotation = view.key, view.request, view.request.kind.last_result_annotation
        if not annotation:
            return
        known = last_result(view.obj, annotation)
        before = self._hashes.get(key, str(known.get("hash") or ""))
        if before and before != request.packages_hash:
            now = request.packages_hash or "none"
            LOGGER.info("%s/%s: the packages changed: %s → %s", key.namespace, key.name, before, now)
        self._hashes[key] = request.packages_hash
        for digest, fresh in decisions.last_results:
            if {**known, "time": None} != {**fresh, "time": None}:
                await self._write_last_result(key, request, annotation, digest, fresh)

    async def _write_last_result(
        self, key: Key, request: Request, annotation: str, digest: str, fresh: Mapping[str, Any]
    ) -> None:
        if self._refusals.must_wait(key, _LAST_RESULT_TARGET, digest):
            return
        text = json.dumps({**fresh, "time": self._stamp()}, separators=(",", ":"))
        patch = {"metadata": {"annotations": {annotation: text}}}
        try:
            await self._cluster.patch(resource_for(request.kind), key.name, patch, key.namespace)
        except KubeError as error:
            if not is_refusal(error):
                raise
            await self._refusals.refused(
                key, _LAST_RESULT_TARGET, digest, what=LAST_RESULT, about=request.reference, error=error
            )
        else:
            self._refusals.accepted(key, _LAST_RESULT_TARGET)

    def _stamp(self) -> str:
        return self._now().strftime("%Y-%m-%dT%H:%M:%SZ")


def _ended_install(pod: PodState, changed: Sequence[Condition]) -> InstallResult | None:
    """The installation that a changed condition tells of and that was not counted; None where there is none.

    A pod that only found what another one installed did none itself. One whose packages were given up and are asked for
    again tells of the same installation once more: the mark on the pod tells.
    """
    result = pod.installer.result if pod.installer else None
    if result is None or install_mark(result) == pod.counted:
        return None
    told = {condition.status for condition in changed if condition.type == names.PACKAGES_INSTALLED}
    wanted = {"installed": TRUE, "failed": FALSE}.get(result.outcome)
    return result if wanted in told else None


def _is_full(condition: Condition) -> bool:
    return condition.type == names.PACKAGES_INSTALLED and CACHE_FULL in condition.message


def _target(pod: PodState) -> str:
    return f"{_POD_TARGET}{pod.name}"
