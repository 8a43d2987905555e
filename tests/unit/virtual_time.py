"""An event loop whose clock jumps to the next timer as soon as no task is ready: hours pass immediately."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Answer = TypeVar("Answer")


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._now = 0.0
        super().__init__()

    def time(self) -> float:
        return self._now

    def _run_once(self) -> None:
        ready, timers = self._ready, self._scheduled  # type: ignore[attr-defined] # private attributes of asyncio
        if not ready:
            self._now = max(
                [self._now, *([min(timer.when() for timer in timers if not timer.cancelled())] if timers else [])]
            )
        super()._run_once()  # type: ignore[misc]


def run(work: Coroutine[Any, Any, Answer]) -> Answer:
    """Run a coroutine in virtual time that starts at 0; return its result or raise its exception."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(work)
