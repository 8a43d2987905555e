"""The surroundings of an installer: environment, temporary folder and indexes. Runs it and reads its output."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Mapping, NamedTuple, Sequence

from wheelwarden.payload.common.process import exits_within
from wheelwarden.payload.install.credentials import VARIABLES, read_netrc, redacted, write_private
from wheelwarden.payload.install.diagnosis import classify
from wheelwarden.payload.install.errors import InstallError
from wheelwarden.payload.install.indexes import read_indexes
from wheelwarden.payload.install.request import InstallRequest
from wheelwarden.payload.install.store import Store

# Variables of the workload that would redirect or prevent the installation.
NOT_PASSED_ON = (
    *VARIABLES,
    "PYTHONPATH",
    "VIRTUAL_ENV",
    "PIP_TARGET",
    "PIP_USER",
    "PIP_PREFIX",
    "PIP_REQUIREMENT",
    "PIP_CONSTRAINT",
    "PIP_NO_INDEX",
    "PIP_LOG",
)
LINES_KEPT = 4000


class Completed(NamedTuple):
    """An installer process that exited."""

    code: int
    lines: Sequence[str]


class Workplace:
    """The surroundings for all attempts of one installation.

    Indexes are passed by environment and credentials by a netrc file, so that neither is on a command line.
    """

    def __init__(self, request: InstallRequest, store: Store, temporary: str) -> None:
        self.request = request
        self.store = store
        self.temporary = temporary
        self.secrets: Sequence[str] = ()
        os.makedirs(temporary, mode=0o700, exist_ok=True)
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("UV_", "WHEELWARDEN_")) and name not in NOT_PASSED_ON
        }
        self.environment.update(TMPDIR=temporary, HOME=temporary, PYTHONDONTWRITEBYTECODE="1")
        self.indexes = read_indexes(request, self.environment)
        if request.credentials:
            netrc = read_netrc(request.credentials, self.indexes.first)
            self.secrets = netrc.secrets
            self.environment["NETRC"] = os.path.join(temporary, "netrc")
            write_private(self.environment["NETRC"], netrc.content)

    def run(
        self,
        argv: Sequence[str],
        environment: Mapping[str, str],
        deadline: float,
        *,
        silent: bool = False,
        descriptors: Sequence[int] = (),
    ) -> Completed:
        """Runs an installer and waits until it exits.

        Args:
            argv: the command.
            environment: the complete environment.
            deadline: in seconds of `time.monotonic`.
            silent: whether to suppress its output.
            descriptors: file descriptors that it inherits.

        Raises:
            InstallError: it exceeded the deadline.
        """
        child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self.temporary,
            env=environment,
            pass_fds=descriptors,
            start_new_session=True,
            encoding="utf-8",
            errors="replace",
        )
        lines: list[str] = []
        reader = threading.Thread(target=self._read, args=(child, lines, silent), daemon=True)
        reader.start()
        try:
            if not exits_within(child, max(0.1, deadline - time.monotonic())):
                raise InstallError("timeout", f"The attempt was ended after {self.request.timeout_seconds} s.")
        finally:
            with contextlib.suppress(OSError):
                os.killpg(child.pid, signal.SIGKILL)  # also what a build left running
            child.wait()
            reader.join(5)
        return Completed(child.returncode, lines)

    def _read(self, child: subprocess.Popen[str], lines: list[str], silent: bool) -> None:
        assert child.stdout is not None
        for line in child.stdout:
            shown = self.redacted(line.rstrip("\n"))
            lines.append(shown)
            del lines[:-LINES_KEPT]
            if not silent:
                print(shown)
                sys.stdout.flush()

    def redacted(self, line: str) -> str:
        """The line without secrets."""
        return redacted(line, self.secrets)


def failure_of(lines: Sequence[str], *, silent: bool) -> InstallError:
    """The error to raise after a failed run with this output. Prints the output if that was suppressed."""
    text = "\n".join(lines)
    if silent:
        print(text)
    return InstallError(*classify(text))


def tool_version(argv: Sequence[str]) -> str:
    """The first two words that a tool prints: name and version. Empty if it fails. Raises InstallError if it cannot run."""
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=False,
            text=True,
        )
    except OSError as error:
        text = f"The installer cannot run in this image: {error}."
        raise InstallError("python_incompatible", text) from error
    return " ".join(done.stdout.split()[:2]) if done.returncode == 0 else ""
