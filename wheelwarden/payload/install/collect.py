"""Garbage collection of the store: sets that no pod uses, leftovers of dead installers, and caches when space is short."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from wheelwarden.payload.install.files import remove_tree, sync_folder
from wheelwarden.payload.install.request import InstallRequest
from wheelwarden.payload.install.store import Store, is_short

STALE_STAGING_SECONDS = 86400
RECENT_SECONDS = 3600  # sets claimed within the last hour are never removed


class Collector:
    """Removes what no pod needs. The request lists the hashes in use; without that list no set is removed."""

    def __init__(self, request: InstallRequest, store: Store, temporary: str) -> None:
        self.request = request
        self.store = store
        self.temporary = temporary

    def tidy(self) -> None:
        """Runs after a successful installation."""
        self._remove_stale_staging()
        if is_short(self.store.usage()):
            self._remove_dispensable()
        else:
            self._remove_sets(max(RECENT_SECONDS, self.request.retention_seconds))

    def make_room(self) -> bool:
        """Runs when the volume is full. Returns whether anything was removed."""
        freed = self._remove_dispensable()
        if freed:
            print("The volume was full: removed caches and unused packages, trying again")
            sys.stdout.flush()
        return freed

    def _remove_stale_staging(self) -> None:
        """Removes staging folders older than a day. No installation takes that long."""
        for name in os.listdir(self.store.staging):
            path = os.path.join(self.store.staging, name)
            try:
                if time.time() - os.stat(path).st_mtime > STALE_STAGING_SECONDS:
                    remove_tree(path)
            except OSError:
                pass

    def _remove_dispensable(self) -> bool:
        """Removes the caches and the sets that no pod uses. Returns whether anything was removed."""
        freed = os.path.isdir(self.store.bytecode)
        remove_tree(self.store.bytecode)
        freed = self._clean_uv_cache() or freed
        sync_folder(self.store.folder)  # a rename needs some space too
        freed = self._remove_sets(RECENT_SECONDS) or freed
        sync_folder(self.store.folder)
        return freed

    def _clean_uv_cache(self) -> bool:
        """Lets uv clean its cache, unless another installer uses it. Returns whether that succeeded."""
        cache, uv = self.store.uv_cache, self.request.uv
        environment = {"UV_CACHE_DIR": cache, "UV_NO_CONFIG": "1", "UV_LOCK_TIMEOUT": "5", "HOME": self.temporary}
        try:
            if not uv or not os.listdir(cache):
                return False
            done = subprocess.run(
                [uv, "cache", "clean"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
            )
        except OSError:
            return False  # no such cache
        return done.returncode == 0

    def _remove_sets(self, unused_seconds: float) -> bool:
        """Removes sets that no live pod uses, after `unused_seconds`. Returns whether there were any."""
        in_use = self.request.keys_in_use
        if in_use is None:
            return False
        removed = [
            name
            for name in os.listdir(self.store.root)
            if name != self.store.key
            and not name.startswith(".")
            and name.partition("-")[0] not in in_use
            and self._remove_set(name, unused_seconds)
        ]
        if removed:
            print(f"Removed from the volume, as no pod uses them: {', '.join(sorted(removed))}")
        return bool(removed)

    def _remove_set(self, name: str, unused_seconds: float) -> bool:
        """Removes a set if it is old enough. Renames it first, so that a pod that claims it finds all of it or nothing."""
        directory = os.path.join(self.store.root, name)
        trash = os.path.join(self.store.staging, f"trash-{name}")
        try:
            if _age(directory) < unused_seconds:
                return False
            os.rename(directory, trash)
            if _age(trash) < unused_seconds:
                os.rename(trash, directory)  # claimed meanwhile
                return False
        except OSError:
            return False
        remove_tree(trash)
        return True


def _age(directory: str) -> float:
    """Seconds since a set was last claimed."""
    return time.time() - os.stat(os.path.join(directory, "record.json")).st_mtime
