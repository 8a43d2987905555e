"""The OCI archive that the test images are written as."""

import hashlib
import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.archive import Contents, write_archive


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "tool").write_text("#!/bin/sh\n")
    (folder / "bin" / "tool").chmod(0o755)
    (folder / "bin" / "same").hardlink_to(folder / "bin" / "tool")
    (folder / "bin" / "link").symlink_to("tool")
    (folder / "var" / "log").mkdir(parents=True)
    (folder / "var" / "log" / "build.log").write_text("noise")
    for path in (folder / "bin" / "tool", folder / "var" / "log", folder / "bin"):
        os.utime(path, (2_000_000_000, 2_000_000_000))
    return folder


def write(out: Path, root: Path) -> dict[str, bytes]:
    contents = Contents(
        root=root, command=("tool", "run"), environment=("A=b",), newest=1_000_000_000, emptied=("var/log",)
    )
    write_archive(out, "localhost/thing:1", contents)
    with tarfile.open(out) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]


def blob(files: dict[str, bytes], description: dict[str, Any]) -> bytes:
    algorithm, _, digest = description["digest"].partition(":")
    data = files[f"blobs/{algorithm}/{digest}"]
    assert (hashlib.sha256(data).hexdigest(), len(data)) == (digest, description["size"])
    return data


def test_names_the_image_and_describes_every_blob_truly(tmp_path: Path, root: Path) -> None:
    files = write(tmp_path / "image.tar", root)
    index = json.loads(files["index.json"])
    manifest = json.loads(blob(files, index["manifests"][0]))
    config = json.loads(blob(files, manifest["config"]))
    layer = blob(files, manifest["layers"][0])

    assert index["manifests"][0]["annotations"] == {
        "io.containerd.image.name": "localhost/thing:1",
        "org.opencontainers.image.ref.name": "localhost/thing:1",
    }
    assert json.loads(files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    assert config["config"] == {"Cmd": ["tool", "run"], "Env": ["A=b"]}
    assert config["rootfs"] == {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]}
    assert len(config["history"]) == len(manifest["layers"])


def test_keeps_links_and_modes_and_leaves_out_what_is_emptied(tmp_path: Path, root: Path) -> None:
    files = write(tmp_path / "image.tar", root)
    manifest = json.loads(blob(files, json.loads(files["index.json"])["manifests"][0]))
    with tarfile.open(fileobj=io.BytesIO(blob(files, manifest["layers"][0]))) as layer:
        members = [(member.name, member.type, oct(member.mode), member.linkname) for member in layer]
        newest = max(member.mtime for member in layer)

    assert members == [
        ("bin", tarfile.DIRTYPE, "0o755", ""),
        ("bin/link", tarfile.SYMTYPE, "0o777", "tool"),
        ("bin/same", tarfile.REGTYPE, "0o755", ""),
        ("bin/tool", tarfile.LNKTYPE, "0o755", "bin/same"),
        ("var", tarfile.DIRTYPE, "0o755", ""),
        ("var/log", tarfile.DIRTYPE, "0o755", ""),
    ]
    assert newest == 1_000_000_000


def test_the_same_folder_gives_the_same_bytes(tmp_path: Path, root: Path) -> None:
    write(tmp_path / "first.tar", root)
    os.utime(root / "bin" / "tool")
    write(tmp_path / "second.tar", root)

    assert (tmp_path / "first.tar").read_bytes() == (tmp_path / "second.tar").read_bytes()
