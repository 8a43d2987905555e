"""Starts the probes that are due: imports that are to be proven, and looks at how full a volume is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from controller import plan
from controller.probe import Prober
from controller.state import Key, PodState, ProbeOutcome
from wheelwarden.api.request import Request

PROBE_RETRY_SECONDS: Final = 30.0  # before a probe that could not run is tried again; doubled each time
PROBE_RETRY_LIMIT: Final = 900.0
LOOK_SECONDS: Final = 590.0  # between two looks at how full a volume is; the resync brings the object up again


@dataclass(frozen=True, kw_only=True, slots=True)
class Wait:
    """Until when a pod is not probed again for the same digest, and how long that pause is, in seconds."""

    digest: str
    until: float
    pause: float


class Probing:
    """Starts probes, and pauses between attempts that could not run.

    Args:
        prober: runs them.
        monotonic: a clock in seconds.
        again: asks for a key after some seconds.
    """

    def __init__(self, prober: Prober, *, monotonic: Callable[[], float], again: Callable[[Key, float], None]) -> None:
        self._prober = prober
        self._monotonic = monotonic
        self._again = again
        self._waits: dict[Key, dict[str, Wait]] = {}
        self._looked: dict[Key, float] = {}

    def forget(self, key: Key) -> None:
        """The object is gone."""
        self._looked.pop(key, None)
        self._waits.pop(key, None)
        self._prober.forget_object(key)

    def outcomes(self, key: Key, pods: Sequence[PodState]) -> dict[str, ProbeOutcome]:
        """What probes came to until now, by the pod's uid; what came of pods that are gone is dropped."""
        self._prober.forget_others(key, {pod.uid for pod in pods})
        found = {pod.uid: self._prober.outcome(pod) for pod in pods}
        return {uid: outcome for uid, outcome in found.items() if outcome is not None}

    def start(
        self,
        key: Key,
        request: Request,
        pods: Sequence[PodState],
        outcomes: Mapping[str, ProbeOutcome],
        *,
        unwritten: bool,
    ) -> None:
        """Starts the probes that are due; one that could not run is tried again after a while, each time a longer one.

        Args:
            key: the object.
            request: what it asks for.
            pods: its pods.
            outcomes: of probes, as the round began.
            unwritten: something of the object could not be written. What a probe found is kept then: it is written
                later, and not probed again.
        """
        uids = {pod.uid for pod in pods}
        waits = {uid: wait for uid, wait in self._waits.pop(key, {}).items() if uid in uids}
        for pod in pods:
            outcome = self._prober.outcome(pod)
            if outcome is not outcomes.get(pod.uid):
                continue  # it came meanwhile: it is told in the next round
            if not (unwritten and outcome is not None and outcome.report is not None):
                self._prober.forget(pod.uid)
            wait = self._next_wait(request, pod, outcome, waits.pop(pod.uid, None))
            if wait is not None:
                waits[pod.uid] = wait
            elif not _is_due(request, pod, outcome):
                continue
            left = wait.until - self._monotonic() if wait is not None else 0.0
            if left > 0:
                self._again(key, left)
            else:
                self._prober.start(key, request, pod)
        if waits:
            self._waits[key] = waits

    def _next_wait(
        self, request: Request, pod: PodState, outcome: ProbeOutcome | None, before: Wait | None
    ) -> Wait | None:
        """How long the pod is not probed; None where it is not to wait, or nothing of it is to be probed."""
        digest = plan.probe_digest(request, pod)
        if before is not None and before.digest != digest:
            before = None  # something else is asked now, or the same by verify-now: that does not wait
        if outcome is not None and outcome.digest == digest and outcome.report is None:
            pause = min(2 * before.pause, PROBE_RETRY_LIMIT) if before is not None else PROBE_RETRY_SECONDS
            return Wait(digest=digest, until=self._monotonic() + pause, pause=pause)
        return before if _is_due(request, pod, outcome) else None

    def look(self, key: Key, pods: Sequence[PodState]) -> None:
        """Has a look at how full the volume is, now and then, for as long as no probe tells."""
        looked = self._looked.setdefault(key, self._monotonic())
        ready = next((pod for pod in pods if pod.ready and pod.search_path and pod.own_size and not pod.deleting), None)
        if ready is not None and self._monotonic() - looked >= LOOK_SECONDS:
            self._looked[key] = self._monotonic()
            self._prober.look(key, ready)


def _is_due(request: Request, pod: PodState, outcome: ProbeOutcome | None) -> bool:
    """Whether something of a pod is to be probed that no outcome tells."""
    current = outcome is not None and outcome.digest == plan.probe_digest(request, pod)
    return not current and plan.needs_probe(request, pod)
