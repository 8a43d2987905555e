"""Size and usage of the volume that holds the packages."""

from __future__ import annotations

import os

TYPE_CHECKING = False  # a probe does not load `typing`
if TYPE_CHECKING:
    from typing import TypedDict

    class Usage(TypedDict):
        """Usage of a filesystem, in bytes."""

        totalBytes: int
        usedBytes: int
        availableBytes: int


def usage_of(path: str) -> Usage | None:
    """Usage of the filesystem that contains a path, from statvfs; None if statvfs fails."""
    try:
        facts = os.statvfs(path)
    except OSError:
        return None
    total, free = facts.f_blocks * facts.f_frsize, facts.f_bfree * facts.f_frsize
    return {"totalBytes": total, "usedBytes": total - free, "availableBytes": facts.f_bavail * facts.f_frsize}
