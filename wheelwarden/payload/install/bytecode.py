"""Bytecode of a set: compiled during the installation, linked from the store's bytecode cache, or compiled at the end.

A set never changes, so bytecode is not checked against its source at import (PEP 552, unchecked hash). A store that is large
enough for uv's cache also caches the bytecode of each distribution. Files are hard links, so each takes its space once.
"""

from __future__ import annotations

import csv
import glob
import hashlib
import importlib.util
import os
import sys
import threading
from typing import Collection, Iterator, Sequence

from wheelwarden.payload.common.distributions import normalised
from wheelwarden.payload.install.compilers import Compilers
from wheelwarden.payload.install.files import link_or_copy, make_shared_folder, remove_file, remove_tree
from wheelwarden.payload.install.store import Store

POLL_SECONDS = 0.02


def compile_set(store: Store, target: str, ahead: str, deadline: float) -> None:
    """Byte-compiles the sources in `target` whose bytecode is neither in `ahead` nor in the cache."""
    cache = store.bytecode if store.has_room_for_caches() else None
    if cache:
        make_shared_folder(cache, 0o1777)
    sources = sources_by_distribution(target)
    unowned, pending, uncached = sources.pop("", []), [], []
    for name, files in sorted(sources.items()):
        entry = cache and os.path.join(cache, digest_of(target, name, files))
        if entry and os.path.isdir(entry):
            pending += [
                path for path in files if not link_or_copy(cached_path(entry, path), bytecode_path(target, path))
            ]
            continue
        pending += move_bytecode(os.path.join(ahead, name), target, files)
        if entry:
            uncached.append((entry, files))
    for path in unowned:
        remove_file(bytecode_path(target, path))  # it may come from a moved folder and belong to another source
        pending.append(path)
    compilers = Compilers((os.path.join(target, path), bytecode_path(target, path)) for path in pending)
    compilers.finish(deadline)
    compilers.end()
    for entry, files in uncached:
        keep_bytecode(target, files, entry)


def archives_of(cache: str) -> set[str]:
    """The folders of unpacked wheels in uv's cache. A wheel is complete as soon as its folder exists."""
    return set(glob.glob(os.path.join(glob.escape(cache), "archive-v*", "*")))


def unpacked_sources(
    cache: str, known: set[str], wanted: Collection[str], ahead: str, ended: threading.Event
) -> Iterator[tuple[str, str]]:
    """Yields (source, path for its bytecode) of wanted wheels that appear in uv's cache and are not `known`, until `ended`."""
    last = False
    while not last:
        last = ended.is_set()
        found = archives_of(cache) - known
        known = known | found
        for folder in sorted(found):
            names = [name for name in os.listdir(folder) if name.endswith(".dist-info")]
            if len(names) == 1 and normalised(names[0].partition("-")[0]) in wanted:
                for path in sources_below(folder):
                    yield os.path.join(folder, path), bytecode_path(os.path.join(ahead, names[0]), path)
        ended.wait(POLL_SECONDS)


def move_bytecode(ahead: str, target: str, files: Sequence[str]) -> list[str]:
    """Moves bytecode from `ahead` to `target`, folder by folder. Returns the files that still have none."""
    moved = {
        folder
        for folder in {os.path.dirname(path) for path in files}
        if _move_folder(os.path.join(ahead, folder, "__pycache__"), os.path.join(target, folder, "__pycache__"))
    }
    return [
        path for path in files if os.path.dirname(path) not in moved or not os.path.exists(bytecode_path(target, path))
    ]


def _move_folder(source: str, target: str) -> bool:
    """Moves a folder. Returns False if it does not exist, or the target already has bytecode of another distribution."""
    try:
        os.rename(source, target)
    except OSError:
        return False
    return True


def sources_by_distribution(target: str) -> dict[str, list[str]]:
    """`{metadata folder: paths}` of the Python sources below target; "" for those of no or of several distributions."""
    owners: dict[str, str] = {}
    for name in sorted(os.listdir(target)):
        if name.endswith(".dist-info"):
            for path in _recorded(os.path.join(target, name, "RECORD")):
                owners[path] = name if path not in owners else ""
    found: dict[str, list[str]] = {}
    for path in sources_below(target):
        found.setdefault(owners.get(path, ""), []).append(path)
    return found


def _recorded(record: str) -> Iterator[str]:
    """The paths in a RECORD file (PEP 376), up to the first error."""
    try:
        with open(record, encoding="utf-8", newline="") as file:
            yield from (row[0] for row in csv.reader(file) if row)
    except (OSError, ValueError, csv.Error):
        pass


def sources_below(target: str) -> Iterator[str]:
    """The Python sources below target, without tests: they are rarely imported, and half of some packages."""
    for folder, folders, files in os.walk(target):
        folders[:] = sorted(name for name in folders if name not in ("test", "tests", "__pycache__"))
        for name in sorted(files):
            path = os.path.relpath(os.path.join(folder, name), target)
            if name.endswith(".py") and "\n" not in path:
                yield path


def digest_of(target: str, name: str, files: Sequence[str]) -> str:
    """A digest of what determines the bytecode of a distribution: RECORD, paths and sizes of its files, and the interpreter."""
    digest = hashlib.sha256(importlib.util.MAGIC_NUMBER + (sys.implementation.cache_tag or "").encode())
    with open(os.path.join(target, name, "RECORD"), "rb") as file:
        digest.update(file.read())
    for path in files:
        digest.update(f"{path} {os.stat(os.path.join(target, path)).st_size}\n".encode())
    return digest.hexdigest()


def bytecode_path(target: str, path: str) -> str:
    """The path where Python expects the bytecode of a source (PEP 3147)."""
    return importlib.util.cache_from_source(os.path.join(target, path))


def cached_path(entry: str, path: str) -> str:
    """The path of the bytecode of a source in an entry of the cache."""
    return os.path.join(entry, path + "c")


def keep_bytecode(target: str, files: Sequence[str], entry: str) -> None:
    """Adds bytecode to the cache, for later sets. After a failure those compile it again."""
    staged = f"{entry}.{os.getpid()}"
    try:
        for path in files:
            source = bytecode_path(target, path)
            if os.path.exists(source) and not link_or_copy(source, cached_path(staged, path)):
                return
        os.rename(staged, entry)
    except OSError:
        pass  # no space, or another installer was faster
    finally:
        remove_tree(staged)
