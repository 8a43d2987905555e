"""Processes of a cluster: each with a log of its own, watched, and ended in the order opposite to their start."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

_TAIL_LINES = 25
_STOP_SECONDS = 10
_POLL_SECONDS = 0.1


class ComponentError(Exception):
    """A component of the cluster died or did not become ready; the message holds the end of its log."""


class Processes:
    """The running components of one cluster. `stop` ends them all; a dead one fails every wait."""

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        logs.mkdir(parents=True, exist_ok=True)
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(
        self, name: str, argv: Sequence[str | Path], *, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> None:
        """Starts a component; its output goes to `<logs>/<name>.log`."""
        with (self.logs / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                [str(word) for word in argv], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env, cwd=cwd,
                start_new_session=True,
            )  # fmt: skip

    def wait_until(self, what: str, ready: Callable[[], bool], *, name: str, limit_seconds: float = 120) -> None:
        """Polls `ready`; fails when any component dies or the limit is reached, with the log of the one at fault."""
        deadline = time.monotonic() + limit_seconds
        while not ready():
            self.check()
            if time.monotonic() > deadline:
                raise ComponentError(f"{what}: not within {limit_seconds:.0f} s{self._tail(name)}")
            time.sleep(_POLL_SECONDS)

    def check(self) -> None:
        """Raises ComponentError where a component has died."""
        for name, process in self._running.items():
            if (code := process.poll()) is not None:
                raise ComponentError(f"{name} ended with exit code {code}{self._tail(name)}")

    def stop_one(self, name: str) -> None:
        """Ends one component and waits for it."""
        process = self._running.pop(name)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def stop(self) -> None:
        """Ends all components, the last started first."""
        for name in reversed(list(self._running)):
            self.stop_one(name)

    def _tail(self, name: str) -> str:
        log = self.logs / f"{name}.log"
        if not log.exists():
            return ""
        lines = log.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
        return f"; the end of {log}:\n" + "\n".join(f"    {line}" for line in lines)
