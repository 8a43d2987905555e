"""What the packages that the tests build themselves do when they are installed and imported for real."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import artifacts, index, natives, packages
from tests.cluster.interpreter import DISTRIBUTION

UV = Path(sys.executable).with_name("uv")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[index.RunningIndex]:
    folder = packages.prepare(artifacts.CACHE)
    started = index.start(folder, "127.0.0.1", tmp_path_factory.mktemp("index"), open_port=0, private_port=0)
    yield started
    started.stop()


def run_after_install(running: index.RunningIndex, site: Path, wanted: str, code: str) -> tuple[int, str]:
    """Install `wanted` for the distribution's interpreter, then run `code` there: exit code, last line said."""
    quiet = ("--quiet", "--no-cache", "--no-config")
    where = ("--python", DISTRIBUTION, "--target", site, "--default-index", running.open_url)
    subprocess.run([UV, "pip", "install", *quiet, *where, wanted], check=True)
    begin = f"import sys; sys.path.insert(0, {str(site)!r}); "
    done = subprocess.run([DISTRIBUTION, "-I", "-c", begin + code], capture_output=True, text=True, check=False)
    said = (done.stdout + done.stderr).strip().splitlines()
    return done.returncode, said[-1] if said else ""


@pytest.mark.parametrize(
    ("wanted", "code", "said"),
    [
        ("ww-broken==1.1", "import ww_broken; print(ww_broken.__version__)", "1.1"),
        ("ww-versions==1.0", "import ww_versions; print(ww_versions.__version__)", "1.0"),
        ("ww-versions", "import ww_versions; print(ww_versions.__version__)", "2.0"),
        ("ww-twoface", "import twoface_import; print(twoface_import.face)", "the other one"),
        ("ww-sdist", "import ww_sdist; print(ww_sdist.built)", "from source"),
        ("ww-native", "import ww_native; print(ww_native.answer())", "42"),
        ("ww-slow", "import ww_slow; print('slept')", "slept"),
        ("numpy", "import numpy; print(numpy.arange(4).sum())", "6"),
        ("six==1.16.0", "import six; print(six.__version__)", "1.16.0"),
    ],
)
def test_these_work(running: index.RunningIndex, tmp_path: Path, wanted: str, code: str, said: str) -> None:
    assert run_after_install(running, tmp_path, wanted, code) == (0, said)


@pytest.mark.parametrize(
    ("wanted", "module", "error"),
    [
        ("ww-broken==1.0", "ww_broken", "RuntimeError: ww-broken 1.0 cannot be imported; 1.1 is mended"),
        ("ww-twoface", "ww_twoface", "ModuleNotFoundError: No module named 'ww_twoface'"),
        ("ww-needs-missing", "ww_needs_missing", "ModuleNotFoundError: No module named 'ww_nowhere'"),
        (
            "ww-libmissing",
            "ww_libmissing",
            f"ImportError: {natives.ABSENT_LIBRARY}: cannot open shared object file: No such file or directory",
        ),
    ],
)
def test_these_fail_with_one_clear_line(
    running: index.RunningIndex, tmp_path: Path, wanted: str, module: str, error: str
) -> None:
    assert run_after_install(running, tmp_path, wanted, f"import {module}") == (1, error)


@pytest.mark.parametrize(
    ("wanted", "module", "part"),
    [
        ("ww-circular", "ww_circular", "(most likely due to a circular import)"),
        ("ww-undefined", "ww_undefined", f"undefined symbol: {natives.ABSENT_SYMBOL}"),
    ],
)
def test_these_fail_with_a_line_that_names_a_path_too(
    running: index.RunningIndex, tmp_path: Path, wanted: str, module: str, part: str
) -> None:
    code, said = run_after_install(running, tmp_path, wanted, f"import {module}")

    assert (code, said.startswith("ImportError: "), part in said) == (1, True, True), said
