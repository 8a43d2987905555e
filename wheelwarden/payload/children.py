"""What the probes share: the interpreters that they start, none of which outlives whoever asked.

Part of each payload that imports it: `wheelwarden.payload.read` puts it there.
"""

import _thread
import os
import signal
import subprocess
import threading

RUNNING = []  # type: list[subprocess.Popen[bytes]]
STARTING = threading.Lock()


def end_in_time(request, *signals):
    """Ends us and our interpreters on these signals, with the connection that we were started by, and after all deadlines.

    Whoever asked may be gone without a word: then the alarm ends us, soon after the last deadline.
    """
    if request.get("attached"):
        threading.Thread(target=end_with_asker, daemon=True).start()
    signal.alarm(int(request["totalSeconds"]) + 5)
    for number in (signal.SIGALRM,) + signals:
        # By a thread of its own: the signal may interrupt the start of an interpreter, which has to come to its end first.
        signal.signal(number, lambda *_: _thread.start_new_thread(give_up, ()))


def end_with_asker():
    """Standard input ends with the connection: nobody is left to tell, and the processors are the user's."""
    try:
        while os.read(0, 1024):
            pass
    except OSError:
        pass
    give_up()


def give_up():
    STARTING.acquire(timeout=10)  # for good, so that nothing is started any more
    for child in list(RUNNING):
        end_group(child)
    os._exit(124)


def end_group(child):
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except OSError:
        pass


def start_interpreter(argv, descriptor, stdout):
    """An interpreter off the user's working directory, in a group of its own, that reports on the descriptor."""
    environment = dict(os.environ, PYTHONDONTWRITEBYTECODE="1")
    with STARTING:
        child = subprocess.Popen(
            argv + [str(descriptor)], stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE, cwd="/",
            env=environment, pass_fds=(descriptor,), start_new_session=True,
        )  # fmt: skip
        RUNNING.append(child)
    return child


def end_interpreter(child):
    """Ends it where it still runs, and in any case what it left running in its group: that may hold the pipes."""
    end_group(child)
    child.wait()
    RUNNING.remove(child)
