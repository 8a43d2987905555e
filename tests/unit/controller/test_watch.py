"""Watching: list, mark, watch; whatever the API server does, the watcher goes on, and says each thing once."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from controller.watch import PAUSE_SECONDS, Watcher
from wheelwarden.api.errors import Forbidden, Gone, KubeError, NotFound, Unreachable
from wheelwarden.kube import KASPRAPPS, Listing, WatchEvent

Step = KubeError | list[str]


class Script:
    """An API server that plays its steps: a list of names (listed or seen in a watch), or an error."""

    def __init__(self, *steps: tuple[str, Step]) -> None:
        self.steps = list(steps)
        self.asked: list[str] = []
        self.version = 0

    def _take(self, call: str, asked: str) -> list[str]:
        if not self.steps:
            raise asyncio.CancelledError
        expected, step = self.steps.pop(0)
        assert call == expected
        self.asked.append(asked)
        if isinstance(step, KubeError):
            raise step
        return step

    def _object(self, name: str) -> dict[str, Any]:
        self.version += 1
        return {"metadata": {"name": name, "resourceVersion": str(self.version)}}

    async def metadata_pages(self, *_: object, labels: str) -> AsyncIterator[Listing]:
        items = [self._object(name) for name in self._take("list", "list")]
        self.version += 1
        for page in (items[:1], items[1:]):
            yield Listing(items=page, resource_version=str(self.version))

    async def watch(self, *_: object, resource_version: str, **__: object) -> AsyncIterator[WatchEvent]:
        for name in self._take("watch", f"watch from {resource_version}"):
            type_ = "BOOKMARK" if name == "bookmark" else "DELETED" if name == "gone" else "MODIFIED"
            yield WatchEvent(type=type_, object=self._object(name))


async def play(*steps: tuple[str, Step]) -> tuple[list[str], list[str], list[float]]:
    """What was seen, what was asked of the server, and how long was waited in between."""
    seen: list[str] = []
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    def see(obj: Mapping[str, Any]) -> None:
        seen.append(obj["metadata"]["name"])

    script = Script(*steps)
    cluster: Any = script
    with pytest.raises(asyncio.CancelledError):
        await Watcher(cluster, KASPRAPPS, None, "", see, sleep).run()
    return seen, script.asked, slept


async def test_a_watch_goes_on_from_the_last_version_that_it_saw_bookmarks_included() -> None:
    seen, asked, slept = await play(("list", ["a", "b"]), ("watch", ["c", "gone", "bookmark"]), ("watch", []))
    assert seen == ["a", "b", "c", "gone"]
    assert asked == ["list", "watch from 3", "watch from 6"]
    assert slept == [PAUSE_SECONDS, PAUSE_SECONDS]


async def test_a_version_that_is_too_old_means_listing_again() -> None:
    gone = Gone(410, "Expired", "too old resource version")
    seen, asked, _ = await play(("list", ["a"]), ("watch", gone), ("list", ["a", "b"]), ("watch", []))
    assert seen == ["a", "a", "b"]
    assert asked == ["list", "watch from 2", "list", "watch from 5"]


async def test_a_server_that_is_away_is_asked_again_in_growing_waits_and_forgiven_after() -> None:
    away: Step = Unreachable(0, "Unreachable", "refused")
    steps = [("list", away)] * 8
    _, _, slept = await play(*steps, ("list", []), ("watch", []), ("watch", away))
    growing, pause, first_again = slept[:8], slept[8], slept[9]
    assert [round(seconds - 0.5 * 2**index, 9) >= 0 for index, seconds in enumerate(growing[:6])] == [True] * 6
    assert growing[6:] == [30.0, 30.0]
    assert pause == PAUSE_SECONDS
    assert 0.5 <= first_again <= 0.6


async def test_a_kind_that_is_not_installed_is_said_once_and_picked_up_later(caplog: pytest.LogCaptureFixture) -> None:
    absent: Step = NotFound(404, "NotFound", "the server could not find the requested resource")
    with caplog.at_level(logging.INFO):
        seen, _, _ = await play(*[("list", absent)] * 5, ("list", ["a"]), ("watch", []))
    assert seen == ["a"]
    assert [record.message for record in caplog.records] == [
        "kasprapps is not installed in this cluster; looking again",
        "kasprapps is installed now",
    ]


async def test_a_lack_of_rights_is_no_end() -> None:
    seen, _, _ = await play(("list", Forbidden(403, "Forbidden", "no")), ("list", ["a"]), ("watch", []))
    assert seen == ["a"]


async def test_the_periodic_look_is_quiet_where_the_kind_is_not_installed() -> None:
    script: Any = Script(("list", NotFound(404, "NotFound", "no such kind")))
    await Watcher(script, KASPRAPPS, None, "", lambda _: None).list_once()
    assert script.asked == ["list"]
