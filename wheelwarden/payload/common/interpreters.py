"""The interpreters that the probes start, none of which outlives whoever asked."""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import subprocess
import threading

TYPE_CHECKING = False  # `typing` is no module that a probe has to load
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

RUNNING: list[subprocess.Popen[bytes]] = []
STARTING = threading.Lock()


def end_in_time(request: Mapping[str, Any], *signals: int) -> None:
    """Ends us and our interpreters on these signals, with the connection that we were started by, and after all deadlines.

    Whoever asked may be gone without a word: then the alarm ends us, soon after the last deadline.
    """
    if request.get("attached"):
        threading.Thread(target=_end_with_asker, daemon=True).start()
    signal.alarm(int(request["totalSeconds"]) + 5)
    for number in (signal.SIGALRM, *signals):
        # By a thread of its own: the signal may interrupt the start of an interpreter, which has to come to its end first.
        signal.signal(number, lambda *_: _thread.start_new_thread(_give_up, ()))


def _end_with_asker() -> None:
    """Standard input ends with the connection: nobody is left to tell, and the processors are the user's."""
    try:
        while os.read(0, 1024):
            pass
    except OSError:
        pass
    _give_up()


def _give_up() -> None:
    STARTING.acquire(timeout=10)  # for good, so that nothing is started any more
    for child in RUNNING.copy():
        _end_group(child)
    os._exit(124)


def _end_group(child: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):
        os.killpg(child.pid, signal.SIGKILL)


def source_of(module: str) -> str:
    """The text of a module of our bundle, for another interpreter to run. The bundler finds it by a literal with its name."""
    bundle: Any = __spec__.loader
    source: str = bundle.get_source(module)
    return source


def start_interpreter(argv: Sequence[str], descriptor: int, stdout: int) -> subprocess.Popen[bytes]:
    """An interpreter off the user's working directory, in a group of its own, that reports on the descriptor."""
    environment = dict(os.environ, PYTHONDONTWRITEBYTECODE="1")
    with STARTING:
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


def end_interpreter(child: subprocess.Popen[bytes]) -> None:
    """Ends it where it still runs, and in any case what it left running in its group: that may hold the pipes."""
    _end_group(child)
    child.wait()
    RUNNING.remove(child)
