"""The page of scenarios and what the tests hold it against name the same twenty."""

from tests.e2e.page import read_page
from tests.e2e.promises import CHECKS, EXPECTED, LANES, MEANT_TO_FAIL, NEVER

ALL = list(range(1, 21))


def test_each_scenario_is_played_once_and_held_against_something() -> None:
    _, scenarios = read_page()
    assert sorted(scenarios) == ALL
    assert sorted(number for lane in LANES for number in lane) == ALL
    assert sorted(EXPECTED) == ALL
    assert {*NEVER, *MEANT_TO_FAIL, *CHECKS} <= set(ALL)


def test_each_scenario_says_what_is_to_be_seen_and_cleans_up() -> None:
    _, scenarios = read_page()
    assert [scenario.number for scenario in scenarios.values() if not (scenario.do and scenario.clean_up)] == []
