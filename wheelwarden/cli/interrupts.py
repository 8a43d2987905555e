"""Signal handling for subcommands that clean up: a signal cancels the work, which then finishes by itself."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from wheelwarden.cli.output import note

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
Answer = TypeVar("Answer")


class Interrupted(Exception):
    """A signal ended the work, and the work has cleaned up."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number  # as in shells


async def interruptible(work: Coroutine[Any, Any, Answer]) -> Answer:
    """Return the result of the work. Ctrl-C, SIGTERM and SIGHUP cancel it; further signals have no effect.

    Raises:
        Interrupted: a signal arrived, and the work has ended.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work)
    received: list[int] = []

    def cancel(number: int) -> None:
        note("still cleaning up" if received else "interrupted; cleaning up")
        if not received:
            task.cancel()
        received.append(number)

    # A signal that the caller has set to be ignored (nohup, Ctrl-C for a background job) stays ignored.
    handled = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    for number in handled:
        loop.add_signal_handler(number, cancel, number)
    try:
        return await task
    except asyncio.CancelledError:
        if received:
            raise Interrupted(received[0]) from None
        raise
    finally:
        for number in handled:
            loop.remove_signal_handler(number)
