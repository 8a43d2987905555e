"""The cluster leaves no process, mount, link, cgroup or folder behind, however its run ends."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cluster.runs import STATE_PREFIX, hierarchies

ROOT = Path(__file__).parents[2]
START_SECONDS = 180


def leftovers() -> dict[str, set[str]]:
    """What a run of a cluster could leave on this machine, by kind."""
    processes = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if f"/{STATE_PREFIX}" in command:
            processes.add(f"{folder.name} {command[:200]}")
    links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
    return {
        "processes": processes,
        "mounts": {line for line in Path("/proc/mounts").read_text().splitlines() if STATE_PREFIX in line},
        "links": {line.split(":")[1].strip() for line in links.splitlines()},
        "cgroups": {str(path) for hierarchy in hierarchies() for path in hierarchy.glob(f"{STATE_PREFIX}*")},
        "folders": {str(path) for path in Path(tempfile.gettempdir()).glob(f"{STATE_PREFIX}*")},
    }


def start(command: str) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-m", "tests.cluster", "run", "--bare", "--", "sh", "-c", command]
    return subprocess.Popen(argv, cwd=ROOT, start_new_session=True)


def wait_until(what: str, holds: Callable[[], bool], limit_seconds: float = START_SECONDS) -> None:
    deadline = time.monotonic() + limit_seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {limit_seconds} s: {what}"
        time.sleep(0.2)


@pytest.fixture
def started(tmp_path: Path) -> Path:
    """A file that the command in the cluster makes once it runs."""
    return tmp_path / "started"


@pytest.mark.parametrize(("command", "code"), [("kubectl get nodes", 0), ("exit 7", 7)])
def test_the_commands_own_status_is_returned_and_nothing_is_left(command: str, code: int) -> None:
    before = leftovers()
    assert start(command).wait(START_SECONDS) == code
    assert leftovers() == before


def test_ctrl_c_ends_the_command_and_leaves_nothing(started: Path) -> None:
    before = leftovers()
    process = start(f"touch {started}; exec sleep 600")
    wait_until("the command runs", started.exists)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to everybody in the foreground
    assert process.wait(60) == 130
    assert leftovers() == before


def test_sigterm_leaves_nothing(started: Path) -> None:
    before = leftovers()
    process = start(f"touch {started}; exec sleep 600")
    wait_until("the command runs", started.exists)
    process.terminate()
    assert process.wait(60) != 0
    assert leftovers() == before


def test_a_killed_run_takes_its_processes_along_and_the_next_one_sweeps_up(started: Path) -> None:
    before = leftovers()
    process = start(f"touch {started}; exec sleep 600")
    wait_until("the command runs", started.exists)
    process.kill()
    process.wait()
    wait_until("its processes are gone", lambda: leftovers()["processes"] == before["processes"], 30)
    assert start("true").wait(START_SECONDS) == 0
    assert leftovers() == before
