"""Leader election in virtual time: one leads, another takes over when the first has gone quiet."""

import asyncio
import datetime
from typing import Any

import pytest

from controller.lease import Lease
from wheelwarden.api.errors import Conflict, NotFound, Unreachable

START = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime.datetime:
        return START + datetime.timedelta(seconds=self.seconds)

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        await asyncio.sleep(0)


class Leases:
    """The one Lease, as the API server keeps it."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.version = 0
        self.down = False

    async def get(self, *_: object) -> dict[str, Any]:
        if self.down:
            raise Unreachable(0, "Unreachable", "down")
        if self.lease is None:
            raise NotFound(404, "NotFound", "no lease")
        return {**self.lease, "spec": dict(self.lease.get("spec") or {})}

    async def create(self, _resource: object, body: dict[str, Any], _namespace: str) -> dict[str, Any]:
        self.version += 1
        self.lease = {**body, "metadata": {**body["metadata"], "resourceVersion": str(self.version)}}
        return await self.get()

    async def replace(self, _resource: object, body: dict[str, Any], _namespace: str) -> dict[str, Any]:
        if self.down:
            raise Unreachable(0, "Unreachable", "down")
        assert self.lease is not None
        if body["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
            raise Conflict(409, "Conflict", "changed")
        self.version += 1
        self.lease = {**body, "metadata": {**body["metadata"], "resourceVersion": str(self.version)}}
        return await self.get()

    @property
    def holder(self) -> str:
        assert self.lease is not None
        return str(self.lease["spec"]["holderIdentity"])


class SlowLeases(Leases):
    """Writes at once and answers `delay` seconds later; is away after so many renewals."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock
        self.delay = 0.0
        self.renewals = -1  # no end
        self.written = 0.0

    async def replace(self, _resource: object, body: dict[str, Any], _namespace: str) -> dict[str, Any]:
        done = await super().replace(_resource, body, _namespace)
        self.written = self.clock.seconds
        self.clock.seconds += self.delay
        self.renewals -= 1
        self.down = self.renewals == 0
        return done


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def leases() -> Leases:
    return Leases()


def candidate(leases: Leases, clock: Clock, name: str) -> Lease:
    cluster: Any = leases
    return Lease(cluster, "ns", "lease", name, monotonic=clock.monotonic, now=clock.now, sleep=clock.sleep)


async def test_a_lease_that_is_missing_is_made_and_held(leases: Leases, clock: Clock) -> None:
    await candidate(leases, clock, "a").acquire()
    assert leases.holder == "a"
    assert clock.seconds == 0


async def test_a_lease_of_the_chart_without_a_spec_is_taken(leases: Leases, clock: Clock) -> None:
    await leases.create(None, {"metadata": {"name": "lease"}}, "ns")
    await candidate(leases, clock, "a").acquire()
    assert leases.holder == "a"


async def test_a_quiet_leader_is_followed_after_fifteen_seconds_and_not_before(leases: Leases, clock: Clock) -> None:
    await candidate(leases, clock, "a").acquire()
    await candidate(leases, clock, "b").acquire()
    assert leases.holder == "b"
    assert 15 <= clock.seconds < 20
    assert leases.lease is not None
    assert leases.lease["spec"]["leaseTransitions"] == 1


async def test_a_holder_that_asked_for_longer_is_given_it(leases: Leases, clock: Clock) -> None:
    spec = {"holderIdentity": "uninstall", "leaseDurationSeconds": 240, "renewTime": "2026-01-01T00:00:00.000000Z"}
    await leases.create(None, {"metadata": {"name": "lease"}, "spec": spec}, "ns")
    await candidate(leases, clock, "a").acquire()
    assert 240 <= clock.seconds < 250
    assert leases.lease is not None
    assert leases.lease["spec"]["leaseDurationSeconds"] == 15


async def test_a_leader_that_renews_is_not_followed(leases: Leases, clock: Clock) -> None:
    first, second = candidate(leases, clock, "a"), candidate(leases, clock, "b")
    await first.acquire()
    keeping = asyncio.ensure_future(first.keep())
    waiting = asyncio.ensure_future(second.acquire())
    while clock.seconds < 120:
        await asyncio.sleep(0)
    assert (leases.holder, keeping.done(), waiting.done()) == ("a", False, False)
    keeping.cancel()
    waiting.cancel()
    await asyncio.gather(keeping, waiting, return_exceptions=True)


async def test_a_released_lease_is_taken_at_once(leases: Leases, clock: Clock) -> None:
    first = candidate(leases, clock, "a")
    await first.acquire()
    await first.release()
    await candidate(leases, clock, "b").acquire()
    assert (leases.holder, clock.seconds) == ("b", 0)


async def test_a_leader_cut_off_from_the_api_server_stops_after_ten_seconds(leases: Leases, clock: Clock) -> None:
    first = candidate(leases, clock, "a")
    await first.acquire()
    leases.down = True
    await first.keep()
    assert 10 <= clock.seconds < 15


@pytest.mark.parametrize("delay", [0.0, 1.0, 4.0, 9.0])
async def test_a_slow_answer_does_not_make_a_leadership_last_longer(clock: Clock, delay: float) -> None:
    leases = SlowLeases(clock)
    first = candidate(leases, clock, "a")
    await first.acquire()
    leases.delay, leases.renewals = delay, 1
    await first.keep()
    assert leases.written > 0
    assert clock.seconds - leases.written <= 10  # others wait fifteen seconds from what they saw written


async def test_a_leader_whose_lease_was_taken_stops_at_once(leases: Leases, clock: Clock) -> None:
    first = candidate(leases, clock, "a")
    await first.acquire()
    assert leases.lease is not None
    leases.lease["spec"] |= {"holderIdentity": "b", "renewTime": "later"}
    await first.keep()
    assert clock.seconds < 5
