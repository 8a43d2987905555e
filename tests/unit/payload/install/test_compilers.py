"""The number of compiler processes."""

import os
from pathlib import Path

import pytest

from wheelwarden.payload.install.compilers import compilers_at_once

GIB = 1 << 30


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
def test_the_number_of_compilers_respects_cpus_and_container_limits(
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
