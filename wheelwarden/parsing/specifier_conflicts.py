"""Comparisons of versions (PEP 440): whether any version can fit all of them."""

import re
from typing import Final

from packaging.specifiers import Specifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from wheelwarden.api.redaction import shown

# `is_unsatisfiable` grows with the square of them: twelve cost a quarter of a millisecond.
_MAX_COMPARISONS: Final = 12
_BOUNDS: Final = frozenset({"<", "<=", ">", ">="})
_RELEASE: Final = re.compile(r"[0-9.]+")
_RANGE: Final = re.compile(r">=?([0-9]{1,18})(?:\.[0-9]{1,18})*,<=?([0-9]{1,18})(?:\.[0-9]{1,18})*")


def spans_releases(versions: str) -> bool:
    """Whether comparisons are a lower bound and a higher upper one, `>=1.2,<3`: told by the first numbers alone."""
    match = _RANGE.fullmatch(versions)
    return match is not None and int(match[1]) < int(match[2])


def contradiction(specifiers: SpecifierSet) -> str | None:
    """Why no version fits all comparisons, None where one may: exact versions, then the bounds, then all together."""
    if len(specifiers) < 2:
        return None
    exact = [one.version for one in specifiers if one.operator in ("==", "===") and not one.version.endswith(".*")]
    if exact:
        # `==1.0` holds for 1.0+cpu, and `===1` for this spelling only: one of the versions named must fit all.
        if any(specifiers.contains(version, prereleases=True) for version in exact):
            return None
        return f"version {shown(exact[0])} does not fit its other comparisons"
    lower = [version for one in specifiers if one.operator in (">", ">=", "~=") and (version := _version(one))]
    upper = [version for one in specifiers if one.operator in ("<", "<=") and (version := _version(one))]
    if lower and upper and (max(lower) > min(upper) or (max(lower) == min(upper) and _open(specifiers, max(lower)))):
        return f"no version is both above {max(lower)} and below {min(upper)}"
    # Bounds by plain releases are judged by now, at half the time.
    plain = all(one.operator in _BOUNDS and _RELEASE.fullmatch(one.version) for one in specifiers)
    if not plain and len(specifiers) <= _MAX_COMPARISONS and specifiers.is_unsatisfiable():
        return "no version fits all of its comparisons"
    return None


def _version(specifier: Specifier) -> Version | None:
    try:
        return Version(specifier.version)
    except InvalidVersion:
        return None


def _open(specifiers: SpecifierSet, bound: Version) -> bool:
    return any(one.operator in ("<", ">") and _version(one) == bound for one in specifiers)
