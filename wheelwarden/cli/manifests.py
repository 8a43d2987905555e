"""Read Kubernetes objects, with their positions, from files, folders and standard input."""

import io
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from wheelwarden.api.errors import UnusableInput
from wheelwarden.api.redaction import printable
from wheelwarden.parsing.documents import Document, UnreadableDocument, read_documents
from wheelwarden.parsing.files import read_at_most

STANDARD_INPUT: Final = "-"
SUFFIXES: Final = (".yaml", ".yml", ".json")
MAX_FILE_BYTES: Final = 64 << 20  # the rendered charts of a whole cluster have a few MiB


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """One Kubernetes object in a file.

    Attributes:
        file: path as given on the command line, or as found in a folder given there; `<stdin>` for standard input.
        number: number of its document in the file, from 1.
        prefix: path of the object in its document: empty, or `items[3]` in a List.
        obj: the object.
        document: its document.
    """

    file: str
    number: int
    prefix: str
    obj: Mapping[str, Any]
    document: Document


@dataclass(kw_only=True, slots=True)
class ReadSummary:
    """How much was read, and what could not be used."""

    files: int = 0
    non_objects: int = 0  # documents that are not Kubernetes objects
    problems: list[str] = field(default_factory=list)  # unusable input, one line each


def read_manifests(paths: Sequence[str], summary: ReadSummary) -> Iterator[Manifest]:
    """Yield every Kubernetes object in the given files, folders and `-`; Lists are unpacked.

    Unusable input is added to `summary.problems`, and reading continues, so that all problems are reported.
    """
    for path, named in _files(paths, summary):
        found = 0
        try:
            for manifest in _objects(path, summary):
                found += 1
                yield manifest
        except UnusableInput as error:
            summary.problems.append(str(error))
            continue
        summary.files += 1
        if named and not found:
            summary.problems.append(
                f"{_title(path)}: it contains no Kubernetes object (nothing with apiVersion and kind)"
            )


def _files(paths: Sequence[str], summary: ReadSummary) -> Iterator[tuple[str, bool]]:
    """Yield every file, and whether it was given by its own name, not by a folder."""
    for path in paths:
        if path == STANDARD_INPUT or not os.path.isdir(path):  # noqa: PTH112 - never raises
            yield path, True
            continue
        found = False
        for file in _files_below(path, summary):
            found = True
            yield file, False
        if not found:
            summary.problems.append(
                f"{printable(path)}: the folder contains no {', '.join(f'*{one}' for one in SUFFIXES)} file"
            )


def _files_below(folder: str, summary: ReadSummary) -> Iterator[str]:
    def unreadable(error: OSError) -> None:
        summary.problems.append(f"{printable(str(error.filename))}: the folder cannot be read: {error.strerror}")

    seen: set[tuple[int, int]] = set()
    # Links to folders are followed, but no folder is read twice, because links may form a cycle.
    for parent, folders, files in os.walk(folder, onerror=unreadable, followlinks=True):
        facts = os.stat(parent)  # noqa: PTH116 - as os.walk does
        if (facts.st_dev, facts.st_ino) in seen:
            folders.clear()
            continue
        seen.add((facts.st_dev, facts.st_ino))
        folders[:] = sorted(name for name in folders if name != ".git")
        for name in sorted(files):
            if name.lower().endswith(SUFFIXES):
                yield str(Path(parent) / name)


def _objects(path: str, summary: ReadSummary) -> Iterator[Manifest]:
    text = _read(path)
    try:
        for number, document in enumerate(read_documents(text), start=1):
            if document.data is None:
                continue  # comments between two separators
            found = False
            for prefix, obj in _unpack(document.data):
                found = True
                yield Manifest(file=_title(path), number=number, prefix=prefix, obj=obj, document=document)
            summary.non_objects += not found
    except UnreadableDocument as error:
        place = f"{_title(path)}:{error.line}:{error.column}" if error.line else _title(path)
        hint = (
            ". Is it a template? Render it first, as in: helm template … | wheelwarden check -" if "{{" in text else ""
        )
        raise UnusableInput(f"{place}: it is not YAML or JSON: {error.problem}{hint}") from error


def _unpack(data: object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the objects in one document: the document's object, and the items of a List, also of nested Lists."""
    waiting: list[tuple[str, object]] = [("", data)]
    while waiting:
        prefix, value = waiting.pop()
        if not isinstance(value, Mapping):
            continue
        kind = value.get("kind")
        if not isinstance(kind, str) or not isinstance(value.get("apiVersion"), str):
            continue
        items = value.get("items")
        if kind.endswith("List") and isinstance(items, list):
            path = f"{prefix}.items" if prefix else "items"
            waiting += reversed([(f"{path}[{index}]", item) for index, item in enumerate(items)])
        yield prefix, value


def _read(path: str) -> str:
    try:
        if path == STANDARD_INPUT:
            if sys.stdin is None:
                raise UnusableInput("<stdin>: it is closed; name a file, or pipe one into the command")
            content = sys.stdin.buffer.read(MAX_FILE_BYTES + 1)
        else:
            content = read_at_most(path, MAX_FILE_BYTES + 1)
    except (OSError, io.UnsupportedOperation, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UnusableInput(f"{_title(path)}: it cannot be read: {reason}") from error
    if len(content) > MAX_FILE_BYTES:
        raise UnusableInput(f"{_title(path)}: it is larger than {MAX_FILE_BYTES >> 20} MiB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UnusableInput(f"{_title(path)}:{line}: it is not UTF-8 text") from error


def _title(path: str) -> str:
    return "<stdin>" if path == STANDARD_INPUT else printable(path)
