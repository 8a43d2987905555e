"""The size of the volume that the packages are on."""

from __future__ import annotations

import os

TYPE_CHECKING = False  # `typing` is no module that a probe has to load
if TYPE_CHECKING:
    from typing import TypedDict

    class Usage(TypedDict):
        """Of a filesystem, in bytes."""

        totalBytes: int
        usedBytes: int
        availableBytes: int


def usage_of(path: str) -> Usage | None:
    """What statvfs tells of the filesystem that a path is on; None where it cannot be told."""
    try:
        facts = os.statvfs(path)
    except OSError:
        return None
    total, free = facts.f_blocks * facts.f_frsize, facts.f_bfree * facts.f_frsize
    return {"totalBytes": total, "usedBytes": total - free, "availableBytes": facts.f_bavail * facts.f_frsize}
