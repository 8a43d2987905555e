"""Reads the metadata of installed distributions: their modules, and whether their files are unchanged."""

from __future__ import annotations

import os
import sys

from wheelwarden.payload.common.distributions import normalised, split_metadata_name

TYPE_CHECKING = False  # a probe does not load `typing`
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

INSPECTED_FILES = 500  # of one distribution: enough to distinguish versions, and quick to read


def derive(distributions: Sequence[str], search_path: str) -> list[str]:
    """The modules of these distributions, from their metadata: top_level.txt, else RECORD.

    Raises:
        OSError: the search path cannot be read. An empty list would look like packages without modules.
    """
    wanted = {normalised(name) for name in distributions}
    found: list[str] = []
    for folder in folders(search_path):
        for distribution, _version, metadata in metadata_in(folder, search_path):
            if distribution in wanted:
                wanted.discard(distribution)
                found += [module for module in modules_of(metadata) if module not in found]
    return found


def folders(search_path: str) -> list[str]:
    """The search path, then the folders of sys.path: packages that the image already provided were not installed."""
    image = [entry for entry in sys.path if entry != search_path and os.path.isdir(entry)]
    return [search_path, *image] if search_path else image


def metadata_in(folder: str, search_path: str) -> list[tuple[str, str, str]]:
    """(normalised name, version, path) of each distribution in a folder. Raises OSError for the search path only."""
    try:
        listed = sorted(os.listdir(folder))
    except OSError:
        if folder == search_path:
            raise
        listed = []
    found = []
    for name in listed:
        distribution = split_metadata_name(name)
        if distribution:
            found.append((*distribution, os.path.join(folder, name)))
    return found


def inspect(name: str, search_path: str) -> dict[str, Any]:
    """The versions of a distribution in the first folder that has it, each with whether the files belong to it.

    An installer that does not clean up leaves the metadata of several versions and the files of one.
    """
    for folder in folders(search_path):
        try:
            found = [entry for entry in metadata_in(folder, search_path) if entry[0] == normalised(name)]
        except OSError:
            found = []
        if found:
            versions = [{"version": version, "intact": is_intact(path, folder)} for _, version, path in found]
            return {"name": name, "found": versions}
    return {"name": name, "found": []}


def is_intact(metadata: str, folder: str) -> bool | None:
    """Whether the files match their digests in RECORD; None if RECORD has no digests."""
    import csv

    checked = 0
    for row in csv.reader(lines_of(os.path.join(metadata, "RECORD"))):
        if len(row) < 2 or not row[1].startswith("sha256=") or row[0].startswith(("..", "/")):
            continue
        if checked >= INSPECTED_FILES or row[0].split("/")[0] == os.path.basename(metadata):
            continue
        checked += 1
        if digest_of(os.path.join(folder, row[0])) != row[1][len("sha256=") :]:
            return False
    return True if checked else None


def digest_of(path: str) -> str | None:
    """The SHA-256 digest of a file in the form of RECORD (PEP 427); None if the file cannot be read."""
    import base64
    import hashlib

    try:
        with open(path, "rb") as file:
            digest = hashlib.sha256(file.read()).digest()
    except OSError:
        return None
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def modules_of(metadata: str) -> list[str]:
    """The importable top-level modules of one distribution; private ones only if it has no others."""
    from keyword import iskeyword

    modules = lines_of(os.path.join(metadata, "top_level.txt")) or modules_of_record(metadata)
    usable = [name for name in modules if all(part.isidentifier() and not iskeyword(part) for part in name.split("."))]
    return [name for name in usable if not name.startswith("_")] or usable


def modules_of_record(metadata: str) -> list[str]:
    """The top-level modules of one distribution, from the files in RECORD."""
    import csv

    modules: list[str] = []
    for row in csv.reader(lines_of(os.path.join(metadata, "RECORD"))):
        parts = row[0].split("/") if row else [""]
        if (
            not parts[-1].endswith((".py", ".so"))
            or parts[0].endswith((".dist-info", ".data"))
            or parts[0] in ("..", "bin")
        ):
            continue
        stem = parts[-1].split(".")[0]
        if len(parts) == 1:
            modules.append(stem)
        elif stem == "__init__" and not any(other in modules for other in prefixes(parts[:-1])):
            modules.append(".".join(parts[:-1]))
    # A package inside another package is left out, because its parent covers it. A namespace package is not in the list.
    packages = set(modules)
    return [name for name in dict.fromkeys(modules) if not any(p in packages for p in prefixes(name.split("."))[:-1])]


def prefixes(parts: Sequence[str]) -> list[str]:
    """All prefixes, dotted: `a`, `a.b`, `a.b.c`."""
    return [".".join(parts[: index + 1]) for index in range(len(parts))]


def lines_of(path: str) -> list[str]:
    """The lines that are not empty; an empty list if the file cannot be read."""
    try:
        with open(path, encoding="utf-8") as file:
            return [line.strip() for line in file if line.strip()]
    except (OSError, UnicodeDecodeError):
        return []
