"""Writes an OCI image archive of one layer from a folder, in one pass and always the same bytes for the same folder.

The layout is that of the OCI image specification: `oci-layout`, `index.json`, `blobs/sha256/<digest>`. The layer is
streamed straight into the archive; its name and size, known only at the end, go into the header that was kept free.
"""

import hashlib
import json
import os
import platform
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

_BLOCK = tarfile.BLOCKSIZE
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}  # the names of Go, which the OCI specification uses


@dataclass(frozen=True, kw_only=True, slots=True)
class Contents:
    """What goes into an image: a folder, the command and environment, and what of the folder stays out.

    `emptied` names folders (relative to `root`) that are kept without what is in them. Modification times after
    `newest` (seconds since 1970) are set back to it: those are traces of the build, not of the packages.
    """

    root: Path
    command: tuple[str, ...]
    environment: tuple[str, ...]
    newest: int
    emptied: tuple[str, ...] = ()


def write_archive(out: Path, name: str, contents: Contents) -> None:
    """Write the image `name` (such as `localhost/pause:1`) to `out`, for `ctr images import` and `buildah pull`."""
    with out.open("wb") as stream:
        stream.write(bytes(_BLOCK))
        hashing = _Hashing(stream)
        with tarfile.open(fileobj=hashing, mode="w|", format=tarfile.PAX_FORMAT) as layer:  # type: ignore[call-overload]
            for path, arcname in _walk(contents.root, "", frozenset(contents.emptied)):
                _add(layer, path, arcname, contents.newest)
        layer_digest, layer_size = hashing.digest, hashing.size
        stream.write(bytes(-layer_size % _BLOCK))
        end = stream.tell()
        stream.seek(0)
        stream.write(_header(f"blobs/sha256/{layer_digest}", layer_size))
        stream.seek(end)

        config = _encode(
            {
                "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
                "os": "linux",
                "config": {"Cmd": contents.command, "Env": contents.environment},
                "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer_digest}"]},
                "history": [{"created_by": name}],  # buildah refuses to build on an image without one entry a layer
            }
        )
        manifest = _encode(
            {
                "schemaVersion": 2,
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": _describe("application/vnd.oci.image.config.v1+json", _digest(config), len(config)),
                "layers": [_describe("application/vnd.oci.image.layer.v1.tar", layer_digest, layer_size)],
            }
        )
        # containerd reads the first annotation, buildah and skopeo the second.
        names = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name}
        described = _describe("application/vnd.oci.image.manifest.v1+json", _digest(manifest), len(manifest))
        index = _encode({"schemaVersion": 2, "manifests": [described | {"annotations": names}]})
        for path_in_archive, data in (
            (f"blobs/sha256/{_digest(config)}", config),
            (f"blobs/sha256/{_digest(manifest)}", manifest),
            ("index.json", index),
            ("oci-layout", _encode({"imageLayoutVersion": "1.0.0"})),
        ):
            stream.write(_header(path_in_archive, len(data)) + data + bytes(-len(data) % _BLOCK))
        stream.write(bytes(2 * _BLOCK))


class _Hashing:
    """A file object that only writes: passes on, counts and digests what goes through."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._state = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        self._state.update(data)
        self.size += len(data)
        return self._stream.write(data)

    @property
    def digest(self) -> str:
        return self._state.hexdigest()


def _walk(folder: Path, arcname: str, emptied: frozenset[str]) -> Iterator[tuple[Path, str]]:
    """Every entry below `folder`, parents before children, sorted by name, symbolic links not followed."""
    with os.scandir(folder) as entries:
        listed: Sequence[os.DirEntry[str]] = sorted(entries, key=lambda entry: entry.name)
    for entry in listed:
        inner = f"{arcname}/{entry.name}" if arcname else entry.name
        yield Path(entry.path), inner
        if entry.is_dir(follow_symlinks=False) and inner not in emptied:
            yield from _walk(Path(entry.path), inner, emptied)


def _add(layer: tarfile.TarFile, path: Path, arcname: str, newest: int) -> None:
    if path.is_socket() and not path.is_symlink():  # nothing that an image can hold
        return
    info = layer.gettarinfo(path, arcname)
    info.uname = info.gname = ""
    info.mtime = min(int(info.mtime), newest)
    if info.isreg():
        with path.open("rb") as data:
            layer.addfile(info, data)
    else:
        layer.addfile(info)


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.USTAR_FORMAT)


def _encode(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _digest(data: bytes) -> str:
    return hashlib.file_digest(BytesIO(data), "sha256").hexdigest()


def _describe(media_type: str, digest: str, size: int) -> dict[str, object]:
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": size}
