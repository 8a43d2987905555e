"""Installs into the store, or waits for another installer that does."""

from __future__ import annotations

import os
import sys
import time
import uuid

from wheelwarden.payload.install.bytecode import compile_set
from wheelwarden.payload.install.collect import Collector
from wheelwarden.payload.install.errors import InstallError, kind_of
from wheelwarden.payload.install.files import remove_tree
from wheelwarden.payload.install.image import image_distributions
from wheelwarden.payload.install.installers import Installer, make_installer
from wheelwarden.payload.install.lock import HELD, PUBLISHED, Lock
from wheelwarden.payload.install.request import InstallRequest
from wheelwarden.payload.install.result import INSTALLED, Result
from wheelwarden.payload.install.store import Store
from wheelwarden.payload.install.workplace import Workplace

LONGEST_PAUSE_SECONDS = 15
RETRIED = ("network", "timeout", "unknown")


class Installation:
    """One installation. `result` has the facts known so far, also after a failure."""

    def __init__(self, request: InstallRequest, store: Store, result: Result, started: float) -> None:
        self.request = request
        self.store = store
        self.result = result
        self.started = started
        self.temporary = os.path.join(request.view, ".tmp")
        self.collector = Collector(request, store, self.temporary)

    def obtain(self) -> Result:
        """Returns the record of the directory, after installing it or waiting for another pod. Raises InstallError."""
        lock = Lock(self.store)
        held = self._acquire(lock)
        # Another pod may have published the directory during the wait, or between the first check and the lock.
        record = self.store.read_record() if held == PUBLISHED else self.store.claim_record()
        if record is not None:
            return record
        if held == HELD:
            lock.start_heartbeat()
        try:
            return self._install()
        finally:
            lock.stop_heartbeat()
            remove_tree(self.temporary)

    def _acquire(self, lock: Lock) -> str:
        try:
            return lock.acquire()
        except InstallError as error:
            if error.kind != "disk_full" or not self.collector.make_room():
                raise
        return lock.acquire()

    def _install(self) -> Result:
        packages = self.request.packages
        print(f"Installing {len(packages)} for Python {self.result.python}: {', '.join(packages)}")
        sys.stdout.flush()
        staged = os.path.join(self.store.staging, uuid.uuid4().hex)
        target = os.path.join(staged, "site-packages")
        try:
            os.makedirs(target)
            self._attempt_until_done(target)
            result = self.result._replace(
                outcome=INSTALLED,
                installed=installed_in(target),
                installed_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                install_seconds=round(time.monotonic() - self.started, 3),
            )
            record = self.store.publish(staged, result)
        except OSError as error:
            raise InstallError(kind_of(error), f"{error}.") from error
        finally:
            remove_tree(staged)
        if record is not result:
            return record
        self.result = result
        self.collector.tidy()
        print(f"Installed {', '.join(result.installed) or 'nothing: the image provides all packages'}")
        return result

    def _attempt_until_done(self, target: str) -> None:
        installer = make_installer(Workplace(self.request, self.store, self.temporary))
        limit = max(1, self.request.retries)
        attempt, cleared = 0, False
        while True:
            attempt += 1
            self.result = self.result._replace(attempts=attempt)
            try:
                self._attempt(installer, target)
            except InstallError as error:
                remove_tree(target)
                os.makedirs(target)
                if error.kind == "disk_full" and not cleared and self.collector.make_room():
                    cleared = True
                    continue
                # disk_full after a clean-up: the volume may free the space late.
                is_retryable = error.kind in RETRIED or (cleared and error.kind == "disk_full")
                if not is_retryable or attempt >= limit:
                    raise
                pause = min(2 ** (attempt - 1), LONGEST_PAUSE_SECONDS)
                print(f"Attempt {attempt} of {limit} failed ({error.kind}), trying again in {pause} s")
                sys.stdout.flush()
                time.sleep(pause)
            else:
                return

    def _attempt(self, installer: Installer, target: str) -> None:
        deadline = time.monotonic() + self.request.timeout_seconds
        self.result = self.result._replace(installer=installer.version())
        requirements, options = self.request.packages, ["--target", target]
        changes = installer.changes(requirements, deadline)
        if changes is not None:
            provided = changes.provided(requirements, image_distributions())
            warnings = [*self.result.warnings, *changes.warnings()]
            self.result = self.result._replace(provided=provided, warnings=warnings)
            requirements, options = changes.requirements(), [*options, "--no-deps"]
        ahead = os.path.join(os.path.dirname(target), "ahead")
        try:
            if requirements:
                installer.install(requirements, options, ahead, changes, deadline)
            compile_set(self.store, target, ahead, deadline)
        finally:
            remove_tree(ahead)


def installed_in(site_packages: str) -> list[str]:
    """`name==version` of each distribution, from the names of `*.dist-info` (PEP 376)."""
    found = []
    for name in sorted(os.listdir(site_packages)):
        if name.endswith(".dist-info"):
            distribution, _, version = name[: -len(".dist-info")].partition("-")
            found.append(f"{distribution.replace('_', '-')}=={version}")
    return found
