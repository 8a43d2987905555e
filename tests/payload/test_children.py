"""The interpreters of a probe never outlive it: where it is hard."""

import subprocess

from tests.payload.conftest import is_there, soon
from wheelwarden.payload.bundler import modules_of, pack

# A signal that comes while an interpreter is being started: it runs already, and is not yet known as running.
STOPPED_WHILE_STARTING = """
import os, signal, subprocess, sys, time
from wheelwarden.payload.common.interpreters import end_in_time, start_interpreter
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


def test_what_is_being_started_is_ended_too() -> None:
    modules = {
        **modules_of("wheelwarden.payload.common.interpreters"),
        "stopped": ("stopped.py", STOPPED_WHILE_STARTING),
    }
    program = pack("stopped", modules)
    done = subprocess.run(["/usr/bin/python3", "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 124, done.stderr
    pid = done.stdout.strip()
    assert soon(lambda: not is_there(pid))
