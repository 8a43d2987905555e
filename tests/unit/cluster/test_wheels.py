"""The small packages that the tests build themselves."""

import csv
import hashlib
import io
import tarfile
import zipfile
from base64 import urlsafe_b64encode
from pathlib import Path

from tests.cluster.packages import write_samples
from tests.cluster.wheels import write_sdist, write_wheel


def test_a_wheel_records_every_file_with_its_digest(tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path, "ww-thing", "1.0", {"thing/__init__.py": b"x = 1\n"}, summary="a thing")

    assert wheel.name == "ww_thing-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    record = list(csv.reader(io.StringIO(files["ww_thing-1.0.dist-info/RECORD"].decode())))
    expected = [
        [name, f"sha256={urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()}", str(len(data))]
        for name, data in files.items()
        if not name.endswith("RECORD")
    ]
    assert sorted(record) == sorted([*expected, ["ww_thing-1.0.dist-info/RECORD", "", ""]])
    assert files["ww_thing-1.0.dist-info/METADATA"] == (
        b"Metadata-Version: 2.1\nName: ww-thing\nVersion: 1.0\nSummary: a thing\n"
    )
    assert list(files) == [
        "thing/__init__.py",
        "ww_thing-1.0.dist-info/METADATA",
        "ww_thing-1.0.dist-info/RECORD",
        "ww_thing-1.0.dist-info/WHEEL",
    ]


def test_a_compiled_wheel_says_so(tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path, "ww-c", "1.0", {"ww_c.so": b"\x7fELF"}, summary="c", tag="cp311-cp311-linux_x86_64")

    with zipfile.ZipFile(wheel) as archive:
        about = archive.read("ww_c-1.0.dist-info/WHEEL").decode()
    assert about == ("Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: false\nTag: cp311-cp311-linux_x86_64\n")


def test_a_source_distribution_has_one_folder_with_its_project_file(tmp_path: Path) -> None:
    sdist = write_sdist(tmp_path, "ww-source", "1.0", {"ww_source/__init__.py": b""}, summary="from source")

    with tarfile.open(sdist) as archive:
        names = archive.getnames()
    assert (sdist.name, names) == (
        "ww_source-1.0.tar.gz",
        ["ww_source-1.0/PKG-INFO", "ww_source-1.0/pyproject.toml", "ww_source-1.0/ww_source/__init__.py"],
    )


def test_made_twice_they_are_the_same_bytes(tmp_path: Path) -> None:
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()
        write_samples(folder)

    first, second = ({path.name: path.read_bytes() for path in folder.iterdir()} for folder in folders)
    assert first == second
