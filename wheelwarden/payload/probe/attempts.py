"""Import attempts: one new interpreter for each module, two at a time on two or more CPUs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time

from wheelwarden.payload.common.interpreters import kill_interpreter, source_of, start_interpreter
from wheelwarden.payload.common.process import exits_within
from wheelwarden.payload.probe.memory import is_short_of_memory, memory
from wheelwarden.payload.probe.output import Drain, read_report

TYPE_CHECKING = False  # a probe does not load `typing`
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    Result = dict[str, Any]

OUTPUT_LIMIT = 4000  # default: last characters kept of a module's stdout and of its stderr
ERROR_LIMIT = 300
POLL_SECONDS = 0.03
JOIN_SECONDS = 1
CHILD = "wheelwarden.payload.probe.child"


class Attempts:
    """Tries modules and prints each result immediately, so that a broken connection loses only the unfinished ones."""

    def __init__(self, request: Mapping[str, Any], end: float) -> None:
        self.seconds = request["deadlineSeconds"]
        self.search_path = request["searchPath"]
        self.output_limit = request.get("outputLimit", OUTPUT_LIMIT)
        self.end = end
        self.width = min(2, len(os.sched_getaffinity(0)))
        self.waiting: list[tuple[int, str]] = []
        self.retries: list[tuple[int, str, Result]] = []
        self.errors: list[Exception] = []
        self.printing = threading.Lock()

    def try_all(self, modules: Sequence[str]) -> None:
        """Tries two modules at a time on two or more CPUs. Those that ran out of memory are then retried one at a time."""
        self.waiting = list(enumerate(modules))
        threads = [threading.Thread(target=self._work, daemon=True) for _ in range(self.width)]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                # With a timeout: a signal that arrives just before the wait is handled after it.
                thread.join(JOIN_SECONDS)
        if self.errors:
            raise self.errors[0]
        for index, name, result in self.retries:
            self._print_result(index, result if is_short_of_memory() else self._try(name))

    def _work(self) -> None:
        try:
            while True:
                try:
                    index, name = self.waiting.pop(0)
                except IndexError:
                    return
                result = self._try(name)
                if self.width > 1 and result["reason"] == "OutOfMemory":
                    self.retries.append((index, name, result))
                else:
                    self._print_result(index, result)
        except Exception as error:
            self.errors.append(error)

    def _try(self, name: str) -> Result:
        return try_import(name, min(self.seconds, self.end - time.monotonic()), self.output_limit)

    def _print_result(self, index: int, result: Result) -> None:
        if self.search_path:
            mark_shadowed(result, self.search_path)
        with self.printing:
            print(json.dumps({"index": index, "result": result}), flush=True)


def statements_of(name: str) -> str:
    """The Python statements that import `module` or `module:attribute`."""
    module, _, attribute = name.partition(":")
    return f"import {module}; {module}.{attribute}" if attribute else f"import {module}"


def try_import(name: str, seconds: float, output_limit: int) -> Result:
    """Imports one module in a new interpreter. Returns the result as described in docs/architecture.md."""
    statements = statements_of(name)
    result: Result = {
        "module": name,
        "ok": False,
        "seconds": 0.0,
        "file": None,
        "exitCode": None,
        "stdout": "",
        "stderr": "",
        "argv": [sys.executable, "-c", statements],
        "reason": "ProbeTimeout",
        "error": "no time was left for this module",
    }
    if seconds <= 0:
        return result
    reader, writer = os.pipe()
    started = time.monotonic()
    child = start_interpreter([sys.executable, "-c", source_of(CHILD), statements], writer, subprocess.PIPE)
    os.close(writer)
    assert child.stdout is not None
    assert child.stderr is not None
    stdout, stderr = Drain(child.stdout, output_limit), Drain(child.stderr, output_limit)
    stopped = wait_for(child, started + seconds)
    elapsed = time.monotonic() - started
    kill_interpreter(child)
    report = None if stopped else read_report(reader)
    os.close(reader)
    result.update(stdout=stdout.text(), stderr=stderr.text(), exitCode=child.returncode)
    if report is not None and (child.returncode == 0 or not report.ok):
        result.update(ok=report.ok, file=report.file, reason=report.reason)
        result["error"] = report.error and report.error[:ERROR_LIMIT]
        result["seconds"] = report.seconds if 0 <= report.seconds <= elapsed else elapsed
    elif stopped == "OutOfMemory":
        result.update(seconds=elapsed, reason="OutOfMemory")
        limit = (memory()[0] or 0) >> 20
        result["error"] = f"it needs more memory than the container has left of its limit of {limit} MiB"
    elif stopped:
        result["seconds"] = max(0.0, seconds - 0.001)  # below the deadline, as the contract requires
        result["error"] = f"the import did not end within {seconds:g} s"
    else:
        result.update(seconds=elapsed, reason="ImportFailed", error=exit_description(child.returncode))
    return result


def wait_for(child: subprocess.Popen[bytes], end: float) -> str | None:
    """Waits for the child. Returns `ProbeTimeout`, `OutOfMemory` (the container runs short), or None if it exited in time."""
    while not exits_within(child, max(0.0, min(POLL_SECONDS, end - time.monotonic()))):
        if time.monotonic() >= end:
            return "ProbeTimeout"
        if is_short_of_memory():
            return "OutOfMemory"
    return "ProbeTimeout" if time.monotonic() >= end else None


def exit_description(code: int) -> str:
    """Describes the exit of an interpreter that sent no report."""
    if code < 0:
        return f"the interpreter was killed by signal {-code} ({signal.Signals(-code).name}) during the import"
    return f"the interpreter exited with code {code} during the import"


def mark_shadowed(result: Result, search_path: str) -> None:
    """Changes the reason to `Shadowed` if the module failed, came from elsewhere, and the search path has one of its name."""
    module = result["module"].partition(":")[0].split(".")[0]
    own = os.path.join(search_path, module)
    if result["reason"] != "ImportFailed" and result["reason"] != "AttributeNotFound":
        return
    used = result["file"]
    if used and not used.startswith(search_path + os.sep) and (os.path.isdir(own) or os.path.exists(own + ".py")):
        result["reason"] = "Shadowed"
        result["error"] = f"{result['error']} (imported from {used}, which hides the one in {search_path})"
