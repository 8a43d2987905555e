"""What a run of a cluster keeps outside its namespaces: a folder, a cgroup, and its logs after a failure.

Its processes, mounts, links and addresses are gone with the namespaces. The folder and the cgroup are removed by the run
itself or, where it was killed, by the next one: a run holds a lock on its folder, and the kernel frees it with the run.
"""

import fcntl
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.cluster import artifacts

STATE_PREFIX = "wwc-"  # short: containerd's sockets live below it
_CGROUPS = Path("/sys/fs/cgroup")
_LOGS_KEPT = 5  # runs, in one folder
_DYING_SECONDS = 20  # processes of a PID namespace may outlive its first one for a moment


@contextmanager
def run_folder() -> Iterator[Path]:
    """A folder for one run, with a cgroup of its name; both are removed afterwards, and those of dead runs before."""
    state, descriptor = _make_folder()
    try:
        _make_cgroups(state.name)
        yield state
    finally:
        _remove(state)
        os.close(descriptor)


def keep_logs(state: Path, folder: Path) -> Path | None:
    """Copies the run's logs into a new folder below `folder`, where other files are left alone; None without logs.

    Of such folders, the newest five stay.
    """
    if not (state / "logs").is_dir():
        return None
    target = folder / f"{time.strftime('%Y%m%d-%H%M%S')}-{state.name}"
    shutil.copytree(state / "logs", target)
    for log in state.glob("index/*.log"):
        shutil.copy(log, target)
    if (state / "podlogs").is_dir():
        shutil.copytree(state / "podlogs", target / "pods")
    os.utime(target)
    artifacts.keep_newest(folder.glob(f"*-{STATE_PREFIX}*"), _LOGS_KEPT)
    return target


def hierarchies() -> list[Path]:
    """The mounted cgroup hierarchies: many with cgroup v1, one with v2."""
    if (_CGROUPS / "cgroup.controllers").exists():
        return [_CGROUPS]
    return sorted({path.resolve() for path in _CGROUPS.iterdir() if (path / "cgroup.procs").exists()})


def _make_folder() -> tuple[Path, int]:
    artifacts.CACHE.mkdir(parents=True, exist_ok=True)
    # One at a time: a folder that is made but not locked yet would look like that of a dead run.
    with artifacts.locked(artifacts.CACHE / ".runs.lock"):
        for state in Path(tempfile.gettempdir()).glob(f"{STATE_PREFIX}*"):
            with suppress(OSError):  # in use, or somebody else's
                os.close(_lock(state))
                _remove(state)
        state = Path(tempfile.mkdtemp(prefix=STATE_PREFIX))
        return state, _lock(state)


def _lock(folder: Path) -> int:
    """Locks the folder until the returned descriptor is closed; OSError where another process holds it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _make_cgroups(name: str) -> None:
    for hierarchy in hierarchies():
        made = hierarchy / name
        made.mkdir()
        if hierarchy.name == "cpuset":  # a new cpuset is empty, and nothing can run in it
            for setting in ("cpuset.cpus", "cpuset.mems"):
                (made / setting).write_text((hierarchy / setting).read_text())


def _remove(state: Path) -> None:
    """Removes a run's folder and cgroups, and says what would not go."""
    deadline = time.monotonic() + _DYING_SECONDS
    while (left := _try_to_remove(state)) and time.monotonic() < deadline:
        time.sleep(0.1)
    for line in left:
        print(f"left behind: {line}", file=sys.stderr)


def _try_to_remove(state: Path) -> list[str]:
    left = []
    for hierarchy in hierarchies():
        for folder, _, _ in os.walk(hierarchy / state.name, topdown=False):
            try:
                Path(folder).rmdir()
            except OSError as error:
                left.append(f"{folder}: {error.strerror}")
    shutil.rmtree(state, ignore_errors=True)
    return left + ([str(state)] if state.exists() else [])
