"""Reads the installer's termination message: for the controller, no part of the program.

What runs in the pod can write anything there: a value of the wrong type or size makes it none of the installer's.
"""

from __future__ import annotations

import json
import re
from typing import Any, Mapping, NamedTuple, Sequence

from wheelwarden.payload.install.errors import ADVICE
from wheelwarden.payload.install.request import MESSAGE_BYTES
from wheelwarden.payload.install.result import FAILED, INSTALLED, LISTS, REUSED, Failure, Result
from wheelwarden.payload.install.schema import VERSION, check_version

# As `message.facts_of_failure` writes them.
FAILURE = re.compile(
    r"Error class: (?P<kind>[a-z_]{1,40})\. Attempts: (?P<attempts>[0-9]{1,6})\. Packages hash: (?P<hash>[0-9A-Za-z-]{1,64})\."
    r"(?: Volume: (?P<totalBytes>[0-9]{1,18}) bytes, (?P<usedBytes>[0-9]{1,18}) used, "
    r"(?P<availableBytes>[0-9]{1,18}) available\.)?"
)
OTHER_VERSION = re.compile(r"Result version: ([0-9]{1,6})\. ")
SIZES = ("totalBytes", "usedBytes", "availableBytes")
NUMBER_LIMIT = 1 << 60  # of bytes and seconds that a result tells
VERSION_LIMIT = 1 << 20


class Message(NamedTuple):
    """What a message says: the result, as far as it had room for it, and how many entries each list lacks."""

    result: Result
    omitted: Mapping[str, int]


def read_message(text: str) -> Message | None:
    """Reads a message; None where it is not one of the installer's (it was killed, or somebody else wrote it).

    A sentence, a line of facts, a line of lists, which the kubelet may have cut off; of a failure the facts in words and no
    lists; or all in one line of JSON, as installers of the release before wrote it.

    Raises:
        VersionError: it is of another version.
    """
    sentence, *lines = text.split("\n") if len(text) <= MESSAGE_BYTES else [""]
    try:
        if not lines:
            facts = _facts(sentence)
            counts = {"installed": len(facts["installed"]) + facts.get("installedOmitted", 0)}
            return _message(facts, facts, counts, _failure(facts))
        _check_words(lines[0])
        if words := FAILURE.fullmatch(lines[0]):
            return _message(_facts_of_failure(words), {}, {}, Failure(words["kind"], _text(sentence)))
        facts = _facts(lines[0])
        if facts["outcome"] == FAILED:
            return None
        return _message(facts, _lists(lines[1:]), facts.get("counts") or {}, None)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None


def _message(
    facts: Mapping[str, Any], lists: Mapping[str, Any], counts: Mapping[str, Any], failure: Failure | None
) -> Message:
    """Raises ValueError, KeyError, TypeError, AttributeError or OverflowError where a value is not what it should be."""
    outcome = facts["outcome"]
    if outcome not in (INSTALLED, REUSED, FAILED):
        raise ValueError(outcome)
    shown = {name: tuple(_text(entry) for entry in lists.get(name) or ()) for name in LISTS}
    if failure is not None and failure.kind not in ADVICE:
        failure = Failure("unknown", failure.message)  # a metric and a condition are named by it
    result = Result(
        outcome=outcome,
        hash=_text(facts["hash"]),
        attempts=int(_number(facts["attempts"])),
        install_seconds=_number(facts.get("installSeconds") or 0),
        installed_at=_text(facts.get("installedAt") or ""),
        installed_by=_text(facts.get("installedBy") or ""),
        installed=shown["installed"],
        provided=shown["provided"],
        warnings=shown["warnings"],
        error=failure if outcome == FAILED else None,
        usage=_usage(facts.get("usage")),
    )
    omitted = {name: max(0, int(_number(counts.get(name, 0))) - len(shown[name])) for name in LISTS}
    return Message(result, omitted)


def _check_words(facts_line: str) -> None:
    if other := OTHER_VERSION.match(facts_line):
        _check(int(other[1]))


def _check(version: object) -> None:
    """Raises VersionError for another version, and ValueError for what is none."""
    if isinstance(version, bool) or not isinstance(version, int) or not 0 <= version < VERSION_LIMIT:
        raise ValueError(version)
    check_version(
        "The installer's result", version, "Installer and controller have to be of one release: recreate the pod."
    )


def _facts(line: str) -> Mapping[str, Any]:
    found = json.loads(line)
    if not isinstance(found, dict):
        raise TypeError(line)
    _check(found.get("version", VERSION))
    return found


def _facts_of_failure(words: re.Match[str]) -> Mapping[str, Any]:
    return {
        "outcome": FAILED,
        "hash": words["hash"],
        "attempts": int(words["attempts"]),
        "usage": {name: int(words[name]) for name in SIZES} if words["totalBytes"] else None,
    }


def _lists(lines: Sequence[str]) -> Mapping[str, Any]:
    try:
        return _facts(lines[0])
    except (IndexError, ValueError):
        return {}  # cut off


def _failure(facts: Mapping[str, Any]) -> Failure:
    error = facts["error"] or {}
    return Failure(_text(error.get("class", "")), _text(error.get("message", "")))


def _text(value: object) -> str:
    """Printable, on one line."""
    if not isinstance(value, str):
        raise TypeError(value)
    return "".join(character if character.isprintable() else " " for character in value)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= NUMBER_LIMIT:
        raise ValueError(value)  # NaN is in no order, so it comes here too
    return value


def _usage(value: Any) -> Any:
    """The sizes as numbers that can be, else ValueError."""
    if value is None:
        return None
    found = {name: int(_number(value[name])) for name in SIZES}
    if max(found["usedBytes"], found["availableBytes"]) > found["totalBytes"]:
        raise ValueError(value)
    return found
