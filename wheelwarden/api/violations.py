"""A violation: what is wrong with an object, where, why, and what to do about it."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from wheelwarden.api.redaction import shown

# Keys that are written after a dot; all others are written in brackets, shortened and redacted.
_PLAIN_KEY: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")


def key_path(path: str, key: str) -> str:
    """The path of a value in a mapping: `spec.cache`, but `metadata.annotations[example.com/key]`."""
    if _PLAIN_KEY.fullmatch(key):
        return f"{path}.{key}" if path else key
    return f"{path}[{shown(key)}]"


def item_path(path: str, index: int) -> str:
    """The path of an entry in a list: `packages[2]`."""
    return f"{path}[{index}]"


class Action(StrEnum):
    """The effect of a violation: none, an admission warning, or a denial."""

    OFF = "off"
    WARN = "warn"
    DENY = "deny"


@dataclass(frozen=True, kw_only=True, slots=True)
class Violation:
    """One violation, safe to show to users.

    Attributes:
        rule: id of the rule, such as `requirement-syntax`.
        action: DENY or WARN.
        path: path of the bad value, such as `spec.pythonPackages.packages[2]` or
            `metadata.annotations[wheelwarden.dev/python-packages].indexUrl`.
        value: the bad value as written, shortened and redacted; None if there is none to show.
        reason: why the value is wrong, one sentence without the final full stop.
        remedy: what to do, one sentence without the final full stop; it may be a question.
    """

    rule: str
    action: Action
    path: str
    value: str | None
    reason: str
    remedy: str

    @property
    def message(self) -> str:
        """One line for people: path, value, reason, remedy, rule."""
        value = "" if self.value is None else f' "{self.value}"'
        stop = "" if self.remedy.endswith("?") else "."
        return f"{self.path}{value}: {self.reason}. {self.remedy}{stop} [{self.rule}]"


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """The part of a violation that does not depend on the value's path: rule, reason and remedy."""

    rule: str
    reason: str
    remedy: str
