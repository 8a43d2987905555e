"""Bytecode: compiled once, from the source next to it, and as early as possible."""

import marshal
import subprocess
from pathlib import Path

import pytest

from tests.payload.conftest import Object, Pod, index_of, make_wheel


def compiled(site_packages: Path) -> dict[str, tuple[int, bytes]]:
    """`{module: (inode, flags)}` of the bytecode files; flags as in PEP 552."""
    return {
        path.name.split(".")[0]: (path.stat().st_ino, path.read_bytes()[4:8]) for path in site_packages.rglob("*.pyc")
    }


def printed(pod: Pod, site_packages: Path, code: str) -> list[str]:
    """The words that the code prints with these packages on the path."""
    argv, environment = [pod.python, "-c", code], {"PYTHONPATH": str(site_packages)}
    return subprocess.run(argv, env=environment, capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_bytecode_is_compiled_once_for_all_sets_and_never_checked_again(
    pod: Pod, open_index: Object, installer: str
) -> None:
    first = pod.install(pod.request("six", hash="a" * 16, installer=installer, **open_index))
    other = Pod(python=pod.python, store=pod.store, view=pod.view.with_name("pod-1"))
    second = other.install(other.request("six", "ww-twoface", hash="b" * 16, installer=installer, **open_index))
    old = compiled(pod.store / first.result["key"] / "site-packages")
    new = compiled(pod.store / second.result["key"] / "site-packages")
    assert old["six"] == new["six"]
    assert {flags for _, flags in new.values()} == {b"\x01\x00\x00\x00"}
    assert "six" in new


def test_cached_bytecode_of_another_version_is_not_used(pod: Pod, open_index: Object) -> None:
    pod.install(pod.request("six==1.16.0", hash="a" * 16, **open_index))
    ended = pod.install(pod.request("six==1.17.0", hash="b" * 16, **open_index))
    site = pod.store / ended.result["key"] / "site-packages"
    version, cached = printed(pod, site, "import six; print(six.__version__, six.__cached__)")
    assert version == "1.17.0"
    assert Path(cached).exists()


def test_bytecode_that_cannot_be_cached_or_compiled_does_not_stop_the_installation(
    pod: Pod, open_index: Object
) -> None:
    (pod.store / ".wheelwarden").mkdir()
    (pod.store / ".wheelwarden" / "bytecode").write_text("in the way")
    ended = pod.install(pod.request("ww-broken==1.0", "six", **open_index))
    assert (ended.code, ended.result["outcome"]) == (0, "installed")
    assert "six" in compiled(pod.store / ended.result["key"] / "site-packages")


@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_bytecode_matches_its_source_when_packages_contain_the_same_file(
    pod: Pod, tmp_path: Path, installer: str
) -> None:
    for name in ("one", "two"):
        modules = {"ww_both/common.py": f"brought_by = '{name}'\n", f"ww_both/{name}.py": ""}
        make_wheel(tmp_path / "wheels", f"ww_{name}", modules)
    with index_of(tmp_path / "wheels") as where:
        for number, packages in enumerate([("ww-one", "ww-two"), ("ww-two",), ("ww-one",), ("ww-one", "ww-two")]):
            ended = pod.install(pod.request(*packages, hash=str(number) * 16, installer=installer, **where))
            site = pod.store / ended.result["key"] / "site-packages"
            brought_by, cached = printed(
                pod, site, "from ww_both import common; print(common.brought_by, common.__cached__)"
            )
            assert (site / "ww_both" / "common.py").read_text() == f"brought_by = '{brought_by}'\n"
            assert Path(cached).exists()


def test_unpacked_wheels_are_compiled_while_uv_still_runs(pod: Pod, open_index: Object) -> None:
    ended = pod.install(pod.request("requests", **open_index))
    folder = pod.store / ended.result["key"]
    bytecode = list(folder.rglob("*.pyc"))
    origins = {marshal.loads(path.read_bytes()[16:]).co_filename for path in bytecode}
    assert len(origins) == len(bytecode) > 50
    assert {"archive-v" in origin for origin in origins} == {True}
    assert {path.name for path in folder.iterdir()} == {"site-packages", "record.json"}
