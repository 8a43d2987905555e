"""The store on the volume: a directory for each set of packages, and the shared files of installers (docs/architecture.md)."""

from __future__ import annotations

import json
import os

from wheelwarden.payload.common.volume import usage_of
from wheelwarden.payload.install.errors import InstallError
from wheelwarden.payload.install.files import make_shared_folder, write_atomically
from wheelwarden.payload.install.result import Result, result_of
from wheelwarden.payload.install.schema import VersionError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wheelwarden.payload.common.volume import Usage

SHARED_CACHE_BYTES = 2 << 30  # a store of at least this size also keeps uv's cache and bytecode
ROOM_BYTES = 10 << 30  # a store with this much free space is never short: it may be a node's whole disk


class Store:
    """The store, with the paths for one set of packages."""

    def __init__(self, root: str, key: str) -> None:
        self.root = root
        self.key = key
        self.folder = os.path.join(root, ".wheelwarden")
        self.staging = os.path.join(self.folder, "staging")
        self.bytecode = os.path.join(self.folder, "bytecode")
        self.uv_cache = os.path.join(self.folder, "uv-cache", str(os.getuid()))  # uv needs one for each uid

    @property
    def directory(self) -> str:
        """The directory of the set."""
        return os.path.join(self.root, self.key)

    @property
    def lock(self) -> str:
        """The lock file of the set."""
        return os.path.join(self.folder, "locks", self.key)

    def read_record(self) -> Result | None:
        """The record in the directory; None if there is none. Raises InstallError for a record that cannot be used."""
        try:
            with open(os.path.join(self.directory, "record.json")) as file:
                found = json.load(file)
        except (OSError, ValueError):
            return None
        try:
            return result_of(found)
        except VersionError as error:
            raise InstallError("unknown", f"{error} The directory is {self.directory}.") from error
        except (AttributeError, KeyError, TypeError) as error:
            raise InstallError("unknown", f"The record of {self.directory} cannot be read: {error!r}.") from error

    def claim_record(self) -> Result | None:
        """Marks the directory as recently used, so that collectors do not remove it, and returns its record."""
        try:
            os.utime(os.path.join(self.directory, "record.json"))
        except PermissionError:
            pass  # it belongs to another uid, so its age stays
        except OSError:
            return None
        return self.read_record()

    def make_folders(self) -> None:
        """Creates the shared folders. Sticky, so that no uid removes files of another; any uid may rewrite locks."""
        make_shared_folder(self.root, 0o1777)  # our own folder on another owner's volume
        for path, mode in (
            (os.path.join(self.folder, ""), 0o1777),
            (self.staging, 0o1777),
            (os.path.dirname(self.lock), 0o777),
        ):
            make_shared_folder(path, mode)

    def publish(self, staged: str, result: Result) -> Result:
        """Renames a staged directory to its final name. Returns its record, or that of another pod that was faster."""
        write_atomically(os.path.join(staged, "record.json"), json.dumps(result.as_object()))
        os.chmod(staged, 0o755)  # noqa: S103 - pods of other users read it
        try:
            os.rename(staged, self.directory)
        except OSError:
            record = self.read_record()
            if record is None:
                raise
            return record  # equivalent
        return result

    def usage(self) -> Usage | None:
        """Usage of the volume."""
        return usage_of(self.root)

    def has_room_for_caches(self) -> bool:
        """Whether the store is large enough to cache uv's downloads and bytecode for later sets."""
        usage = self.usage()
        return usage is not None and usage["totalBytes"] >= SHARED_CACHE_BYTES


def is_short(usage: Usage | None) -> bool:
    """Whether so little space is free that caches and unused sets are removed."""
    return usage is not None and usage["availableBytes"] < min(usage["totalBytes"] / 5, ROOM_BYTES)
