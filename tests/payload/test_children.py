"""The interpreters of a probe never outlive it, even when a signal arrives while one is starting."""

import subprocess

from tests.payload.conftest import eventually, is_running
from wheelwarden.payload.bundler import modules_of, pack

# SIGTERM arrives while an interpreter is starting: the process exists, but is not yet in RUNNING.
STOPPED_WHILE_STARTING = """
import os, signal, subprocess, sys, time
from wheelwarden.payload.common.interpreters import limit_lifetime, start_interpreter
start = subprocess.Popen
def start_and_be_stopped(*arguments, **more):
    child = start(*arguments, **more)
    print(child.pid, flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.5)
    return child
subprocess.Popen = start_and_be_stopped
limit_lifetime({"totalSeconds": 60}, signal.SIGTERM)
reader, writer = os.pipe()
start_interpreter([sys.executable, "-c", "import time; time.sleep(600)"], writer, subprocess.PIPE)
time.sleep(60)
"""


def test_an_interpreter_that_is_starting_is_killed_too() -> None:
    modules = {
        **modules_of("wheelwarden.payload.common.interpreters"),
        "stopped": ("stopped.py", STOPPED_WHILE_STARTING),
    }
    program = pack("stopped", modules)
    done = subprocess.run(["/usr/bin/python3", "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 124, done.stderr
    pid = done.stdout.strip()
    assert eventually(lambda: not is_running(pid))
