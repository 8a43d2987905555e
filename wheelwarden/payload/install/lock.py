"""The lock that saves double work. Nothing rests on it: without it, two installers race and the loser uses the winner's."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import sys
import threading
import time

from wheelwarden.payload.install.files import read_text, unwritable, write_atomically
from wheelwarden.payload.install.store import Store

HEARTBEAT_SECONDS = 2.0
HOLDER_DEAD_SECONDS = 20.0
POLL_SECONDS = 0.2
BUSY = (errno.EWOULDBLOCK, errno.EACCES, errno.EAGAIN)
# What waiting for the lock comes to: we hold it; the directory appeared; there are no locks here, or the holder is dead.
HELD, MADE, FREE_FOR_ALL = "held", "made", "free-for-all"


class Lock:
    """The lock on one directory of the store; its holder writes a heartbeat, since an flock tells nothing of who has it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.heartbeat = store.lock + ".heartbeat"
        self._stopped = threading.Event()

    def acquire(self) -> str:
        """HELD, MADE or FREE_FOR_ALL, after waiting for whoever is at work. Raises InstallError."""
        self.store.make_folders()
        descriptor = self._open()
        beat, seen, told = "", time.monotonic(), False
        while True:
            taken = self._try(descriptor)
            if taken is not None:
                return taken
            if self.store.read_record() is not None:
                return MADE
            if not told:
                print("Another pod is installing these packages: waiting for it")
                sys.stdout.flush()
                told = True
            now = read_text(self.heartbeat)
            if now != beat:
                beat, seen = now, time.monotonic()
            elif time.monotonic() - seen > HOLDER_DEAD_SECONDS:
                print(f"The other installer wrote no heartbeat for {HOLDER_DEAD_SECONDS:.0f} s: taking over")
                return FREE_FOR_ALL
            time.sleep(POLL_SECONDS)

    def _open(self) -> int:
        try:
            descriptor = os.open(self.store.lock, os.O_CREAT | os.O_RDWR, 0o666)
        except OSError as error:
            raise unwritable(error) from error
        with contextlib.suppress(OSError):
            os.fchmod(descriptor, 0o666)  # another uid may be the next to lock it
        return descriptor

    def _try(self, descriptor: int) -> str | None:
        """None where another one holds it."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return None if error.errno in BUSY else FREE_FOR_ALL
        return HELD

    def start_heartbeat(self) -> None:
        """Until `stop_heartbeat`."""
        threading.Thread(target=self._beat, daemon=True).start()

    def stop_heartbeat(self) -> None:
        """The lock itself goes with the process."""
        self._stopped.set()

    def _beat(self) -> None:
        count = 0
        while not self._stopped.is_set():
            count += 1
            with contextlib.suppress(OSError):  # a full volume is reported by the installation itself
                write_atomically(self.heartbeat, f"{os.environ.get('WHEELWARDEN_POD', '')} {os.getpid()} {count}")
            self._stopped.wait(HEARTBEAT_SECONDS)
