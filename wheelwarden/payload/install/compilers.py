"""Processes that byte-compile Python sources while uv still unpacks others."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from typing import IO, Iterable

from wheelwarden.payload.common.process import exits_within
from wheelwarden.payload.install.files import read_text

COMPILER_MEBIBYTES = 48  # at most, of one compiler process: measured with the largest modules of pandas and scipy
OWN_MEBIBYTES = 64  # the installer and uv
MOST_COMPILERS = 8
FILES_FOR_ANOTHER = 25

# Reads pairs of lines from standard input: a source and the path for its bytecode. Skips sources that this Python cannot
# compile: they fail when they are imported.
COMPILER = """
import py_compile, sys
for source in iter(sys.stdin.readline, ""):
    place = sys.stdin.readline()[:-1]
    try:
        py_compile.compile(source[:-1], place, doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    except (py_compile.PyCompileError, OSError, ValueError, RecursionError):
        pass
"""


class Compilers:
    """Processes that byte-compile the (source, path for its bytecode) of `jobs` while `jobs` still yields.

    It starts one more process for every FILES_FOR_ANOTHER files.
    """

    def __init__(self, jobs: Iterable[tuple[str, str]]) -> None:
        self.workers: list[subprocess.Popen[bytes]] = []
        self.ended = False
        self.feeder = threading.Thread(target=self._feed, args=(jobs,), daemon=True)
        self.feeder.start()

    def _feed(self, jobs: Iterable[tuple[str, str]]) -> None:
        limit = compilers_at_once()
        try:
            for number, job in enumerate(jobs):
                if self.ended:
                    break
                if len(self.workers) < limit and number >= FILES_FOR_ANOTHER * len(self.workers):
                    self.workers.append(self._start())
                text = "".join(path + "\n" for path in job)
                worker = self.workers[number % len(self.workers)]
                _input_of(worker).write(text.encode(sys.getfilesystemencoding(), "surrogateescape"))
        except OSError:
            pass  # a process cannot start, or was killed: missing bytecode is compiled later or at import
        finally:
            for worker in self.workers:
                _input_of(worker).close()

    def _start(self) -> subprocess.Popen[bytes]:
        if self.ended:
            raise BrokenPipeError
        return subprocess.Popen(
            [sys.executable, "-I", "-c", COMPILER],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,
        )

    def finish(self, deadline: float) -> None:
        """Waits until everything is compiled, or the deadline has passed."""
        self.feeder.join(max(0.1, deadline - time.monotonic()))
        for worker in self.workers:
            if not exits_within(worker, max(0.1, deadline - time.monotonic())):
                print(
                    "Byte-compiling was stopped by the attempt's timeout: the first imports of some modules will be slower"
                )
                return

    def end(self) -> None:
        """Kills the processes that still run."""
        self.ended = True
        for worker in self.workers:
            worker.kill()
        self.feeder.join()
        for worker in self.workers:
            worker.kill()
            worker.wait()


def _input_of(worker: subprocess.Popen[bytes]) -> IO[bytes]:
    assert worker.stdin is not None
    return worker.stdin


def compilers_at_once(cgroup: str = "/sys/fs/cgroup") -> int:
    """One for each usable CPU, at most eight, within the container's CPU and memory limits (cgroup v2)."""
    count = min(len(os.sched_getaffinity(0)), MOST_COMPILERS)
    quota, _, period = read_text(os.path.join(cgroup, "cpu.max")).partition(" ")
    if quota.isdigit() and period.isdigit():
        count = min(count, -(-int(quota) // int(period)))
    limit = read_text(os.path.join(cgroup, "memory.max"))
    if limit.isdigit():
        count = min(count, ((int(limit) >> 20) - OWN_MEBIBYTES) // COMPILER_MEBIBYTES)
    return max(1, count)
