"""The queue and the backoff: no key twice, no key by two workers, waits that grow."""

import asyncio

from controller.backoff import Backoff
from controller.queue import Queue


def queue() -> Queue[str]:
    return Queue(asyncio.get_running_loop().call_later)


async def test_a_key_that_is_added_twice_is_worked_on_once() -> None:
    keys = queue()
    keys.add("a")
    keys.add("a")
    keys.add("b")
    assert [await keys.get(), await keys.get()] == ["a", "b"]
    assert len(keys) == 0


async def test_a_key_that_comes_during_its_work_comes_again_after_it() -> None:
    keys = queue()
    keys.add("a")
    assert await keys.get() == "a"
    keys.add("a")
    waiting = asyncio.ensure_future(keys.get())
    await asyncio.sleep(0)
    assert not waiting.done()
    keys.done("a")
    assert await waiting == "a"


async def test_a_delayed_key_comes_when_it_is_due_and_the_sooner_wish_counts() -> None:
    keys = queue()
    keys.add_after("a", 60)
    keys.add_after("a", 0.001)
    keys.add_after("a", 60)
    assert await keys.get() == "a"
    keys.close()


def test_waits_double_up_to_five_minutes_and_start_anew_after_success() -> None:
    backoff: Backoff[str] = Backoff()
    assert [backoff.next("a", 0) for _ in range(4)] == [0.5, 1, 2, 4]
    assert backoff.next("b", 1) == 0.6
    for _ in range(20):
        backoff.next("a", 0)
    assert backoff.next("a", 0) == 300
    backoff.forget("a")
    assert backoff.next("a", 0) == 0.5
