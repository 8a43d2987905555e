"""The lock that avoids duplicate work. Correctness does not depend on it: without it, installers race and one wins."""

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
# Results of waiting: we hold the lock; the directory was published; no locks on this volume, or the holder is dead.
HELD, PUBLISHED, NO_LOCK = "held", "published", "no-lock"


class Lock:
    """The lock on one directory of the store. Its holder writes a heartbeat, since flock does not show whether it is alive."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.heartbeat = store.lock + ".heartbeat"
        self._stopped = threading.Event()

    def acquire(self) -> str:
        """Waits for the lock. Returns HELD, PUBLISHED or NO_LOCK. Raises InstallError."""
        self.store.make_folders()
        descriptor = self._open()
        last, since, announced = "", time.monotonic(), False
        while True:
            outcome = self._try(descriptor)
            if outcome is not None:
                return outcome
            if self.store.read_record() is not None:
                return PUBLISHED
            if not announced:
                print("Another pod is installing these packages: waiting for it")
                sys.stdout.flush()
                announced = True
            now = read_text(self.heartbeat)
            if now != last:
                last, since = now, time.monotonic()
            elif time.monotonic() - since > HOLDER_DEAD_SECONDS:
                print(f"The other installer wrote no heartbeat for {HOLDER_DEAD_SECONDS:.0f} s: taking over")
                return NO_LOCK
            time.sleep(POLL_SECONDS)

    def _open(self) -> int:
        try:
            descriptor = os.open(self.store.lock, os.O_CREAT | os.O_RDWR, 0o666)
        except OSError as error:
            raise unwritable(error) from error
        with contextlib.suppress(OSError):
            os.fchmod(descriptor, 0o666)  # the next installer may have another uid
        return descriptor

    def _try(self, descriptor: int) -> str | None:
        """Tries to lock. Returns None if another installer holds the lock."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return None if error.errno in BUSY else NO_LOCK
        return HELD

    def start_heartbeat(self) -> None:
        """Writes heartbeats until `stop_heartbeat`."""
        threading.Thread(target=self._beat, daemon=True).start()

    def stop_heartbeat(self) -> None:
        """Stops the heartbeat. The lock itself is released when the process exits."""
        self._stopped.set()

    def _beat(self) -> None:
        count = 0
        while not self._stopped.is_set():
            count += 1
            with contextlib.suppress(OSError):  # a full volume is reported by the installation itself
                write_atomically(self.heartbeat, f"{os.environ.get('WHEELWARDEN_POD', '')} {os.getpid()} {count}")
            self._stopped.wait(HEARTBEAT_SECONDS)
