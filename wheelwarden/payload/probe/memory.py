"""How much memory the container has left: one that runs out of it may be killed as a whole, and proving must never do that."""

from __future__ import annotations

import os

CGROUP = "/sys/fs/cgroup"
RESERVE_SHARE = 20  # an import is ended when less than this part of the container's memory is left: 1/20
RESERVE_BYTES = 8 << 20
UNLIMITED_BYTES = 1 << 60


def is_short_of_memory() -> bool:
    """Whether so little is left that no import may go on."""
    limit, used = memory()
    return limit is not None and limit - used < max(limit // RESERVE_SHARE, RESERVE_BYTES)


def memory() -> tuple[int | None, int]:
    """(limit, used) of the container in bytes, without what the kernel can take back at once; (None, 0) without a limit."""
    for folder, limit, usage, prefix in (
        (CGROUP, "memory.max", "memory.current", ""),
        (CGROUP + "/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_"),
    ):
        try:
            most = _read(folder, limit)
            if not most.isdigit() or int(most) >= UNLIMITED_BYTES:
                return None, 0
            return int(most), int(_read(folder, usage)) - _cached(folder, prefix)
        except (OSError, ValueError):  # noqa: PERF203 - of two rounds
            continue
    return None, 0


def _cached(folder: str, prefix: str) -> int:
    """What the kernel keeps of files, in bytes."""
    lines = (line.partition(" ") for line in _read(folder, "memory.stat").splitlines())
    return sum(int(value) for name, _, value in lines if name in (prefix + "inactive_file", prefix + "active_file"))


def _read(folder: str, name: str) -> str:
    with open(os.path.join(folder, name)) as file:
        return file.read().strip()
