"""The store on the volume: a directory for each set of packages, and what installers share (docs/architecture.md)."""

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
ROOM_BYTES = 10 << 30  # with so much free a store is not short: some are a node's whole disk


class Store:
    """The store, as the installer of one set of packages sees it."""

    def __init__(self, root: str, key: str) -> None:
        self.root = root
        self.key = key
        self.folder = os.path.join(root, ".wheelwarden")
        self.staging = os.path.join(self.folder, "staging")
        self.bytecode = os.path.join(self.folder, "bytecode")
        self.uv_cache = os.path.join(self.folder, "uv-cache", str(os.getuid()))  # uv cannot use another uid's

    @property
    def directory(self) -> str:
        """That of our set."""
        return os.path.join(self.root, self.key)

    @property
    def lock(self) -> str:
        """The file that is locked by whoever installs our set."""
        return os.path.join(self.folder, "locks", self.key)

    def read_record(self) -> Result | None:
        """The record of our directory; None where that is not there. Raises InstallError for what is no record of ours."""
        try:
            with open(os.path.join(self.directory, "record.json")) as file:
                found = json.load(file)
        except (OSError, ValueError):
            return None
        try:
            return result_of(found)
        except VersionError as error:
            raise InstallError("unknown", f"{error} It is {self.directory}.") from error
        except (AttributeError, KeyError, TypeError) as error:
            raise InstallError("unknown", f"The record of {self.directory} cannot be read: {error!r}.") from error

    def claim_record(self) -> Result | None:
        """The record of our directory, marked as in use: collectors leave alone what was used lately."""
        try:
            os.utime(os.path.join(self.directory, "record.json"))
        except PermissionError:
            pass  # another uid's: its age has to do
        except OSError:
            return None
        return self.read_record()

    def make_folders(self) -> None:
        """Makes what installers share. Sticky, so that nobody removes another uid's work; locks are anybody's to rewrite."""
        make_shared_folder(self.root, 0o1777)  # a folder of its own on another owner's volume
        for path, mode in (
            (os.path.join(self.folder, ""), 0o1777),
            (self.staging, 0o1777),
            (os.path.dirname(self.lock), 0o777),
        ):
            make_shared_folder(path, mode)

    def publish(self, staged: str, result: Result) -> Result:
        """Gives a staged directory its name, and returns the record of what is there then: another pod may have been faster."""
        write_atomically(os.path.join(staged, "record.json"), json.dumps(result.as_object()))
        os.chmod(staged, 0o755)  # noqa: S103 - pods of other users read it
        try:
            os.rename(staged, self.directory)
        except OSError:
            record = self.read_record()
            if record is None:
                raise
            return record  # theirs is as good
        return result

    def usage(self) -> Usage | None:
        """Of the volume."""
        return usage_of(self.root)

    def has_room_for_caches(self) -> bool:
        """Whether uv's cache and bytecode are kept in the store, for the sets to come."""
        usage = self.usage()
        return usage is not None and usage["totalBytes"] >= SHARED_CACHE_BYTES


def is_short(usage: Usage | None) -> bool:
    """Whether so little of the volume is free that what can be had again is given up."""
    return usage is not None and usage["availableBytes"] < min(usage["totalBytes"] / 5, ROOM_BYTES)
