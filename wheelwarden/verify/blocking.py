"""Threads for synchronous callers: a call with a deadline, and a coroutine in an event loop of its own."""

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from wheelwarden.api.errors import CommandTimeoutError

CANCEL_SECONDS: Final = 2.0  # for a cancelled coroutine to finish
Answer = TypeVar("Answer")


def call_within(function: Callable[[], Answer], seconds: float) -> Answer:
    """Call a function with a deadline; return its result or raise its exception.

    After the deadline the function keeps running in a daemon thread, which does not keep the program from exiting.

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
    """Run a coroutine in an event loop of its own; return its result or raise its exception.

    The caller may be inside a running event loop. If the caller is interrupted (Ctrl-C), the coroutine is cancelled, and
    this function waits until it has finished.
    """
    answer: concurrent.futures.Future[Answer] = concurrent.futures.Future()
    canceller: concurrent.futures.Future[Callable[[], object]] = concurrent.futures.Future()

    async def run_task() -> None:
        task = asyncio.ensure_future(work)
        loop = asyncio.get_running_loop()
        canceller.set_result(lambda: loop.call_soon_threadsafe(task.cancel))
        try:
            answer.set_result(await task)
        except BaseException as error:
            answer.set_exception(error)

    thread = _thread(lambda: asyncio.run(run_task()), answer)
    try:
        thread.start()
        return answer.result()
    finally:
        if not answer.done():
            concurrent.futures.wait([canceller], timeout=CANCEL_SECONDS)
            if canceller.done():
                canceller.result()()
            concurrent.futures.wait([answer], timeout=CANCEL_SECONDS)
        if thread.ident is not None:
            thread.join(CANCEL_SECONDS)


def _thread(work: Callable[[], None], answer: "concurrent.futures.Future[Any]") -> threading.Thread:
    def run() -> None:
        try:
            work()
        except BaseException as error:
            answer.set_exception(error)

    return threading.Thread(target=run, daemon=True)
