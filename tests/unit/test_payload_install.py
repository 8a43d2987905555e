"""What the installer decides without a volume: the rest is in `tests/payload`."""

import os
import runpy
from importlib import resources
from pathlib import Path

import pytest

INSTALL = runpy.run_path(str(resources.files("wheelwarden.payload") / "install.py"))
is_short, compilers_at_once = INSTALL["is_short"], INSTALL["compilers_at_once"]
GIB = 1 << 30


@pytest.mark.parametrize(
    ("total", "available", "short"),
    [
        (2 * GIB, 1 * GIB, False),
        (2 * GIB, GIB // 4, True),
        (40 * GIB, 8 * GIB, False),
        (40 * GIB, 7 * GIB, True),
        (1000 * GIB, 11 * GIB, False),
        (1000 * GIB, 9 * GIB, True),
    ],
)
def test_a_volume_is_short_with_little_left_and_a_large_one_not_for_its_part_alone(
    total: int, available: int, short: bool
) -> None:
    usage = {"totalBytes": total, "usedBytes": total - available, "availableBytes": available}
    assert is_short(usage) is short


@pytest.mark.parametrize(
    ("processors", "cpu", "memory", "expected"),
    [
        (2, None, None, 2),
        (64, None, None, 8),
        (64, "max 100000", "max", 8),
        (64, "50000 100000", "max", 1),
        (64, "150000 100000", "max", 2),
        (64, "max 100000", str(GIB), 8),
        (64, "max 100000", str(GIB // 4), 4),
        (64, "max 100000", str(GIB // 8), 1),
        (64, "max 100000", str(GIB // 64), 1),
    ],
)
def test_no_more_is_compiled_at_once_than_the_container_carries(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    processors: int,
    cpu: str | None,
    memory: str | None,
    expected: int,
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(processors)))
    for name, content in (("cpu.max", cpu), ("memory.max", memory)):
        if content is not None:
            (tmp_path / name).write_text(content + "\n")
    assert compilers_at_once(str(tmp_path)) == expected


def test_a_volume_that_tells_nothing_is_not_short() -> None:
    assert not is_short(None)
