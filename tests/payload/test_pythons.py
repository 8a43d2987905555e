"""The payloads on the oldest and the newest interpreter, and on one with musl in an otherwise empty image.

Tests on an interpreter that is not available are skipped with the reason. The grammar of 3.8 is always checked.
"""

import ast
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster import artifacts, foreign_pythons
from tests.payload.conftest import Object, Pod, index_of, make_wheel, mount_sized, unmount
from tests.payload.faults import FAULTS, HEALTHY
from tests.payload.test_probe import ask, outcome, probe
from tests.payload.test_reliability import failed, run, write
from wheelwarden.payload import bundle
from wheelwarden.payload.bundler import modules_of, strip
from wheelwarden.verify.reliability import CHECKS

MAKERS: dict[str, Callable[[], Path]] = {
    "3.8": lambda: foreign_pythons.find_python("3.8"),
    "3.14": lambda: foreign_pythons.prepare_newest(artifacts.CACHE),
    "musl": lambda: foreign_pythons.prepare_musl(artifacts.CACHE),
}


@pytest.fixture(scope="module", params=MAKERS)
def python(request: pytest.FixtureRequest) -> str:
    try:
        return str(MAKERS[request.param]())
    except foreign_pythons.NotToBeHadError as error:
        pytest.skip(f"the payloads were not run on Python {request.param}: {error}")


@pytest.fixture
def foreign_pod(tmp_path: Path, python: str) -> Iterator[Pod]:
    """A pod whose image has this interpreter."""
    store = tmp_path / "store"
    store.mkdir()
    mount_sized(store, 4 << 30)
    try:
        yield Pod(store=store, view=tmp_path / "pod-0", python=python)
    finally:
        unmount(store)


PROGRAMS = ("install", "probe", "reliability")
SOURCES = {
    path: source
    for program in PROGRAMS
    for path, source in modules_of(f"wheelwarden.payload.{program}.__main__").values()
    if source  # the parent packages are empty
}


@pytest.mark.parametrize("text", [*map(bundle, PROGRAMS), *SOURCES.values(), *map(strip, SOURCES.values())])
def test_every_program_is_python_3_8(text: str) -> None:
    assert ast.parse(text, feature_version=(3, 8)).body


def test_each_interpreter_has_the_version_or_libc_of_its_name(python: str, request: pytest.FixtureRequest) -> None:
    question = "import os, sys; print('%d.%d' % sys.version_info[:2], 'CS_GNU_LIBC_VERSION' in os.confstr_names)"
    question += "; print(any(name.startswith('ld-musl') for name in os.listdir('/lib')))"
    done = subprocess.run([python, "-I", "-c", question], capture_output=True, text=True, check=True)
    version, _, musl = done.stdout.split()
    wanted = request.node.callspec.params["python"]
    assert musl == "True" if wanted == "musl" else version == wanted


@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_packages_are_installed_and_reused(foreign_pod: Pod, open_index: Object, installer: str) -> None:
    uv = str(foreign_pythons.prepare_static_uv(artifacts.CACHE))
    ask_for = foreign_pod.request("six==1.16.0", "ww-twoface", installer=installer, uv=uv, **open_index)
    ended = foreign_pod.install(ask_for, inline=True)
    assert (ended.code, ended.result["outcome"], ended.result["error"]) == (0, "installed", None), ended.output
    assert ended.result["installed"] == ["six==1.16.0", "ww-twoface==1.0"]
    assert list((foreign_pod.view / "site-packages").rglob("six.*.pyc"))
    second = Pod(python=foreign_pod.python, store=foreign_pod.store, view=foreign_pod.view.with_name("pod-1"))
    assert second.install(ask_for | {"view": str(second.view)}, inline=True).result["outcome"] == "reused"
    report = probe(ask(second.view / "site-packages", "six", "six:moves", "nope"), python=foreign_pod.python)
    assert outcome(report) == {"six": "ok", "six:moves": "ok", "nope": "ModuleNotFound"}
    assert report.results[0].file == str(second.view / "site-packages" / "six.py")


def test_a_healthy_package_passes_every_check(python: str, tmp_path: Path) -> None:
    write(tmp_path, HEALTHY)
    found = run(tmp_path, "healthy:answer", "json:dumps", "healthy.inner:answer", python=python, rounds=1)
    assert failed(found) == {}
    assert {check for check, _ in found} == set(CHECKS)


@pytest.mark.parametrize(
    "name", ["cycle of three", "two classes of one name", "module of a package", "dies", "now and then"]
)
def test_faults_are_found(python: str, name: str, tmp_path: Path) -> None:
    fault = FAULTS[name]
    write(tmp_path, fault.files)
    found = failed(run(tmp_path, *fault.modules, checks=fault.checks, python=python, **fault.options))
    assert set(found) == set(fault.found)


@pytest.fixture
def manylinux_index(tmp_path: Path, python: str) -> Iterator[Object]:
    """An index whose only wheel of `compiled` is for glibc."""
    folder = tmp_path / "wheels"
    make_wheel(folder, "compiled")
    [wheel] = folder.glob("*.whl")
    done = subprocess.run([python, "-I", "-c", "import sys; print('cp%d%d' % sys.version_info[:2])"],
                          capture_output=True, text=True, check=True)  # fmt: skip
    tag = done.stdout.strip()
    wheel.rename(folder / f"compiled-1.0-{tag}-{tag}-manylinux_2_17_{os.uname().machine}.whl")
    with index_of(folder) as named:
        yield named


@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_a_wheel_for_glibc_is_not_installed_on_musl(
    foreign_pod: Pod, manylinux_index: Object, installer: str, request: pytest.FixtureRequest
) -> None:
    uv = str(foreign_pythons.prepare_static_uv(artifacts.CACHE))
    ended = foreign_pod.install(
        foreign_pod.request("compiled", installer=installer, uv=uv, **manylinux_index), inline=True
    )
    if request.node.callspec.params["python"] == "musl":
        assert (ended.code, ended.result["outcome"]) == (1, "failed")
        # pip only reports that there is no version.
        assert ended.result["error"]["class"] == {"uv": "python_incompatible", "pip": "package_not_found"}[installer]
    else:
        assert (ended.code, ended.result["installed"]) == (0, ["compiled==1.0"]), ended.output


def test_a_module_compiled_for_glibc_is_incompatible_on_musl(python: str, tmp_path: Path) -> None:
    """The file name has the C library, so the interpreter ignores the file."""
    (tmp_path / f"compiled.cpython-311-{os.uname().machine}-linux-gnu.so").write_bytes(b"\x7fELF")
    assert outcome(probe(ask(tmp_path, "compiled"), python=python)) == {"compiled": "IncompatibleBinary"}
