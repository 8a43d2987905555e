"""Refused writes: told once, redacted and short, tried again after a pause, forgotten with what they were about."""

import datetime
from typing import Any

import pytest

from controller.metrics import Metrics
from controller.refusals import CLAIM, POD, Manner, Refusals, is_refusal
from controller.state import Key
from tests.unit.fake_cluster import FakeCluster
from wheelwarden.api.errors import (
    AlreadyExists,
    Blocked,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    KubeError,
    NotFound,
    Unreachable,
)
from wheelwarden.kube.events import Recorder

APP = Key("KasprApp", "team", "demo")
ABOUT = {"apiVersion": "kaspr.io/v1alpha1", "kind": "KasprApp", "name": "demo", "uid": "u"}
FIRST, SECOND = "the conditions of pod demo-app-0", "the conditions of pod demo-app-1"


class World:
    """A clock, a cluster that takes events, and what is to be worked on again."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.again: list[float] = []
        self.cluster = FakeCluster()
        self.metrics = Metrics()
        cluster: Any = self.cluster
        clock = lambda: self.seconds  # noqa: E731 - one clock for both
        now = lambda: datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)  # noqa: E731
        recorder = Recorder(cluster, component="test", monotonic=clock, now=now)
        self.refusals = Refusals(
            recorder, self.metrics, monotonic=clock, again=lambda _key, seconds: self.again.append(seconds)
        )

    async def refuse(self, target: str = FIRST, wish: str = "w", text: str = "No.") -> None:
        error = Invalid(422, "Invalid", text)
        await self.refusals.refused(APP, target, wish, what=POD, about=ABOUT, error=error)


async def test_the_same_write_waits_and_another_one_does_not() -> None:
    world = World()
    await world.refuse()
    assert world.refusals.must_wait(APP, FIRST, "w")
    assert not world.refusals.must_wait(APP, FIRST, "other")
    assert not world.refusals.must_wait(APP, SECOND, "w")
    world.seconds = 2
    assert not world.refusals.must_wait(APP, FIRST, "w")
    assert world.again == [2, 2]


async def test_it_is_told_again_only_where_the_api_server_says_something_else() -> None:
    world = World()
    for text in ("No.", "No.", "Not this way."):
        world.seconds += 3600
        await world.refuse(text=text)
    assert world.cluster.messages == [
        f"The API server refused to write {FIRST}: No. It is tried again; everything else goes on.",
        f"The API server refused to write {FIRST}: Not this way. It is tried again; everything else goes on.",
    ]
    assert world.metrics.registry.get_sample_value("wheelwarden_writes_refused_total", {"what": "pod"}) == 3


async def test_the_api_servers_words_are_redacted_printable_and_short() -> None:
    world = World()
    await world.refuse(text="see https://user:hidden@example.com \x1b[2J " + "word " * 200)
    (message,) = world.cluster.messages
    assert "hidden" not in message
    assert message.isprintable()
    assert len(message) < 600


async def test_what_was_accepted_or_is_gone_is_forgotten() -> None:
    world = World()
    await world.refuse(FIRST)
    await world.refuse(SECOND)
    world.refusals.accepted(APP, FIRST)
    assert world.refusals.is_unreported(APP)
    world.refusals.forget_others(APP, "the conditions of pod ", [FIRST])
    assert not world.refusals.is_unreported(APP)
    await world.refuse(FIRST)
    world.refusals.forget(APP)
    assert not world.refusals.is_refused(APP, FIRST)


@pytest.mark.parametrize(
    ("error", "found"),
    [
        (Invalid(422, "", ""), True),
        (Invalid(400, "", ""), True),
        (Forbidden(403, "", ""), True),
        (Forbidden(401, "", ""), True),
        (KubeError(413, "", ""), True),
        (Conflict(409, "", ""), False),
        (AlreadyExists(409, "", ""), False),
        (NotFound(404, "", ""), False),
        (Gone(410, "", ""), False),
        (Blocked(429, "", ""), False),
        (Unreachable(503, "", ""), False),
        (Unreachable(0, "", ""), False),
    ],
)
def test_a_refusal_is_an_answer_that_understood_the_write(error: KubeError, found: bool) -> None:
    assert is_refusal(error) is found


async def test_a_manner_has_a_head_an_event_and_a_pause_of_its_own() -> None:
    world = World()
    manner = Manner(reason="ClaimNotGrown", head="The claim keeps its size", end="Later.", seconds=9, longest=3600)
    for _ in range(12):
        assert not world.refusals.must_wait(APP, "claim (size)", "1Gi")
        error = Invalid(422, "Invalid", "No.")
        await world.refusals.refused(APP, "claim (size)", "1Gi", what=CLAIM, about=ABOUT, error=error, manner=manner)
        world.seconds += 3600
    text = "The claim keeps its size: No. Later."
    assert world.again == [9, 18, 36, 72, 144, 288, 576, 1152, 2304, 3600, 3600, 3600]
    assert world.cluster.messages == [text]
    assert world.cluster.events == [("KasprApp", "ClaimNotGrown")]
    assert (world.refusals.text_of(APP, "claim (size)"), world.refusals.text_of(APP, FIRST)) == (text, "")
    assert not world.refusals.is_unreported(APP)


async def test_what_no_write_would_change_is_told_once_and_does_not_wait() -> None:
    world = World()
    for text in ("It is theirs.", "It is theirs.", "It is somebody's."):
        world.seconds += 3600
        await world.refusals.hindered(APP, "claim (use)", text, what=CLAIM, about=ABOUT, reason="ClaimConflict")
    assert world.cluster.messages == ["It is theirs.", "It is somebody's."]
    assert not world.refusals.must_wait(APP, "claim (use)", "")
    assert world.again == []
