"""Writes wheels (PEP 427) and source distributions (PEP 625): the same input always gives the same bytes."""

import base64
import gzip
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

# The first moment a zip archive can hold.
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)


def write_wheel(
    folder: Path,
    distribution: str,
    version: str,
    files: Mapping[str, bytes],
    *,
    summary: str,
    tag: str = "py3-none-any",
) -> Path:
    """Write `<distribution>-<version>-<tag>.whl` into `folder`; `files` by their paths below site-packages."""
    stem = f"{distribution.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    pure = "true" if tag.endswith("-none-any") else "false"
    contents = dict(files) | {
        f"{info}/METADATA": _describe(distribution, version, summary),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: {pure}\nTag: {tag}\n".encode(),
    }
    record = "".join(f"{name},sha256={_digest(data)},{len(data)}\n" for name, data in sorted(contents.items()))
    contents[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()

    target = folder / f"{stem}-{tag}.whl"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name in sorted(contents, key=lambda name: (name.startswith(info), name)):  # metadata last, as PEP 427 asks
            entry = zipfile.ZipInfo(name, _ZIP_DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o100755 if name.endswith(".so") else 0o100644) << 16
            wheel.writestr(entry, contents[name])
    return target


def write_sdist(folder: Path, distribution: str, version: str, files: Mapping[str, bytes], *, summary: str) -> Path:
    """Write `<distribution>-<version>.tar.gz` into `folder`: `files` by their paths in it, built by setuptools."""
    stem = f"{distribution.replace('-', '_')}-{version}"
    project = (
        '[build-system]\nrequires = ["setuptools>=61"]\nbuild-backend = "setuptools.build_meta"\n\n'
        f'[project]\nname = "{distribution}"\nversion = "{version}"\ndescription = "{summary}"\n'
    )
    contents = dict(files) | {
        "PKG-INFO": _describe(distribution, version, summary),
        "pyproject.toml": project.encode(),
    }
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in sorted(contents):
            entry = tarfile.TarInfo(f"{stem}/{name}")
            entry.size, entry.mode = len(contents[name]), 0o644
            archive.addfile(entry, io.BytesIO(contents[name]))
    target = folder / f"{stem}.tar.gz"
    target.write_bytes(gzip.compress(raw.getvalue(), mtime=0))
    return target


def _describe(distribution: str, version: str, summary: str) -> bytes:
    return f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\nSummary: {summary}\n".encode()


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
