"""The benchmark's table: goals are held against the figures, and shown for what they are."""

import json
from pathlib import Path

from tests.bench.figures import Figure, render, write

FAST = Figure(what="rate", value=7000, unit="/s", goal="≥6,000")
SLOW = Figure(what="wait", value=0.5, unit="s", goal="≤0.3")


def test_a_goal_holds_on_its_own_side_only() -> None:
    assert (FAST.holds, SLOW.holds) == (True, False)
    assert Figure(what="edge", value=0.3, unit="s", goal="≤0.3").holds


def test_a_missed_goal_is_seen_in_the_table_and_in_the_file(tmp_path: Path) -> None:
    assert render([FAST, SLOW]).splitlines()[1:] == [
        "rate  7,000/s   ≥6,000/s  holds",
        "wait  0.500 s   ≤0.3 s    MISSED",
    ]
    write([SLOW], tmp_path / "build" / "bench.json")
    assert json.loads((tmp_path / "build" / "bench.json").read_text()) == [
        {"what": "wait", "value": 0.5, "unit": "s", "goal": "≤0.3", "holds": False}
    ]
