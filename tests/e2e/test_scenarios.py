"""The twenty scenarios of docs/manual-tests.md: their very commands on the real node, and what the page promises of them."""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.page import Scenario, read_page
from tests.e2e.promises import CHECKS, EXPECTED, LANES, MEANT_TO_FAIL, NEVER

PREPARATIONS, SCENARIOS = read_page()
# A line for each command that fails, which nobody would see otherwise.
TELL = """
tell() { printf '!! %s: %s\\n' "$1" "$2" | head -1 >&2; }
set -o errtrace; trap 'tell $? "$BASH_COMMAND"' ERR
"""


def play(scenario: Scenario, work: Path) -> str:
    """Runs the commands of a scenario as a person would type them, in one shell; what was printed."""
    preparations = PREPARATIONS.replace("WORK=$(mktemp -d)", f"WORK={work}")
    script = "\n".join([preparations, TELL, scenario.do, "echo --- clean up", scenario.clean_up])
    done = subprocess.run(
        ["bash", "-c", script], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=False, env=os.environ, timeout=900,
    )  # fmt: skip
    return done.stdout


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[int, "Future[str]"]]:
    """What each scenario prints, by number, once it has been played."""
    outputs: dict[int, Future[str]] = {number: Future() for number in SCENARIOS}

    def run_lane(lane: Sequence[int], work: Path) -> None:
        for number in lane:
            try:
                outputs[number].set_result(play(SCENARIOS[number], work))
            except Exception as fault:
                outputs[number].set_exception(fault)

    works = [tmp_path_factory.mktemp("work") for _ in LANES]
    with ThreadPoolExecutor(len(LANES)) as lanes:
        for lane, work in zip(LANES, works, strict=True):
            lanes.submit(run_lane, lane, work)
        yield outputs


@pytest.mark.parametrize("number", SCENARIOS, ids=lambda number: f"{number}: {SCENARIOS[number].title}")
def test_a_scenario_shows_what_the_page_promises(number: int, played: Mapping[int, "Future[str]"]) -> None:
    output = played[number].result().replace("--- clean up\n", "")
    # `kubectl wait` of what never came.
    assert "timed out waiting" not in output, output
    failed = re.findall(r"^!! \d+: (.*)$", output, re.MULTILINE)
    meant = MEANT_TO_FAIL.get(number, ())
    assert [command for command in failed if not any(re.search(pattern, command) for pattern in meant)] == [], output
    for pattern in NEVER.get(number, ()):
        assert not re.search(pattern, output, re.MULTILINE), output
    # One after the other, with what earlier ones found; `.` ends at its line.
    for length in range(1, len(EXPECTED[number]) + 1):
        part = r"[\s\S]*?".join(f"(?:{_local(pattern)})" for pattern in EXPECTED[number][:length])
        assert re.search(part, output, re.MULTILINE), f"not found: {EXPECTED[number][length - 1]}\n\n{output}"
    if number in CHECKS:
        CHECKS[number](output)


def _local(pattern: str) -> str:
    """A pattern as a part of a longer one: `(?s)` holds for it alone."""
    return f"(?s:{pattern.removeprefix('(?s)')})" if pattern.startswith("(?s)") else pattern
