"""Rules on which packages are asked for: likely mistakes, and what the policy allows. All read what could be read."""

import sys
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Final

from packaging.utils import canonicalize_name

from wheelwarden.imports import DISTRIBUTION_OF_IMPORT
from wheelwarden.markers import can_hold
from wheelwarden.popular import POPULAR, near_miss
from wheelwarden.redaction import shown
from wheelwarden.requirements import Package
from wheelwarden.rules.rule import Finding, Located, Rule, Subject
from wheelwarden.violations import Action

_STANDARD_LIBRARY: Final = frozenset(
    canonicalize_name(name) for name in sys.stdlib_module_names if not name.startswith("_")
)
_HASHES: Final = ("sha256=", "sha384=", "sha512=")


def _from_indexes(subject: Subject) -> Iterator[Located[Package]]:
    """The entries that an index is asked for."""
    for entry in subject.packages:
        if entry.value.key is not None and entry.value.url is None:
            yield entry


def _standard_library(subject: Subject) -> Iterable[Finding]:
    for entry in _from_indexes(subject):
        if entry.value.key in _STANDARD_LIBRARY and entry.value.key not in POPULAR:
            yield _at(
                entry,
                f"{entry.value.name} is part of Python itself; a package of this name is a backport or a stranger's",
                "Drop it",
            )


def _near_misses(subject: Subject) -> Iterable[Finding]:
    for entry in _from_indexes(subject):
        key = str(entry.value.key)
        if key in _STANDARD_LIBRARY or key in DISTRIBUTION_OF_IMPORT:
            continue  # said better by another rule
        meant = near_miss(key)
        if meant is not None:
            yield _at(
                entry,
                f"it is one letter away from {meant}, which nearly everybody means",
                f'Did you mean "{meant}"?',
            )


def _markers(subject: Subject) -> Iterable[Finding]:
    for entry in subject.packages:
        if entry.value.marker is not None and not can_hold(entry.value.marker):
            yield _at(
                entry,
                "its marker holds in no pod (Linux, Python 3.8 or later), so it would never be installed",
                "Drop the entry, or correct what follows the semicolon",
            )


def _unpinned(subject: Subject) -> Iterable[Finding]:
    for entry in _from_indexes(subject):
        if not is_pinned(entry.value):
            yield _at(entry, "the policy asks for one exact version", f"Write {entry.value.name}==VERSION")


def is_pinned(package: Package) -> bool:
    """Whether only one version fits: `==1.2.3` does it, `==1.2.*` does not; a direct reference is taken for one."""
    return package.url is not None or any(
        one.operator == "===" or (one.operator == "==" and not one.version.endswith(".*")) for one in package.specifier
    )


def _unhashed(subject: Subject) -> Iterable[Finding]:
    for entry in subject.packages:
        _, _, fragment = (entry.value.url or "").partition("#")
        if not any(part.startswith(_HASHES) for part in fragment.split("&")):
            yield _at(
                entry,
                "the policy asks for the hash of every file",
                "Write NAME @ https://HOST/FILE.whl#sha256=HASH",
            )


def _direct(subject: Subject) -> Iterable[Finding]:
    for entry in subject.packages:
        if entry.value.url is not None:
            yield _at(
                entry, "the policy allows packages from indexes only", "Publish it to an index, and write its name"
            )


def _denied(subject: Subject) -> Iterable[Finding]:
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
        check=_standard_library,
    ),
    Rule(
        id="requirement-near-miss",
        action=Action.WARN,
        summary="An entry is not one letter away from a very popular package",
        bad="{packages: [reqeusts]}",
        good="{packages: [requests]}",
        check=_near_misses,
    ),
    Rule(
        id="requirement-marker",
        action=Action.WARN,
        summary="A marker can hold in some pod: Linux, Python 3.8 or later",
        bad="{packages: ['pywin32; sys_platform == \"win32\"']}",
        good="{packages: ['tomli; python_version < \"3.11\"']}",
        check=_markers,
    ),
    Rule(
        id="requirement-unpinned",
        action=Action.OFF,
        summary="An entry names one exact version",
        bad="{packages: ['requests>=2']}",
        good="{packages: [requests==2.32.3]}",
        check=_unpinned,
        policy="rules: {requirement-unpinned: deny}",
    ),
    Rule(
        id="requirement-unhashed",
        action=Action.OFF,
        summary="An entry is a direct reference with the hash of its file",
        bad="{packages: [requests==2.32.3]}",
        good="{packages: ['mine @ https://files.example.com/mine-1.0-py3-none-any.whl#sha256="
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08']}",
        check=_unhashed,
        policy="rules: {requirement-unhashed: deny}",
    ),
    Rule(
        id="direct-not-allowed",
        action=Action.OFF,
        summary="Packages come from indexes, not by direct reference",
        bad="{packages: ['mine @ https://files.example.com/mine-1.0-py3-none-any.whl']}",
        good="{packages: [mine==1.0]}",
        check=_direct,
        policy="rules: {direct-not-allowed: deny}",
    ),
    Rule(
        id="package-not-allowed",
        action=Action.DENY,
        summary="A package is one that the policy allows, where it names any, and none that it denies",
        bad="{packages: [pycrypto]}",
        good="{packages: [pycryptodome]}",
        check=_denied,
        policy="deniedPackages: [pycrypto]",
    ),
)
