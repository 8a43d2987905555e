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


# What pip 21 and pip 26 log: a page that was refused, one that is not there, and a build that fails.
OLD_LOG = """\
2026-01-31T10:30:00,001 Could not fetch URL http://one.example.com/simple/six/: connection error: HTTPConnectionPool(\
host='one.example.com', port=80): Max retries exceeded with url: /simple/six/ (Caused by NewConnectionError('<pip._vendor.\
urllib3.connection.HTTPConnection object at 0x7f7e>: Failed to establish a new connection: [Errno 111] Connection \
refused')) - skipping
2026-01-31T10:30:00,002 Could not fetch URL https://two.example.com/simple/six/: 404 Client Error: Not Found for url: \
https://two.example.com/simple/six/ - skipping
2026-01-31T10:30:00,003     Running command python setup.py egg_info
2026-01-31T10:30:00,004     looking for it
2026-01-31T10:30:00,005     no compiler here
2026-01-31T10:30:00,006   Preparing metadata (setup.py): finished with status 'error'
2026-01-31T10:30:00,007 WARNING: Discarding file:///broken. Command errored out with exit status 1
"""
NEW_LOG = """\
2026-01-31T10:30:00,001 Could not fetch URL https://one.example.com/simple/six/: 403 Client Error: Forbidden for url: \
https://one.example.com/simple/six/ - skipping
2026-01-31T10:30:00,003   Running command Getting requirements to build wheel
2026-01-31T10:30:00,004   looking for it
2026-01-31T10:30:00,005   no compiler here
2026-01-31T10:30:00,006   error: subprocess-exited-with-error
2026-01-31T10:30:00,007   exit code: 1
"""
REFUSED = "Failed to establish a new connection: [Errno 111] Connection refused"


@pytest.mark.parametrize(
    ("text", "pages"),
    [
        (OLD_LOG, [("http://one.example.com/simple/six/", REFUSED)]),
        (NEW_LOG, [("https://one.example.com/simple/six/", "403 Client Error: Forbidden")]),
        ("", []),
    ],
)
def test_the_log_of_pip_tells_what_its_output_does_not(text: str, pages: list[tuple[str, str]]) -> None:
    log = INSTALL["PipLog"]()
    with Path(log.path).open("a") as stream:
        stream.write(text)
    assert log.failed_pages() == pages
    assert log.output_of_build() == (["looking for it", "no compiler here"] if text else [])
