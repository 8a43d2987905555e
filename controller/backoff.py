"""How long to wait after a failure: pure; randomness is passed in."""

from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")

FIRST_SECONDS = 0.5
LONGEST_SECONDS = 300.0


@dataclass(slots=True)
class Backoff(Generic[T]):
    """Counts failures for each key: 0.5 s, 1 s, 2 s … 5 min, with up to a fifth of jitter."""

    _failures: dict[T, int] = field(default_factory=dict)

    def next(self, key: T, jitter: float) -> float:
        """Seconds to wait after one more failure of `key`; `jitter` is between 0 and 1."""
        count = self._failures.get(key, 0)
        self._failures[key] = count + 1
        seconds: float = min(FIRST_SECONDS * 2 ** min(count, 20), LONGEST_SECONDS)
        return seconds * (1 + jitter / 5)

    def forget(self, key: T) -> None:
        """`key` worked."""
        self._failures.pop(key, None)
