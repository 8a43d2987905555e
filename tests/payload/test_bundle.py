"""A bundle on real interpreters: as a file and as an argument, and its tracebacks."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.cluster import foreign_pythons
from tests.payload.test_probe import DEBIAN
from wheelwarden.payload import bundle
from wheelwarden.payload.bundler import pack

MODULES = {
    "outer": ("bundle:outer/__init__.py", ""),
    "outer.inner": (
        "bundle:outer/inner.py",
        '"""About it."""\n\n\ndef work():\n    raise ValueError("on purpose")  # why\n',
    ),
    "start": ("bundle:start.py", "from outer.inner import work\n\n\ndef main():\n    return work()\n"),
}
TRACEBACK = """\
  File "bundle:start.py", line 5, in main
    return work()
"""
INNERMOST = """\
  File "bundle:outer/inner.py", line 5, in work
    raise ValueError("on purpose")
ValueError: on purpose
"""


@pytest.fixture(params=["3.8", DEBIAN, sys.executable])
def python(request: pytest.FixtureRequest) -> str:
    if request.param != "3.8":
        return str(request.param)
    try:
        return str(foreign_pythons.find_python("3.8"))
    except foreign_pythons.NotToBeHadError as error:
        pytest.skip(f"the bundle was not run on Python 3.8: {error}")


@pytest.fixture(params=["file", "argument"])
def words(request: pytest.FixtureRequest, tmp_path: Path) -> Sequence[str]:
    text = pack("start", MODULES)
    if request.param == "argument":
        return ["-I", "-c", text]
    (tmp_path / "program.py").write_text(text)
    return ["-I", str(tmp_path / "program.py")]


def run(python: str, words: Sequence[str], folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([python, *words], cwd=folder, env={}, capture_output=True, text=True, check=False)


def without_carets(text: str) -> str:
    """The traceback without the `^^^` lines that newer interpreters add."""
    return "".join(line for line in text.splitlines(keepends=True) if line.strip(" ~^\n"))


def test_a_traceback_shows_lines_of_source_and_nothing_is_written(
    python: str, words: Sequence[str], tmp_path: Path
) -> None:
    # A real file with the path of a bundled module must not appear in the traceback.
    (tmp_path / "outer").mkdir()
    (tmp_path / "outer" / "inner.py").write_text("raise SystemExit('a stranger')\n" * 9)
    before = sorted(tmp_path.rglob("*"))
    done = run(python, words, tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    traceback = without_carets(done.stderr)
    assert traceback.startswith("Traceback (most recent call last):\n")
    assert traceback.endswith(TRACEBACK + INNERMOST)
    assert sorted(tmp_path.rglob("*")) == before


def test_the_file_in_the_image_and_the_inline_argument_are_the_same_text() -> None:
    argv = [sys.executable, "-m", "wheelwarden.payload", "install"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == (bundle("install"), "")
