"""Bytecode of a set: compiled ahead, taken from a set that held the very same distribution, or compiled now.

Nothing in a set ever changes, so bytecode is not checked against its source at import (PEP 552). It is kept by distribution
where uv's cache is kept too; a file is linked, so it costs its space once.
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
    """Byte-compiles what was installed into `target` and is neither `ahead` nor kept in the store."""
    kept = store.bytecode if store.has_room_for_caches() else None
    if kept:
        make_shared_folder(kept, 0o1777)
    sources = sources_by_distribution(target)
    nobodys, waiting, fresh = sources.pop("", []), [], []
    for name, files in sorted(sources.items()):
        place = kept and os.path.join(kept, digest_of(target, name, files))
        if place and os.path.isdir(place):
            waiting += [path for path in files if not link_or_copy(bytecode_in(place, path), bytecode_of(target, path))]
            continue
        waiting += take_bytecode(os.path.join(ahead, name), target, files)
        if place:
            fresh.append((place, files))
    for path in nobodys:
        remove_file(bytecode_of(target, path))  # it may have come with a folder, of another's source
        waiting.append(path)
    compilers = Compilers((os.path.join(target, path), bytecode_of(target, path)) for path in waiting)
    compilers.finish(deadline)
    compilers.end()
    for place, files in fresh:
        keep_bytecode(target, files, place)


def archives_of(cache: str) -> set[str]:
    """The folders of uv's cache that hold an unpacked wheel each; a wheel is whole from the moment that its folder is there."""
    return set(glob.glob(os.path.join(glob.escape(cache), "archive-v*", "*")))


def unpacked_sources(
    cache: str, known: set[str], wanted: Collection[str], ahead: str, ended: threading.Event
) -> Iterator[tuple[str, str]]:
    """(source, place for its bytecode) of the wheels wanted that come to uv's cache beside the known ones, until `ended`."""
    last = False
    while not last:
        last = ended.is_set()
        found = archives_of(cache) - known
        known = known | found
        for folder in sorted(found):
            names = [name for name in os.listdir(folder) if name.endswith(".dist-info")]
            if len(names) == 1 and normalised(names[0].partition("-")[0]) in wanted:
                for path in sources_below(folder):
                    yield os.path.join(folder, path), bytecode_of(os.path.join(ahead, names[0]), path)
        ended.wait(POLL_SECONDS)


def take_bytecode(ahead: str, target: str, files: Sequence[str]) -> list[str]:
    """Moves what was compiled ahead into its place, folder by folder; returns the files that have none yet."""
    taken = {
        folder
        for folder in {os.path.dirname(path) for path in files}
        if _was_moved(os.path.join(ahead, folder, "__pycache__"), os.path.join(target, folder, "__pycache__"))
    }
    return [
        path for path in files if os.path.dirname(path) not in taken or not os.path.exists(bytecode_of(target, path))
    ]


def _was_moved(source: str, target: str) -> bool:
    """False where there is nothing to move, or others' bytecode is there already."""
    try:
        os.rename(source, target)
    except OSError:
        return False
    return True


def sources_by_distribution(target: str) -> dict[str, list[str]]:
    """`{metadata folder: paths}` of the Python sources below target, by who brought them; "" for nobody's, or for several's."""
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
    """The paths that a RECORD lists, as far as it can be read (PEP 376)."""
    try:
        with open(record, encoding="utf-8", newline="") as file:
            yield from (row[0] for row in csv.reader(file) if row)
    except (OSError, ValueError, csv.Error):
        pass


def sources_below(target: str) -> Iterator[str]:
    """The Python sources below target. Without tests: few import them, and they are half of some packages."""
    for folder, folders, files in os.walk(target):
        folders[:] = sorted(name for name in folders if name not in ("test", "tests", "__pycache__"))
        for name in sorted(files):
            path = os.path.relpath(os.path.join(folder, name), target)
            if name.endswith(".py") and "\n" not in path:
                yield path


def digest_of(target: str, name: str, files: Sequence[str]) -> str:
    """What the bytecode of a distribution depends on: its files, as its metadata and their sizes tell, and the interpreter."""
    digest = hashlib.sha256(importlib.util.MAGIC_NUMBER + (sys.implementation.cache_tag or "").encode())
    with open(os.path.join(target, name, "RECORD"), "rb") as file:
        digest.update(file.read())
    for path in files:
        digest.update(f"{path} {os.stat(os.path.join(target, path)).st_size}\n".encode())
    return digest.hexdigest()


def bytecode_of(target: str, path: str) -> str:
    """Where Python looks for the bytecode of a source (PEP 3147)."""
    return importlib.util.cache_from_source(os.path.join(target, path))


def bytecode_in(place: str, path: str) -> str:
    """Where the store keeps it."""
    return os.path.join(place, path + "c")


def keep_bytecode(target: str, files: Sequence[str], place: str) -> None:
    """Keeps what was compiled for a set to come; where that fails, that set compiles for itself."""
    made = f"{place}.{os.getpid()}"
    try:
        for path in files:
            source = bytecode_of(target, path)
            if os.path.exists(source) and not link_or_copy(source, bytecode_in(made, path)):
                return
        os.rename(made, place)
    except OSError:
        pass  # no room, or another installer was faster
    finally:
        remove_tree(made)
