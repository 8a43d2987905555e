"""YAML and JSON texts into plain data, safely: bounded in size, depth and expansion, duplicate keys refused.

Built from parser events, without recursion: neither deep nesting nor aliases of aliases cost more than the limits say.
Scalars are read as kubectl reads them (YAML 1.1 booleans, no timestamps, keys are strings); tags other than those of
plain data are refused.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from wheelwarden.api.redaction import shown
from wheelwarden.api.violations import item_path, key_path

MAX_DEPTH: Final = 64  # containers within containers
MAX_NODES: Final = 500_000  # after aliases are counted as often as they are used

_Loader: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C one where PyYAML was built with libyaml
_CORE_TAG: Final = "tag:yaml.org,2002:"
_PLAIN_TAGS: Final = frozenset(f"{_CORE_TAG}{name}" for name in ("str", "int", "float", "bool", "null", "seq", "map"))
_MAY_BE_NO_STRING: Final = frozenset("0123456789+-.~nNtTfFyYoO")
_WORDS: Final[Mapping[str, bool | None]] = {
    **dict.fromkeys(("~", "null", "Null", "NULL")),
    **{form: True for word in ("true", "yes", "on") for form in (word, word.title(), word.upper())},
    **{form: False for word in ("false", "no", "off") for form in (word, word.title(), word.upper())},
}
_DECIMAL: Final = re.compile(r"[-+]?(?:0|[1-9][0-9_]{0,99})")
_BASED: Final = re.compile(
    r"([-+]?)0(?:[xX](?P<hex>[0-9a-fA-F_]{1,64})|[bB](?P<bin>[01_]{1,64})|o?(?P<oct>[0-7_]{1,64}))"
)
_FLOAT: Final = re.compile(
    r"[-+]?(?:[0-9][0-9_]{0,99}\.[0-9_]{0,99}|\.[0-9][0-9_]{0,99}|[0-9]{1,99}(?=[eE]))(?:[eE][-+]?[0-9]{1,3})?"
)


class UnreadableDocument(ValueError):
    """A text that is neither YAML nor JSON, or is so beyond the limits.

    Args:
        problem: what is wrong, without the text itself.
        line: 1-based; 0 where unknown.
        column: 1-based; 0 where unknown.
    """

    def __init__(self, problem: str, line: int = 0, column: int = 0) -> None:
        super().__init__(f"{problem} (line {line}, column {column})" if line else problem)
        self.problem = problem
        self.line = line
        self.column = column


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """One document of a stream.

    Attributes:
        data: plain data: dict, list, str, int, float, bool, None.
        line: where it begins, 1-based.
        lines: the line of every key and entry, by path; empty for JSON.
        blocks: the paths of literal blocks (`|`), whose own lines begin one line below.
    """

    data: Any
    line: int
    lines: Mapping[str, int]
    blocks: frozenset[str]


def read_value(text: str) -> Any:
    """The one document in `text`; None where it is empty.

    Raises:
        UnreadableDocument: not YAML, more than one document, or beyond the limits.
    """
    whole, value = _read_json(text)
    if whole:
        return value
    documents = list(_read_yaml(text, located=False))
    if len(documents) > 1:
        raise UnreadableDocument("there is more than one document", documents[1].line, 1)
    return documents[0].data if documents else None


def read_documents(text: str) -> Iterator[Document]:
    """Every document in `text`, with the lines where things stand.

    Raises:
        UnreadableDocument: while iterating, when the text stops making sense.
    """
    whole, value = _read_json(text)
    if whole:
        yield Document(data=value, line=1, lines={}, blocks=frozenset())
        return
    yield from _read_yaml(text, located=True)


def _read_json(text: str) -> tuple[bool, Any]:
    """Whether it is JSON, and its value. What is wrong is left to the YAML reader, which knows the line."""
    if text.lstrip()[:1] not in ("{", "["):
        return False, None
    try:
        return True, json.loads(text, object_pairs_hook=_without_duplicates, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return False, None


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) != len(pairs):
        raise ValueError("duplicate key")
    return mapping


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _read_yaml(text: str, *, located: bool) -> Iterator[Document]:
    try:
        builder: _Builder | None = None
        for event in yaml.parse(text, Loader=_Loader):
            if isinstance(event, yaml.DocumentStartEvent):
                builder = _Builder(located=located)
            elif isinstance(event, yaml.DocumentEndEvent) and builder is not None:
                if builder.root is not _NOTHING and not (builder.empty and builder.root is None):
                    yield Document(
                        data=builder.root, line=builder.line, lines=builder.lines, blocks=frozenset(builder.blocks)
                    )
                builder = None
            elif builder is not None:
                builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = shown(error.problem or error.context or "it is not YAML")
        raise UnreadableDocument(problem, mark.line + 1 if mark else 0, mark.column + 1 if mark else 0) from None
    except (yaml.YAMLError, UnicodeError):
        raise UnreadableDocument("it holds characters that YAML does not allow") from None


_NOTHING: Final = object()


@dataclass(slots=True, eq=False)
class _Frame:
    """A container that is being filled."""

    value: dict[str, Any] | list[Any]
    path: str
    anchor: str | None
    nodes_before: int
    key: str | None = None
    merges: list[Any] = field(default_factory=list)
    merging: bool = False
    height: int = 1


class _Builder:
    """Builds one document from its events; raises UnreadableDocument at the event that is at fault."""

    def __init__(self, *, located: bool) -> None:
        self.root: Any = _NOTHING
        self.empty = False
        self.line = 0
        self.lines: dict[str, int] = {}
        self.blocks: set[str] = set()
        self._located = located
        self._stack: list[_Frame] = []
        self._anchors: dict[str, tuple[Any, int, int]] = {}  # name -> value, nodes, height
        self._nodes = 0

    def take(self, event: Any) -> None:
        """Adds one event of the document."""
        if not self.line:
            self.line = _line(event)
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent | yaml.MappingStartEvent):
            self._open(event)
        elif isinstance(event, yaml.SequenceEndEvent | yaml.MappingEndEvent):
            self._close(event)
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)

    def _scalar(self, event: Any) -> None:
        if self._wants_key():
            self._key(event)
            return
        self._count(1, 0, event)
        plain = not event.style
        if event.tag is not None and event.tag != "!" and event.tag not in _PLAIN_TAGS:
            raise _at(event, f"the tag {shown(event.tag)} stands for no plain data")
        text: str = event.value
        if not self._stack and plain and not text:
            self.empty = True
        if event.tag is None and plain:
            value = _resolve(text)
        elif event.tag is None or event.tag in ("!", f"{_CORE_TAG}str"):
            value = text
        else:
            value = _resolve(text)
        if event.anchor:
            self._anchors[event.anchor] = (value, 1, 0)
        self._put(value, 0, event)

    def _open(self, event: Any) -> None:
        if self._wants_key():
            raise _at(event, "a key must be a plain string")
        if event.tag is not None and event.tag != "!" and event.tag not in _PLAIN_TAGS:
            raise _at(event, f"the tag {shown(event.tag)} stands for no plain data")
        self._count(1, 1, event)
        value: dict[str, Any] | list[Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
        path = self._path() if self._located else ""
        if self._located:
            self.lines.setdefault(path, _line(event))
        self._stack.append(_Frame(value, path, event.anchor, self._nodes))

    def _close(self, event: Any) -> None:
        frame = self._stack.pop()
        for merged in frame.merges:
            sources = merged if isinstance(merged, list) else [merged]
            for source in sources:
                if not isinstance(source, dict) or not isinstance(frame.value, dict):
                    raise _at(event, 'what "<<" merges must be a mapping')
                for key, value in source.items():
                    frame.value.setdefault(key, value)
        if frame.anchor:
            self._anchors[frame.anchor] = (frame.value, self._nodes - frame.nodes_before + 1, frame.height)
        self._put(frame.value, frame.height, event)

    def _alias(self, event: Any) -> None:
        if self._wants_key():
            raise _at(event, "a key must be a plain string")
        if event.anchor not in self._anchors:
            raise _at(event, "an alias refers to an anchor that is not there")
        value, nodes, height = self._anchors[event.anchor]
        self._count(nodes, height, event)
        self._put(value, height, event)

    def _wants_key(self) -> bool:
        return bool(self._stack) and isinstance(self._stack[-1].value, dict) and self._stack[-1].key is None

    def _key(self, event: Any) -> None:
        frame = self._stack[-1]
        key: str = event.value
        frame.merging = key == "<<" and not event.style
        if not frame.merging and key in frame.value:
            raise _at(event, f'the key "{shown(key)}" is there twice')
        frame.key = key
        if self._located:
            self.lines[key_path(frame.path, key)] = _line(event)

    def _path(self) -> str:
        if not self._stack:
            return ""
        frame = self._stack[-1]
        return item_path(frame.path, len(frame.value)) if frame.key is None else key_path(frame.path, frame.key)

    def _put(self, value: Any, height: int, event: Any) -> None:
        if not self._stack:
            self.root = value
            return
        frame = self._stack[-1]
        frame.height = max(frame.height, height + 1)
        if self._located and isinstance(event, yaml.ScalarEvent):
            path = self._path()
            self.lines.setdefault(path, _line(event))
            if event.style == "|":
                self.blocks.add(path)
                self.lines[path] = _line(event)
        if isinstance(frame.value, list):
            frame.value.append(value)
        else:
            if frame.merging:
                frame.merges.append(value)
            elif frame.key is not None:
                frame.value[frame.key] = value
            frame.key = None
            frame.merging = False

    def _count(self, nodes: int, height: int, event: Any) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise _at(event, f"with its aliases it grows beyond {MAX_NODES} values")
        if len(self._stack) + height > MAX_DEPTH:
            raise _at(event, f"it is nested more than {MAX_DEPTH} levels deep")


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 0


def _at(event: yaml.Event, problem: str) -> UnreadableDocument:
    column = event.start_mark.column + 1 if event.start_mark else 0
    return UnreadableDocument(problem, _line(event), column)


def _resolve(text: str) -> Any:
    """The value of a plain scalar."""
    if not text:
        return None
    if text[0] not in _MAY_BE_NO_STRING:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _DECIMAL.fullmatch(text):
        return int(text)
    based = _BASED.fullmatch(text)
    if based:
        base = 16 if based["hex"] else 2 if based["bin"] else 8
        digits = (based["hex"] or based["bin"] or based["oct"]).replace("_", "")
        return int(based[1] + digits, base) if digits else text
    if _FLOAT.fullmatch(text):
        return float(text.replace("_", ""))
    return text
