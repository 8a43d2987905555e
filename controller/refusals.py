"""What is in the way of our writes, mostly a refusal: told once, tried again after a pause, and in the way of nothing else."""

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
CLAIM: Final = "claim"  # a claim: its creation, size, owners and marks, and its deletion


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    """What is in the way of one target.

    Attributes:
        what: CONDITIONS, STATUS, POD, LAST_RESULT or CLAIM.
        text: as it was told.
        wish: a digest of what was to be written; empty where no write would help.
        pause, until: how long, and until when it is not tried again, in seconds.
    """

    what: str
    text: str
    wish: str = ""
    pause: float = 0.0
    until: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Manner:
    """How a refusal is told, and how long it pauses.

    Attributes:
        reason: of the event.
        head: how the text begins, before the API server's words; empty for the common one.
        end: how it ends.
        seconds, longest: the first pause, and up to what it is doubled each time.
    """

    reason: str = Reason.WRITE_REFUSED
    head: str = ""
    end: str = "It is tried again; everything else goes on."
    seconds: float = FIRST_SECONDS
    longest: float = LONGEST_SECONDS


COMMON: Final = Manner()


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

    def is_unreported(self, key: Key) -> bool:
        """Whether something that was decided of this object could not be written so far; its claim is no report."""
        return any(refused.what != CLAIM for refused in self._open.get(key, {}).values())

    def is_refused(self, key: Key, target: str) -> bool:
        """Whether the last write of this target was refused."""
        return target in self._open.get(key, {})

    def text_of(self, key: Key, target: str) -> str:
        """What was told of a target whose last write was refused; empty where it was not."""
        refused = self._open.get(key, {}).get(target)
        return refused.text if refused is not None else ""

    async def refused(
        self,
        key: Key,
        target: str,
        wish: str,
        *,
        what: str,
        about: Mapping[str, str],
        error: KubeError,
        manner: Manner = COMMON,
    ) -> None:
        """A write was refused.

        Args:
            key: the object that it was about.
            target: what was to be written, in words: `the conditions of pod demo-app-0`.
            wish: a digest of it.
            what: CONDITIONS, STATUS, POD, LAST_RESULT or CLAIM.
            about: the object that gets the event.
            error: the API server's answer.
            manner: how it is told, and how long it pauses.
        """
        self._metrics.writes_refused.labels(what).inc()
        before = self._open.get(key, {}).get(target)
        pause = manner.seconds
        if before is not None and before.wish == wish:
            pause = min(2 * before.pause, manner.longest)
        self._again(key, pause)
        told = shortened(printable(redact(error.message)), TOLD_LENGTH).rstrip(".")
        head = manner.head or f"The API server refused to write {target}"
        text = f"{head}: {told}. {manner.end}"
        refused = Refused(what=what, text=text, wish=wish, pause=pause, until=self._monotonic() + pause)
        await self._remember(key, target, refused, about, manner.reason)

    async def hindered(
        self, key: Key, target: str, text: str, *, what: str, about: Mapping[str, str], reason: str
    ) -> None:
        """Something is in the way of a target that no write of ours would change; it ends with `forget_others`."""
        await self._remember(key, target, Refused(what=what, text=text), about, reason)

    async def _remember(self, key: Key, target: str, refused: Refused, about: Mapping[str, str], reason: str) -> None:
        before = self._open.setdefault(key, {}).get(target)
        self._open[key][target] = refused
        if before is None or before.text != refused.text:
            LOGGER.warning("%s/%s: %s", key.namespace, key.name, refused.text)
            await self._recorder.record(about, key.namespace, "Warning", reason, refused.text)

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
