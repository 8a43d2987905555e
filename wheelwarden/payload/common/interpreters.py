"""Child interpreters of the probes. None of them outlives the caller of the probe."""

from __future__ import annotations

import _thread
import os
import signal
import threading

TYPE_CHECKING = False  # a probe does not load `typing`
if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping, Sequence
    from typing import Any

RUNNING: list[subprocess.Popen[bytes]] = []
START_LOCK = threading.Lock()


def limit_lifetime(request: Mapping[str, Any], *signals: int) -> None:
    """Kills the child interpreters and exits on one of the signals, when the caller's connection closes, or on a timeout.

    The timeout (an alarm 5 s after the request's total time) covers a caller that disappears without closing the connection.
    """
    if request.get("attached"):
        threading.Thread(target=_exit_on_disconnect, daemon=True).start()
    signal.alarm(int(request["totalSeconds"]) + 5)
    for number in (signal.SIGALRM, *signals):
        # In a new thread: the signal may interrupt the start of an interpreter, which has to complete first.
        signal.signal(number, lambda *_: _thread.start_new_thread(_kill_all_and_exit, ()))


def _exit_on_disconnect() -> None:
    """Waits until standard input closes with the connection. Then nobody reads the answer, and the CPU is the user's."""
    try:
        while os.read(0, 1024):
            pass
    except OSError:
        pass
    _kill_all_and_exit()


def _kill_all_and_exit() -> None:
    START_LOCK.acquire(timeout=10)  # never released, so that no further interpreter starts
    for child in RUNNING.copy():
        _kill_group(child)
    os._exit(124)


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    try:  # noqa: SIM105 - does not load contextlib
        os.killpg(child.pid, signal.SIGKILL)
    except OSError:
        pass


def source_of(module: str) -> str:
    """The source of a module of the bundle, to run it in another interpreter. Callers pass the full name as a literal."""
    bundle: Any = __spec__.loader
    source: str = bundle.get_source(module)
    return source


def start_interpreter(argv: Sequence[str], descriptor: int, stdout: int) -> subprocess.Popen[bytes]:
    """Starts an interpreter outside the user's working directory, in its own process group, that reports on the descriptor."""
    import subprocess

    environment = dict(os.environ, PYTHONDONTWRITEBYTECODE="1")
    with START_LOCK:
        child = subprocess.Popen(
            [*argv, str(descriptor)],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            cwd="/",
            env=environment,
            pass_fds=(descriptor,),
            start_new_session=True,
        )
        RUNNING.append(child)
    return child


def kill_interpreter(child: subprocess.Popen[bytes]) -> None:
    """Kills the interpreter and all remaining processes of its group: they may keep its pipes open."""
    _kill_group(child)
    child.wait()
    RUNNING.remove(child)
