"""The keyed work queue: a key is worked on by one worker at a time, and never stands in the queue twice."""

import asyncio
from collections import deque
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Queue(Generic[K]):
    """As client-go's workqueue: a key added while it is worked on comes again when that is done.

    Args:
        call_later: schedules a callback after seconds and returns a handle with `cancel` (the event loop's).
    """

    def __init__(self, call_later: Callable[[float, Callable[[], None]], asyncio.TimerHandle]) -> None:
        self._call_later = call_later
        self._ready: deque[K] = deque()
        self._dirty: set[K] = set()
        self._working: set[K] = set()
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._wakened = asyncio.Event()

    def __len__(self) -> int:
        """How many keys wait to be worked on now."""
        return len(self._ready)

    def add(self, key: K) -> None:
        """Asks for `key` to be worked on as soon as possible."""
        if key in self._dirty:
            return
        self._dirty.add(key)
        if key not in self._working:
            self._ready.append(key)
            self._wakened.set()

    def add_after(self, key: K, seconds: float) -> None:
        """Asks for `key` after a while; the sooner of two such wishes counts."""
        timer = self._timers.get(key)
        later = self._call_later(seconds, lambda: self._due(key))
        if timer is not None and timer.when() <= later.when():
            later.cancel()
            return
        if timer is not None:
            timer.cancel()
        self._timers[key] = later

    async def get(self) -> K:
        """The next key; it must be given back with `done`."""
        while not self._ready:
            self._wakened.clear()
            await self._wakened.wait()
        key = self._ready.popleft()
        self._dirty.discard(key)
        self._working.add(key)
        return key

    def done(self, key: K) -> None:
        """The work on `key` ended."""
        self._working.discard(key)
        if key in self._dirty:
            self._ready.append(key)
            self._wakened.set()

    def close(self) -> None:
        """Cancels what was to come later."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _due(self, key: K) -> None:
        self._timers.pop(key, None)
        self.add(key)
