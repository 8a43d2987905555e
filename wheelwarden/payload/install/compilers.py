"""Processes that byte-compile Python sources while others are still being unpacked."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from typing import IO, Iterable

from wheelwarden.payload.common.process import exits_within
from wheelwarden.payload.install.files import read_text

COMPILER_MEBIBYTES = 48  # of one compiling process at most, as measured with the largest modules of pandas and scipy
OWN_MEBIBYTES = 64  # and we with uv beside them
MOST_COMPILERS = 8
FILES_FOR_ANOTHER = 25

# Byte-compiles what its standard input names: a source and the place for its bytecode, by turns. What this Python cannot
# compile is left to fail when it is imported.
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
    """Processes that byte-compile what `jobs` gives, (source, place for its bytecode) each, while it is still giving.

    Few files do not start as many as there may be.
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
            pass  # no more processes, or they were ended: what is missing is compiled later, or at its import
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
        """Waits until all is compiled; what is not by the deadline is left out."""
        self.feeder.join(max(0.1, deadline - time.monotonic()))
        for worker in self.workers:
            if not exits_within(worker, max(0.1, deadline - time.monotonic())):
                print(
                    "Byte-compiling was ended by the attempt's timeout: the first imports of some modules will be slower"
                )
                return

    def end(self) -> None:
        """Ends what still runs."""
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
    """One for each processor that we may use, at most eight, and no more than the container's limits carry (cgroup v2)."""
    count = min(len(os.sched_getaffinity(0)), MOST_COMPILERS)
    quota, _, period = read_text(os.path.join(cgroup, "cpu.max")).partition(" ")
    if quota.isdigit() and period.isdigit():
        count = min(count, -(-int(quota) // int(period)))
    limit = read_text(os.path.join(cgroup, "memory.max"))
    if limit.isdigit():
        count = min(count, ((int(limit) >> 20) - OWN_MEBIBYTES) // COMPILER_MEBIBYTES)
    return max(1, count)
