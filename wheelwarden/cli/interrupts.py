"""Signals for a subcommand that has to clean up: work is cancelled, and comes to its own end."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from wheelwarden.cli.output import note

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
Answer = TypeVar("Answer")


class Interrupted(Exception):  # noqa: N818 - named for what it says
    """A signal ended the work; it has cleaned up."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number  # as shells have it


async def interruptible(work: Coroutine[Any, Any, Answer]) -> Answer:
    """The result of some work; Ctrl-C, SIGTERM and SIGHUP cancel it, and more of them change nothing.

    Raises:
        Interrupted: a signal came, and the work has ended since.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work)
    received: list[int] = []

    def cancel(number: int) -> None:
        note("still cleaning up" if received else "interrupted; cleaning up")
        if not received:
            task.cancel()
        received.append(number)

    # A signal that our caller has us ignore (nohup, a background shell's Ctrl-C) stays ignored.
    heeded = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    for number in heeded:
        loop.add_signal_handler(number, cancel, number)
    try:
        return await task
    except asyncio.CancelledError:
        if received:
            raise Interrupted(received[0]) from None
        raise
    finally:
        for number in heeded:
            loop.remove_signal_handler(number)
