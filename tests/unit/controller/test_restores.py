"""Putting a status right: at once, and never a war."""

from controller.restores import BURST, REFILL_SECONDS, Restores
from controller.state import Key

APP = Key("KasprApp", "team", "demo")
OTHER = Key("KasprApp", "team", "other")


def times(restores: Restores, key: Key, *, every: float, until: float) -> list[float]:
    """When `key` is put right by somebody who tries `every` so many seconds."""
    found, now = [], 0.0
    while now < until:
        if restores.wait(key, now) == 0:
            restores.count(key, now)
            found.append(now)
        now += every
    return found


def test_what_is_set_back_every_half_a_minute_is_always_put_right_at_once() -> None:
    assert times(Restores(), APP, every=30, until=3600) == [30.0 * step for step in range(120)]


def test_a_war_costs_no_more_than_three_writes_a_minute() -> None:
    restores = Restores()
    found = times(restores, APP, every=1, until=600)
    assert found[:BURST] == [float(step) for step in range(BURST)]
    assert len(found) == BURST + 600 / REFILL_SECONDS - 1
    assert {late - early for early, late in zip(found[BURST:], found[BURST + 1 :], strict=False)} == {REFILL_SECONDS}
    assert restores.wait(OTHER, 600) == 0


def test_the_wait_is_until_the_next_token_and_ends_with_the_object() -> None:
    restores = Restores()
    for _ in range(BURST):
        restores.count(APP, 0.0)
    assert [restores.wait(APP, now) for now in (0.0, 5.0, REFILL_SECONDS)] == [REFILL_SECONDS, 15.0, 0.0]
    restores.forget(APP)
    assert restores.wait(APP, 0.0) == 0
