"""Why `packaging` refuses an entry, in words that tell people what to write instead.

Each known mistake is a pattern and an explanation; the first that fits speaks. No explanation repeats more of the entry
than a name and a version that the pattern has checked.
"""

import re
import unicodedata
from collections.abc import Callable
from typing import Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, Specifier

from wheelwarden.api.violations import Fault

_NAME: Final = r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)(?P<extras>\s*\[[A-Za-z0-9._, -]*\])?"
_VERSION: Final = r"(?P<version>v?[0-9][A-Za-z0-9.!+*-]*)"
_SHELL: Final = re.compile(r"[`$|&\\{}]")
_MARKER_START: Final = re.compile(
    r"\s*[('\"]|\s*(?:python_|os|sys|platform|implementation|extra|dependency_groups)"
    r"|\s*[A-Za-z_.]+\s*(?:[<>=!~]=|[<>]\s*['\"])"
)

_NAMES_FOR: Final = {
    "\u201c": '"', "\u201d": '"', "\u2018": "'", "\u2019": "'", "\u2013": "-", "\u2014": "-", "\u2265": ">=",
    "\u2264": "<=", "\u2260": "!=", "\u00a0": "a space",
}  # fmt: skip


def explain_character(character: str) -> Fault:
    """A character that no requirement has: a control character, a typographic quote, a letter outside ASCII."""
    if character == "\n":
        reason, remedy = "there is a line break in it", "Write each package as an entry of its own"
    else:
        name = unicodedata.name(character, "")
        kind = "the control character" if unicodedata.category(character).startswith("C") else "the character"
        reason = f"it holds {kind} U+{ord(character):04X}" + (f" ({name.lower()})" if name else "")
        plain = _NAMES_FOR.get(character)
        remedy = f"Write {plain} instead" if plain else "Write letters, digits and signs of ASCII only"
    return Fault(rule="requirement-characters", reason=reason, remedy=remedy)


def reads_like_shell(character: str) -> Fault:
    """Text for a shell: none ever sees it, and it is refused all the same."""
    return Fault(
        rule="requirement-shell",
        reason=f'"{character}" is shell syntax, and no shell reads this',
        remedy="Write one package, such as requests==2.31.0",
    )


def explain(entry: str, error: InvalidRequirement) -> Fault:
    """Why an entry that `packaging` refused is no requirement."""
    head, semicolon, marker = entry.partition(";")
    if semicolon and _parses(head.strip()):
        return _explain_marker(marker)
    shell = _SHELL.search(entry)
    if shell:
        return reads_like_shell(shell.group())
    for pattern, explanation in _MISTAKES:
        match = pattern.fullmatch(head.strip())
        if match:
            reason, remedy = explanation(match)
            return Fault(rule="requirement-syntax", reason=reason, remedy=remedy)
    problem = str(error).partition("\n")[0].strip()
    # The first line of packaging's message describes what it expected; where it quotes the entry it is of no use.
    described = problem if re.fullmatch(r"[A-Za-z ,()\[\]@'-]{1,120}", problem) else "it cannot be read"
    return Fault(
        rule="requirement-syntax",
        reason=f"it is no requirement (PEP 508): {described[:1].lower()}{described[1:]}",
        remedy="Write it as requests==2.31.0, requests>=2,<3 or name @ https://…",
    )


def _explain_marker(marker: str) -> Fault:
    if not marker.strip():
        return Fault(
            rule="requirement-syntax",
            reason='no environment marker follows ";"',
            remedy='Drop the ";"',
        )
    if not _MARKER_START.match(marker):
        return Fault(
            rule="requirement-shell",
            reason='what follows ";" is no environment marker, and no shell reads this',
            remedy="Write one package for each entry, and nothing else",
        )
    return Fault(
        rule="requirement-syntax",
        reason='what follows ";" is no environment marker (PEP 508)',
        remedy="Write it as in requests; python_version < '3.12'",
    )


def _parses(text: str) -> bool:
    try:
        Requirement(text)
    except InvalidRequirement:
        return False
    return True


