"""Synchronous calls: a deadline for functions without one, and an interrupt that reaches the coroutine."""

import asyncio
import os
import signal
import threading

import pytest

from wheelwarden.api.errors import CommandTimeoutError
from wheelwarden.verify.blocking import call_within, run_in_thread


def test_the_result_or_exception_of_a_function_is_passed_on() -> None:
    assert call_within(lambda: 5, 60) == 5
    with pytest.raises(TimeoutError, match="its own") as raised:
        call_within(lambda: fail(TimeoutError("its own")), 60)
    assert not isinstance(raised.value, CommandTimeoutError)


def fail(error: BaseException) -> int:
    raise error


def test_a_function_that_does_not_return_in_time_is_abandoned() -> None:
    release = threading.Event()
    with pytest.raises(CommandTimeoutError, match=r"no answer within 0\.01 s"):
        call_within(release.wait, 0.01)
    release.set()


def test_an_interrupt_cancels_the_coroutine_and_waits_for_its_end() -> None:
    seen: list[str] = []

    async def hang() -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            seen.append("ended")

    with pytest.raises(KeyboardInterrupt):
        run_in_thread(hang())
    assert seen == ["ended"]


def test_the_exception_of_a_coroutine_is_passed_on() -> None:
    async def broken() -> None:
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        run_in_thread(broken())
