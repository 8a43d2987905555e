"""How much memory the container has left. An import check must not get the container OOM-killed."""

from __future__ import annotations

import os

CGROUP = "/sys/fs/cgroup"
RESERVE_SHARE = 20  # imports are killed when less than 1/20 of the container's memory is left
RESERVE_BYTES = 8 << 20
UNLIMITED_BYTES = 1 << 60


def is_short_of_memory() -> bool:
    """Whether too little memory is left to continue an import."""
    limit, used = memory()
    return limit is not None and limit - used < max(limit // RESERVE_SHARE, RESERVE_BYTES)


def memory() -> tuple[int | None, int]:
    """(limit, used) of the container in bytes, without the file cache, which can be reclaimed; (None, 0) without a limit."""
    for folder, limit, usage, prefix in (
        (CGROUP, "memory.max", "memory.current", ""),
        (CGROUP + "/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_"),
    ):
        try:
            most = _read(folder, limit)
            if not most.isdigit() or int(most) >= UNLIMITED_BYTES:
                return None, 0
            return int(most), int(_read(folder, usage)) - _cached(folder, prefix)
        except (OSError, ValueError):  # noqa: PERF203 - only two iterations
            continue
    return None, 0


def _cached(folder: str, prefix: str) -> int:
    """The size of the file cache in bytes."""
    lines = (line.partition(" ") for line in _read(folder, "memory.stat").splitlines())
    return sum(int(value) for name, _, value in lines if name in (prefix + "inactive_file", prefix + "active_file"))


def _read(folder: str, name: str) -> str:
    with open(os.path.join(folder, name)) as file:
        return file.read().strip()
