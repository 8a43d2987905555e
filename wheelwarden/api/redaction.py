"""Make values that a user wrote safe to show: without secrets, on one line, short.

Every value in a violation, or part of one, passes through `shown`. When in doubt it hides too much: a hidden host is a
nuisance, a visible password is a leak.
"""

import re
from typing import Final

SHOWN_LENGTH: Final = 120  # characters
# Longer text is not examined in full, which limits the cost of a bad value.
EXAMINED_LENGTH: Final = 2048  # characters
HIDDEN: Final = "***"

_AUTHORITY_END: Final = re.compile(r"[/?#]")
# A password that was cut before its `@`, as YAML does at " #": text in the place of a port that is not a port.
_CUT_PASSWORD: Final = re.compile(r"//[^/?#@:\[\]]*:(?![0-9]*(?:[/?#,;\s]|$)).*", re.DOTALL)
_NAMED_SECRET: Final = re.compile(r"(?i)\b(password|passwd|pwd|token|secret|api[_-]?key)(\s*[=:]\s*)(?!=)\S+")


def redact(text: str) -> str:
    """Return `text` without user info and queries of URLs, and without secrets such as `password=…`.

    A URL with a password is hidden up to the last `@` of the text, because a password that is not encoded may contain
    `/`, `#` and `@`.
    """
    text = _hide_user_info(text)
    if "//" in text:
        text = _CUT_PASSWORD.sub(f"//{HIDDEN}", text)
    query = text.find("?")
    if query >= 0 and ("//" in text or "@" in text):
        text = f"{text[: query + 1]}{HIDDEN}"
    return _NAMED_SECRET.sub(rf"\1\2{HIDDEN}", text) if "=" in text or ":" in text else text


def shown(value: object) -> str:
    """Return any value as one short, redacted line of printable characters."""
    text = value if isinstance(value, str) else _as_text(value)
    if len(text) > EXAMINED_LENGTH:
        # A password may end beyond the cut, so text that may contain one is not shown at all.
        head = HIDDEN if "//" in text or "@" in text or ":" in text else text[:SHOWN_LENGTH]
        text = f"{head}… ({len(text)} characters)"
    else:
        text = redact(text)
        if len(text) > SHOWN_LENGTH:
            text = f"{text[:SHOWN_LENGTH]}…"
    return printable(text)


def printable(text: str) -> str:
    """Return `text` with line breaks, control characters and other unprintable characters as escapes."""
    return text if text.isprintable() else "".join(_printable(character) for character in text)


def _hide_user_info(text: str) -> str:
    last_at = text.rfind("@")
    if last_at < 0:
        return text
    start = text.find("//")
    if start < 0:
        # No scheme, but it may be "user:password@host".
        return f"{HIDDEN}{text[last_at:]}" if ":" in text[:last_at] else text
    while 0 <= start < last_at:
        begin = start + 2
        end = _AUTHORITY_END.search(text, begin)
        authority = text[begin : end.start()] if end else text[begin:]
        user, at, _ = authority.partition("@")
        if ":" in user:
            return f"{text[:begin]}{HIDDEN}{text[last_at:]}"
        if at:
            rest = text[begin + authority.rfind("@") :]
            return f"{text[:begin]}{HIDDEN}{rest[:1]}{_hide_user_info(rest[1:])}"
        start = text.find("//", begin)
    return text


def _as_text(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        # Python refuses to convert integers of thousands of digits.
        return str(value) if value.bit_length() < EXAMINED_LENGTH else "a very large number"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    return type(value).__name__


def _printable(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape", "backslashreplace").decode()
