"""Reads the installer's termination message. Only the controller uses it; it is not in the bundle.

Containers can write anything there. A message with a value of the wrong type or size is not accepted as the installer's.
"""

from __future__ import annotations

import json
import re
from typing import Any, Mapping, NamedTuple, Sequence

from wheelwarden.payload.common.sizes import SIZE, of_words
from wheelwarden.payload.install.errors import ADVICE
from wheelwarden.payload.install.request import MESSAGE_BYTES
from wheelwarden.payload.install.result import FAILED, INSTALLED, LISTS, REUSED, Failure, Result
from wheelwarden.payload.install.schema import VERSION, check_version

# The form that `message.facts_of_failure` writes.
FAILURE = re.compile(
    r"Error class: (?P<kind>[a-z_]{1,40})\. Attempts: (?P<attempts>[0-9]{1,6})\. Packages hash: (?P<hash>[0-9A-Za-z-]{1,64})\."
    rf"(?: Volume: (?P<totalBytes>{SIZE}), (?P<usedBytes>{SIZE}) used, (?P<availableBytes>{SIZE}) available\.)?"
)
OTHER_VERSION = re.compile(r"Result version: ([0-9]{1,6})\. ")
SIZES = ("totalBytes", "usedBytes", "availableBytes")
NUMBER_LIMIT = 1 << 60  # the maximum for bytes and seconds in a result
VERSION_LIMIT = 1 << 20


class Message(NamedTuple):
    """The content of a message: the result, perhaps with shortened lists, and the number of entries that each list omits."""

    result: Result
    omitted: Mapping[str, int]


def read_message(text: str) -> Message | None:
    """Reads a message; None if it is not from the installer (which was killed, or another program wrote it).

    A success is a sentence, a line of facts and a line of lists, which the kubelet may have cut off. A failure is a sentence
    and the facts in words. Installers of the previous release wrote a single line of JSON.

    Raises:
        VersionError: the message has another version.
    """
    sentence, *lines = text.split("\n") if len(text) <= MESSAGE_BYTES else [""]
    try:
        if not lines:
            facts = _facts(sentence)
            counts = {"installed": len(facts["installed"]) + facts.get("installedOmitted", 0)}
            return _message(facts, facts, counts, _failure(facts))
        _check_failure_version(lines[0])
        if match := FAILURE.fullmatch(lines[0]):
            return _message(_facts_of_failure(match), {}, {}, Failure(match["kind"], _text(sentence)))
        facts = _facts(lines[0])
        if facts["outcome"] == FAILED:
            return None
        return _message(facts, _lists(lines[1:]), facts.get("counts") or {}, None)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None


def _message(
    facts: Mapping[str, Any], lists: Mapping[str, Any], counts: Mapping[str, Any], failure: Failure | None
) -> Message:
    """Raises ValueError, KeyError, TypeError, AttributeError or OverflowError for a wrong value."""
    outcome = facts["outcome"]
    if outcome not in (INSTALLED, REUSED, FAILED):
        raise ValueError(outcome)
    shown = {name: tuple(_text(entry) for entry in lists.get(name) or ()) for name in LISTS}
    if failure is not None and failure.kind not in ADVICE:
        failure = Failure("unknown", failure.message)  # metrics and conditions use it as a name
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


def _check_failure_version(facts_line: str) -> None:
    if other := OTHER_VERSION.match(facts_line):
        _check_version(int(other[1]))


def _check_version(version: object) -> None:
    """Raises VersionError for another version, and ValueError for a value that is no version."""
    if isinstance(version, bool) or not isinstance(version, int) or not 0 <= version < VERSION_LIMIT:
        raise ValueError(version)
    check_version(
        "The installer's result", version, "Installer and controller must be of the same release: recreate the pod."
    )


def _facts(line: str) -> Mapping[str, Any]:
    found = json.loads(line)
    if not isinstance(found, dict):
        raise TypeError(line)
    _check_version(found.get("version", VERSION))
    return found


def _facts_of_failure(match: re.Match[str]) -> Mapping[str, Any]:
    return {
        "outcome": FAILED,
        "hash": match["hash"],
        "attempts": int(match["attempts"]),
        "usage": {name: of_words(match[name]) for name in SIZES} if match["totalBytes"] else None,
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
    """The text on one line, with spaces for characters that are not printable."""
    if not isinstance(value, str):
        raise TypeError(value)
    return "".join(character if character.isprintable() else " " for character in value)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= NUMBER_LIMIT:
        raise ValueError(value)  # also for NaN, which no comparison accepts
    return value


def _usage(value: Any) -> Any:
    """The sizes as plausible numbers; raises ValueError otherwise."""
    if value is None:
        return None
    found = {name: int(_number(value[name])) for name in SIZES}
    if max(found["usedBytes"], found["availableBytes"]) > found["totalBytes"]:
        raise ValueError(value)
    return found
