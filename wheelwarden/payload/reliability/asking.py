"""Runs tasks in child interpreters and collects their answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time

from wheelwarden.payload.common.interpreters import kill_interpreter, source_of, start_interpreter
from wheelwarden.payload.reliability.rows import SHOWN

TYPE_CHECKING = False  # a probe does not load `typing`
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

READ_LIMIT_BYTES = 1 << 20
STDERR_LIMIT, STDERR_LINES = 1000, 10  # last characters and lines kept
PRELUDE = "wheelwarden.payload.reliability.tasks.prelude"
TASKS = {
    "once": "wheelwarden.payload.reliability.tasks.once",
    "order": "wheelwarden.payload.reliability.tasks.order",
    "cycles": "wheelwarden.payload.reliability.tasks.cycles",
    "threads": "wheelwarden.payload.reliability.tasks.threads",
    "load": "wheelwarden.payload.reliability.tasks.load",
    "stress": "wheelwarden.payload.reliability.tasks.stress",
    "memory": "wheelwarden.payload.reliability.tasks.memory",
    "paths": "wheelwarden.payload.reliability.tasks.paths",
}


def program_of(task: str) -> str:
    """The source that an interpreter runs for a task."""
    return source_of(PRELUDE) + source_of(TASKS[task])


class TaskRunner:
    """Runs tasks. Each interpreter has a deadline, and all together end at `end` (of `time.monotonic`)."""

    def __init__(self, request: Mapping[str, Any], end: float) -> None:
        self.request = request
        self.end = end

    def run(self, task: str, modules: Sequence[str], **more: Any) -> dict[str, Any]:
        """Runs a task in one interpreter and returns its answer."""
        return self._start(task, modules, more).answer()

    def run_many(self, count: int, task: str, modules: Sequence[str], **more: Any) -> list[tuple[int, dict[str, Any]]]:
        """Runs a task in several interpreters at the same time. Returns their answers, numbered from 1."""
        running = [self._start(task, modules, more) for _ in range(count)]
        return [(number, interpreter.answer()) for number, interpreter in enumerate(running, 1)]

    def _start(self, task: str, modules: Sequence[str], more: Mapping[str, Any]) -> Interpreter:
        request = self.request
        arguments = {**more, "modules": modules, "path": request["path"], "call": request["call"], "shown": SHOWN}
        reader, writer = os.pipe()
        argv = [sys.executable, "-c", program_of(task), json.dumps(arguments)]
        child = start_interpreter(argv, writer, subprocess.DEVNULL)
        os.close(writer)
        return Interpreter(child, reader, min(request["deadlineSeconds"], max(0.1, self.end - time.monotonic())))


class Interpreter:
    """A running child interpreter."""

    def __init__(self, child: subprocess.Popen[bytes], reader: int, seconds: float) -> None:
        self.child = child
        self.reader = reader
        self.seconds = seconds
        self.deadline = time.monotonic() + seconds
        self.exited_at: float | None = None
        self.stderr_lines: list[bytes] = []
        # Read continuously, so that a verbose module does not block. Only the tail is kept.
        self.drain = threading.Thread(target=self._read_stderr, daemon=True)
        self.drain.start()

    def _read_stderr(self) -> None:
        assert self.child.stderr is not None
        for line in self.child.stderr:
            self.stderr_lines.append(line[-STDERR_LIMIT:])
            del self.stderr_lines[:-STDERR_LINES]
        self.exited_at = time.monotonic()

    def answer(self) -> dict[str, Any]:
        """Waits for its report. Adds `exitCode`, `stderr`, `at` (time of exit) and, if it sent no report, `error`."""
        timed_out = False
        try:
            self.child.wait(max(0.0, self.deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            timed_out = True
        kill_interpreter(self.child)
        self.drain.join(1)
        answer = dict(self._report(timed_out), exitCode=self.child.returncode, at=self.exited_at or time.monotonic())
        answer["stderr"] = b"".join(self.stderr_lines).decode("utf-8", "replace").strip()[-STDERR_LIMIT:]
        answer.setdefault("error", None)
        return answer

    def _report(self, timed_out: bool) -> dict[str, Any]:
        os.set_blocking(self.reader, False)
        try:
            found = json.loads(os.read(self.reader, READ_LIMIT_BYTES).decode())
        except (ValueError, BlockingIOError):
            found = None
        finally:
            os.close(self.reader)
        if isinstance(found, dict):
            return found
        if timed_out:
            return {"error": f"it did not end within {self.seconds:g} s"}
        last = b"".join(self.stderr_lines[-1:]).decode("utf-8", "replace").strip()
        return {"error": f"the interpreter exited with code {self.child.returncode} {last}"}
