"""How often what somebody else's stale write set back is put right: at once, but never in a war. Pure; the time is passed in.

A token bucket for each object: BURST times at once, and once more for every REFILL_SECONDS that passed. An owner that
rewrites the status from an old snapshot every half a minute is so always answered at once; two programs that undo each
other's writes as fast as they can cost the API server no more than three writes a minute.
"""

from dataclasses import dataclass, field
from typing import Final

from controller.state import Key

BURST: Final = 10
REFILL_SECONDS: Final = 20.0


@dataclass(slots=True)
class Restores:
    """When an object's status may be put right again."""

    # By object: how many of its tokens were left at what time. An object that is not in here has all of them.
    _left: dict[Key, tuple[float, float]] = field(default_factory=dict)

    def wait(self, key: Key, now: float) -> float:
        """Seconds until `key` may be put right, 0.0 where it may be at once. `now` is monotonic, in seconds."""
        return max(0.0, (1.0 - self._tokens(key, now)) * REFILL_SECONDS)

    def count(self, key: Key, now: float) -> None:
        """`key` was put right."""
        self._left[key] = (self._tokens(key, now) - 1.0, now)

    def forget(self, key: Key) -> None:
        """The object is gone."""
        self._left.pop(key, None)

    def _tokens(self, key: Key, now: float) -> float:
        if key not in self._left:
            return float(BURST)
        left, since = self._left[key]
        return min(float(BURST), left + (now - since) / REFILL_SECONDS)
