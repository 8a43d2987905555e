"""Writes that the API server refused: told once, tried again after growing pauses, and in the way of nothing else."""

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

from controller.metrics import Metrics
from controller.state import Key
from wheelwarden.api.conditions import Reason, shortened
from wheelwarden.api.errors import Forbidden, Invalid, KubeError
from wheelwarden.api.redaction import printable, redact
from wheelwarden.kube.events import Recorder

LOGGER = logging.getLogger(__name__)
FIRST_SECONDS: Final = 2.0  # before a refused write is tried again; doubled each time
LONGEST_SECONDS: Final = 300.0
TOLD_LENGTH: Final = 400  # characters of the API server's own words

# What is written where, as the metric has it.
CONDITIONS: Final = "conditions"  # of an object
STATUS: Final = "status"  # of an object, but for its conditions
POD: Final = "pod"  # conditions and results of a pod
LAST_RESULT: Final = "last_result"  # an annotation of the object
CLAIM: Final = "claim"  # owners and marks of a claim, and its deletion


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    """One write that was refused: what was to be written, why not, and until when it is not tried again."""

    wish: str
    told: str
    pause: float
    until: float


class Refusals:
    """Remembers what was refused, and says so: a log line, an event on the object, a metric.

    A target is one thing that is written, such as the conditions of one pod; a wish is a digest of what is to be written
    there: another wish is tried at once.

    Args:
        recorder: writes events.
        metrics: where refusals are counted.
        monotonic: a clock in seconds.
        again: asks for a key after some seconds.
    """

    def __init__(
        self,
        recorder: Recorder,
        metrics: Metrics,
        *,
        monotonic: Callable[[], float],
        again: Callable[[Key, float], None],
    ) -> None:
        self._recorder = recorder
        self._metrics = metrics
        self._monotonic = monotonic
        self._again = again
        self._open: dict[Key, dict[str, Refused]] = {}

    def must_wait(self, key: Key, target: str, wish: str) -> bool:
        """Whether just this was refused a moment ago; then the key is asked for again when the pause is over."""
        refused = self._open.get(key, {}).get(target)
        left = 0.0 if refused is None or refused.wish != wish else refused.until - self._monotonic()
        if left > 0:
            self._again(key, left)
        return left > 0

    def is_open(self, key: Key) -> bool:
        """Whether something of this object could not be written so far."""
        return key in self._open

    def is_refused(self, key: Key, target: str) -> bool:
        """Whether the last write of this target was refused."""
        return target in self._open.get(key, {})

    async def refused(
        self, key: Key, target: str, wish: str, *, what: str, about: Mapping[str, str], error: KubeError
    ) -> None:
        """A write was refused.

        Args:
            key: the object that it was about.
            target: what was to be written, in words: `the conditions of pod demo-app-0`.
            wish: a digest of it.
            what: CONDITIONS, STATUS, POD, LAST_RESULT or CLAIM.
            about: the object that gets the event.
            error: the API server's answer.
        """
        self._metrics.writes_refused.labels(what).inc()
        before = self._open.get(key, {}).get(target)
        told = shortened(printable(redact(error.message)), TOLD_LENGTH)
        pause = min(2 * before.pause, LONGEST_SECONDS) if before and before.wish == wish else FIRST_SECONDS
        refused = Refused(wish=wish, told=told, pause=pause, until=self._monotonic() + pause)
        self._open.setdefault(key, {})[target] = refused
        self._again(key, pause)
        if before is None or before.told != told:
            text = f"The API server refused to write {target}: {told.rstrip('.')}. It is tried again; everything else goes on."
            LOGGER.warning("%s/%s: %s", key.namespace, key.name, text)
            await self._recorder.record(about, key.namespace, "Warning", Reason.WRITE_REFUSED, text)

    def accepted(self, key: Key, target: str) -> None:
        """A write went through, or nothing is left to write."""
        if self._open.get(key, {}).pop(target, None) is not None:
            LOGGER.info("%s/%s: %s: no longer refused", key.namespace, key.name, target)
        self._drop_empty(key)

    def forget_others(self, key: Key, prefix: str, targets: Collection[str]) -> None:
        """Forgets what was refused of targets that begin with `prefix` and are no more: pods that are gone."""
        for target in list(self._open.get(key, {})):
            if target.startswith(prefix) and target not in targets:
                del self._open[key][target]
        self._drop_empty(key)

    def forget(self, key: Key) -> None:
        """The object is gone."""
        self._open.pop(key, None)

    def _drop_empty(self, key: Key) -> None:
        if not self._open.get(key):
            self._open.pop(key, None)


def is_refusal(error: KubeError) -> bool:
    """Whether the API server understood a write and does not take it: 400, 401, 403, 413 or 422.

    A conflict is none (it is worked on again), nor is a server that cannot be reached.
    """
    return isinstance(error, Invalid | Forbidden) or error.status == 413
