"""Threads for callers that wait: a call with a deadline, and a coroutine for those who have no event loop to give."""

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from wheelwarden.api.errors import CommandTimeoutError

GOODBYE_SECONDS: Final = 2.0  # that a cancelled coroutine has to come to its end
Answer = TypeVar("Answer")


def call_within(function: Callable[[], Answer], seconds: float) -> Answer:
    """What a function returns or raises, if it does so in time.

    A function that does not is left alone in its thread, which keeps no program from ending.

    Raises:
        CommandTimeoutError: it did not return within `seconds`.
    """
    answer: concurrent.futures.Future[Answer] = concurrent.futures.Future()
    _thread(lambda: answer.set_result(function()), answer).start()
    concurrent.futures.wait([answer], timeout=seconds)
    if not answer.done():
        raise CommandTimeoutError(f"no answer within {seconds:g} s")
    return answer.result()


def run_in_thread(work: Coroutine[Any, Any, Answer]) -> Answer:
    """What a coroutine returns or raises, run in an event loop of its own: also where the caller is inside of one.

    Where the caller is interrupted (Ctrl-C), the coroutine is cancelled and comes to its end first.
    """
    answer: concurrent.futures.Future[Answer] = concurrent.futures.Future()
    started: concurrent.futures.Future[Callable[[], object]] = concurrent.futures.Future()

    async def attend() -> None:
        task = asyncio.ensure_future(work)
        loop = asyncio.get_running_loop()
        started.set_result(lambda: loop.call_soon_threadsafe(task.cancel))
        try:
            answer.set_result(await task)
        except BaseException as error:
            answer.set_exception(error)

    thread = _thread(lambda: asyncio.run(attend()), answer)
    try:
        thread.start()
        return answer.result()
    finally:
        if not answer.done():
            concurrent.futures.wait([started], timeout=GOODBYE_SECONDS)
            if started.done():
                started.result()()
            concurrent.futures.wait([answer], timeout=GOODBYE_SECONDS)
        if thread.ident is not None:
            thread.join(GOODBYE_SECONDS)


def _thread(work: Callable[[], None], answer: "concurrent.futures.Future[Any]") -> threading.Thread:
    def run() -> None:
        try:
            work()
        except BaseException as error:
            answer.set_exception(error)

    return threading.Thread(target=run, daemon=True)
