"""The interpreters of a probe never outlive it: where it is hard."""

import subprocess
import time
from pathlib import Path

from wheelwarden.payload import read

# A signal that comes while an interpreter is being started: it runs already, and is not yet known as running.
STOPPED_WHILE_STARTING = """
import sys, time
start = subprocess.Popen
def start_and_be_stopped(*arguments, **more):
    child = start(*arguments, **more)
    print(child.pid, flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.5)
    return child
subprocess.Popen = start_and_be_stopped
end_in_time({"totalSeconds": 60}, signal.SIGTERM)
reader, writer = os.pipe()
start_interpreter([sys.executable, "-c", "import time; time.sleep(600)"], writer, subprocess.PIPE)
time.sleep(60)
"""


def is_there(pid: str) -> bool:
    state = Path(f"/proc/{pid}/stat")
    try:
        return state.read_text().split()[2] != "Z"
    except OSError:
        return False


def test_what_is_being_started_is_ended_too() -> None:
    program = read("children.py") + STOPPED_WHILE_STARTING
    done = subprocess.run(["/usr/bin/python3", "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 124, done.stderr
    pid = done.stdout.strip()
    limit = time.monotonic() + 10  # what was killed may need a moment to go
    while is_there(pid) and time.monotonic() < limit:
        time.sleep(0.05)
    assert not is_there(pid)