def _written(match: re.Match[str], operator: str) -> str:
    return f"{match['name']}{(match['extras'] or '').replace(' ', '')}{operator}{match['version']}"


def _single_equals(match: re.Match[str]) -> tuple[str, str]:
    # Conda writes name=version=build.
    return 'a single "=" compares nothing', f"Did you mean {_written(match, '==')}?"


def _turned(match: re.Match[str]) -> tuple[str, str]:
    operator = {"=>": ">=", "=<": "<=", "=!": "!=", "=~": "~="}[match["operator"]]
    return f'"{match["operator"]}" is the wrong way round', f"Did you mean {_written(match, operator)}?"


def _caret(match: re.Match[str]) -> tuple[str, str]:
    return (
        f'"{match["operator"]}" is no version comparison of Python packages',
        f"Did you mean {_written(match, '~=')}?",
    )


def _missing_operator(match: re.Match[str]) -> tuple[str, str]:
    return "the comparison between name and version is missing", f"Did you mean {_written(match, '==')}?"


def _missing_version(match: re.Match[str]) -> tuple[str, str]:
    return f'no version follows "{match["operator"]}"', f"Write a version, or {match['name']} alone for the newest"


def _several(_: re.Match[str]) -> tuple[str, str]:
    return "there is more than one package in it", "Write each package as an entry of its own"


def _comment(_: re.Match[str]) -> tuple[str, str]:
    return "a comment is no part of a requirement", 'Drop the "#" and what follows, or make it a comment of the YAML'


def _extras(_: re.Match[str]) -> tuple[str, str]:
    return "its extras cannot be read", "Write them as in requests[socks,security]"


def _version(match: re.Match[str]) -> tuple[str, str]:
    for comparison in match["comparisons"].split(","):
        try:
            Specifier(comparison.strip())
        except InvalidSpecifier:
            operator = re.match(r"\s*[=<>!~]*", comparison)
            version = comparison[operator.end() :].strip() if operator else ""
            if version.endswith(".*"):
                return '".*" goes with == and != only', f'Write {match["name"]}=={version}, or a version without ".*"'
            if version.lower() in ("latest", "stable", "newest", "any"):
                return f'"{version}" is no version', f"Write {match['name']} alone for the newest"
            if operator and operator.group().strip() == "~=":
                return "~= needs a version of two numbers or more", f"Write {match['name']}~={version}.0"
            return "its version cannot be read (PEP 440)", "Write a version such as 2.31.0"
    return "its versions cannot be read (PEP 440)", "Write them as in requests>=2,<3"


def _name(_: re.Match[str]) -> tuple[str, str]:
    return (
        "that is no name of a package",
        'Use letters, digits, ".", "-" and "_", with a letter or digit at both ends',
    )


_Explanation = Callable[[re.Match[str]], tuple[str, str]]
_MISTAKES: Final[tuple[tuple[re.Pattern[str], _Explanation], ...]] = tuple(
    (re.compile(pattern), explanation)
    for pattern, explanation in (
        (r".*\s#.*", _comment),
        (rf"{_NAME}\s*=\s*{_VERSION}(?:=\S*)?", _single_equals),
        (rf"{_NAME}\s*(?P<operator>=>|=<|=!|=~)\s*{_VERSION}", _turned),
        (rf"{_NAME}\s*(?P<operator>[\^~!])\s*{_VERSION}", _caret),
        (rf"{_NAME}\s+{_VERSION}", _missing_operator),
        (rf"{_NAME}\s*(?P<operator>===|==|>=|<=|~=|!=|<|>|=)\s*", _missing_version),
        (rf"{_NAME}\s*(?:[=<>!~]=?\s*[^,;\s]+)?(?:\s*,\s*|\s+)[A-Za-z].*", _several),
        (r"[A-Za-z0-9._-]+\s*\[.*", _extras),
        (rf"{_NAME}\s*(?P<comparisons>\(?[=<>!~]=?.*)", _version),
        (r"[^\s=<>!~;@\[\]]+", _name),
    )
)
