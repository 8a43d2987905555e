"""Rules on which packages are asked for: likely mistakes, and what the policy allows. All read what could be read."""

import sys
from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Final

from packaging.utils import canonicalize_name

from wheelwarden.api.redaction import shown
from wheelwarden.api.violations import Action, Fault
from wheelwarden.parsing.import_names import DISTRIBUTION_OF_IMPORT
from wheelwarden.parsing.markers import can_hold
from wheelwarden.parsing.popular_packages import POPULAR, near_miss
from wheelwarden.parsing.requirement import Package, read_package
from wheelwarden.rules.rule import Finding, Located, Packages, Rule

_STANDARD_LIBRARY: Final = frozenset(
    canonicalize_name(name) for name in sys.stdlib_module_names if not name.startswith("_")
)
_HASHES: Final = ("sha256=", "sha384=", "sha512=")


@lru_cache(maxsize=1024)
def remarks_on(text: str, *, marker: bool = True) -> tuple[Fault, ...]:
    """What there is to say of one entry alone, whatever stands beside it; nothing of one that cannot be read.

    Args:
        text: the entry.
        marker: whether its marker is judged too, which costs most.
    """
    package = read_package(text)
    if isinstance(package, Fault):
        return ()
    named = (
        (_import_name(package) or _standard_library(package) or _near_miss(package)) if package.url is None else None
    )
    return tuple(
        fault
        for fault in (named, _marker(package) if marker else None, _unnamed(package), _conflict(package))
        if fault is not None
    )


def _import_name(package: Package) -> Fault | None:
    meant = None if package.key is None else DISTRIBUTION_OF_IMPORT.get(package.key)
    if meant is None:
        return None
    return Fault(
        rule="requirement-import-name",
        reason=f"{package.name} is the name that is imported; the package is called {meant}",
        remedy=f"Write {meant}",
    )


def _standard_library(package: Package) -> Fault | None:
    if package.key not in _STANDARD_LIBRARY or package.key in POPULAR:
        return None
    return Fault(
        rule="requirement-standard-library",
        reason=f"{package.name} is part of Python itself; a package of this name is a backport or a stranger's",
        remedy="Drop it",
    )


def _near_miss(package: Package) -> Fault | None:
    meant = None if package.key is None else near_miss(package.key)
    if meant is None:
        return None
    return Fault(
        rule="requirement-near-miss",
        reason=f"it is one letter away from {meant}, which nearly everybody means",
        remedy=f'Did you mean "{meant}"?',
    )


def _marker(package: Package) -> Fault | None:
    if package.marker is None or can_hold(package.marker):
        return None
    return Fault(
        rule="requirement-marker",
        reason="its marker holds in no pod (Linux, Python 3.8 or later), so it would never be installed",
        remedy="Drop the entry, or correct what follows the semicolon",
    )


def _unnamed(package: Package) -> Fault | None:
    if package.name is not None:
        return None
    return Fault(
        rule="direct-unnamed",
        reason="it does not say which package it is, so nobody can see that it is asked for twice",
        remedy="Write NAME @ before it",
    )


def _conflict(package: Package) -> Fault | None:
    if package.contradiction is None:
        return None
    return Fault(rule="requirement-conflict", reason=package.contradiction, remedy="Widen one of the comparisons")


def _unpinned(subject: Packages) -> Iterable[Finding]:
    for entry in subject.packages:
        if not is_pinned(entry.value):
            yield _at(entry, "the policy asks for one exact version", f"Write {entry.value.name}==VERSION")


def is_pinned(package: Package) -> bool:
    """Whether only one version fits: `==1.2.3` does it, `==1.2.*` does not; a direct reference is taken for one."""
    if package.url is not None or "==" not in package.versions:
        return package.url is not None
    return any(
        one.operator == "===" or (one.operator == "==" and not one.version.endswith(".*")) for one in package.specifier
    )


def _unhashed(subject: Packages) -> Iterable[Finding]:
    for entry in subject.packages:
        _, _, fragment = (entry.value.url or "").partition("#")
        if not any(part.startswith(_HASHES) for part in fragment.split("&")):
            yield _at(
                entry,
                "the policy asks for the hash of every file",
                "Write NAME @ https://HOST/FILE.whl#sha256=HASH",
            )


def _direct(subject: Packages) -> Iterable[Finding]:
    for entry in subject.packages:
        if entry.value.url is not None:
            yield _at(
                entry, "the policy allows packages from indexes only", "Publish it to an index, and write its name"
            )


def _denied(subject: Packages) -> Iterable[Finding]:
    allowed, denied = subject.policy.allowed_packages, subject.policy.denied_packages
    if not allowed and not denied:
        return
    for entry in subject.packages:
        key = entry.value.key
        if key is None:
            yield _at(
                entry,
                "the policy names packages, and this reference does not say which it is",
                "Write NAME @ before it",
            )
        elif any(fnmatchcase(key, pattern) for pattern in denied):
            yield _at(entry, f"the policy denies {key}", "Ask your cluster's admins what to use in its place")
        elif allowed and not any(fnmatchcase(key, pattern) for pattern in allowed):
            yield _at(
                entry, f"{key} is not among the packages that the policy allows", "Ask your cluster's admins to add it"
            )


def _at(entry: Located[Package], reason: str, remedy: str) -> Finding:
    return Finding(path=entry.path, value=shown(entry.text), reason=reason, remedy=remedy)


RULES: Final = (
    Rule(
        id="requirement-standard-library",
        action=Action.WARN,
        summary="An entry is no module of Python's own library",
        bad="{packages: [json, requests]}",
        good="{packages: [requests]}",
    ),
    Rule(
        id="requirement-near-miss",
        action=Action.WARN,
        summary="An entry is not one letter away from a very popular package",
        bad="{packages: [reqeusts]}",
        good="{packages: [requests]}",
    ),
    Rule(
        id="requirement-marker",
        action=Action.WARN,
        summary="A marker can hold in some pod: Linux, Python 3.8 or later",
        bad="{packages: ['pywin32; sys_platform == \"win32\"']}",
        good="{packages: ['tomli; python_version < \"3.11\"']}",
    ),
    Rule(
        id="requirement-unpinned",
        action=Action.OFF,
        summary="An entry names one exact version",
        bad="{packages: ['requests>=2']}",
        good="{packages: [requests==2.32.3]}",
        check_packages=_unpinned,
        policy="rules: {requirement-unpinned: deny}",
    ),
    Rule(
        id="requirement-unhashed",
        action=Action.OFF,
        summary="An entry is a direct reference with the hash of its file",
        bad="{packages: [requests==2.32.3]}",
        good="{packages: ['mine @ https://files.example.com/mine-1.0-py3-none-any.whl#sha256="
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08']}",
        check_packages=_unhashed,
        policy="rules: {requirement-unhashed: deny}",
    ),
    Rule(
        id="direct-not-allowed",
        action=Action.OFF,
        summary="Packages come from indexes, not by direct reference",
        bad="{packages: ['mine @ https://files.example.com/mine-1.0-py3-none-any.whl']}",
        good="{packages: [mine==1.0]}",
        check_packages=_direct,
        policy="rules: {direct-not-allowed: deny}",
    ),
    Rule(
        id="package-not-allowed",
        action=Action.DENY,
        summary="A package is one that the policy allows, where it names any, and none that it denies",
        bad="{packages: [pycrypto]}",
        good="{packages: [pycryptodome]}",
        check_packages=_denied,
        policy="deniedPackages: [pycrypto]",
    ),
)
