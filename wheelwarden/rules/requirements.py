"""Rules on the entries of `packages`: the grammar is read in `wheelwarden.requirements`, the rest is judged here."""

from collections.abc import Iterable
from typing import Final

from packaging.specifiers import Specifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from wheelwarden.imports import DISTRIBUTION_OF_IMPORT
from wheelwarden.redaction import shown
from wheelwarden.requirements import Package
from wheelwarden.rules.rule import Finding, Located, Rule, Subject, reported
from wheelwarden.violations import Action

_Entry = Located[Package]


def _variables(subject: Subject) -> Iterable[Finding]:
    yield from subject.reported.get("requirement-variable", ())
    allowed = subject.policy.allowed_variables
    for entry in subject.packages:
        denied = [name for name in entry.value.variables if name not in allowed]
        if denied:
            yield Finding(
                path=entry.path,
                value=shown(entry.text),
                reason=f"the policy does not allow the variable {', '.join(dict.fromkeys(denied))}",
                remedy=f"Use one of {', '.join(sorted(allowed))}"
                if allowed
                else "Keep the secret in credentials.secretRef",
            )


def _by_name(subject: Subject) -> list[list[_Entry]]:
    """Entries that ask for the same distribution under the same marker."""
    groups: dict[tuple[str, str | None], list[_Entry]] = {}
    for entry in subject.packages:
        if entry.value.key is not None:
            groups.setdefault((entry.value.key, entry.value.marker), []).append(entry)
    return list(groups.values())


def _duplicates(subject: Subject) -> Iterable[Finding]:
    for first, *others in _by_name(subject):
        for other in others:
            if _clash(first, other) is None:
                same = first.value.normal == other.value.normal
                yield Finding(
                    path=other.path,
                    value=shown(other.text),
                    reason=f"{other.value.key} is asked for already, {_short(first)}"
                    + ("" if same else "; both must hold"),
                    remedy="Drop one of them" if same else "Write one entry that says all, such as requests>=2,<3",
                )


def _conflicts(subject: Subject) -> Iterable[Finding]:
    for first, *others in _by_name(subject):
        for entry in (first, *others):
            reason = _impossible(entry.value.specifier)
            if reason:
                yield Finding(
                    path=entry.path, value=shown(entry.text), reason=reason, remedy="Widen one of the comparisons"
                )
        for other in others:
            reason = _clash(first, other)
            if reason:
                yield Finding(path=other.path, value=shown(other.text), reason=reason, remedy="Drop one of the two")


def _clash(first: _Entry, other: _Entry) -> str | None:
    """Why two entries cannot both hold; None where they can, as far as their text tells."""
    if first.value.url is not None and other.value.url is not None:
        if first.value.url == other.value.url:
            return None
        return f"{other.value.key} is asked for from another URL already, {_short(first)}"
    if _impossible(first.value.specifier) or _impossible(other.value.specifier):
        return None
    if _impossible(first.value.specifier & other.value.specifier):
        return f"no version fits both this and what is asked for already, {_short(first)}"
    return None


def _impossible(specifiers: SpecifierSet) -> str | None:
    """Why no version fits, None where one may: exact versions against all others, then the bounds."""
    if len(specifiers) < 2:
        return None
    for specifier in specifiers:
        if specifier.operator in ("==", "===") and not specifier.version.endswith(".*"):
            if not specifiers.contains(specifier.version, prereleases=True):
                return f"version {shown(specifier.version)} does not fit its other comparisons"
            return None
    lower = [version for one in specifiers if one.operator in (">", ">=", "~=") and (version := _version(one))]
    upper = [version for one in specifiers if one.operator in ("<", "<=") and (version := _version(one))]
    if lower and upper and (max(lower) > min(upper) or (max(lower) == min(upper) and _open(specifiers, max(lower)))):
        return f"no version is both above {max(lower)} and below {min(upper)}"
    return None


def _version(specifier: Specifier) -> Version | None:
    try:
        return Version(specifier.version)
    except InvalidVersion:
        return None


def _open(specifiers: SpecifierSet, bound: Version) -> bool:
    return any(one.operator in ("<", ">") and _version(one) == bound for one in specifiers)


def _short(entry: _Entry) -> str:
    return f"at {entry.path.rpartition('.')[2]}"


def _import_names(subject: Subject) -> Iterable[Finding]:
    for entry in subject.packages:
        key = entry.value.key
        meant = None if key is None or entry.value.url is not None else DISTRIBUTION_OF_IMPORT.get(key)
        if meant is not None:
            yield Finding(
                path=entry.path,
                value=shown(entry.text),
                reason=f"{entry.value.name} is the name that is imported; the package is called {meant}",
                remedy=f"Write {meant}",
            )


def _unnamed(subject: Subject) -> Iterable[Finding]:
    for entry in subject.packages:
        if entry.value.name is None:
            yield Finding(
                path=entry.path,
                value=shown(entry.text),
                reason="it does not say which package it is, so nobody can see that it is asked for twice",
                remedy="Write NAME @ before it",
            )


RULES: Final = (
    Rule(
        id="requirement-empty",
        action=Action.DENY,
        summary="No entry is empty",
        bad="{packages: [requests, '']}",
        good="{packages: [requests]}",
        check=reported("requirement-empty"),
    ),
    Rule(
        id="requirement-length",
        action=Action.DENY,
        summary="An entry has at most 512 characters",
        bad=f"{{packages: [requests>={'1' * 512}]}}",
        good="{packages: [requests]}",
        check=reported("requirement-length"),
    ),
    Rule(
        id="requirement-characters",
        action=Action.DENY,
        summary="An entry holds printable ASCII only: no line breaks, control characters or typographic quotes",
        bad='{packages: ["requests\\nnumpy"]}',
        good="{packages: [requests, numpy]}",
        check=reported("requirement-characters"),
    ),
    Rule(
        id="requirement-option",
        action=Action.DENY,
        summary="An entry is a package, not an option of pip",
        bad="{packages: ['--pre', requests]}",
        good="{packages: [requests]}",
        check=reported("requirement-option"),
    ),
    Rule(
        id="requirement-shell",
        action=Action.DENY,
        summary="An entry holds no text for a shell",
        bad="{packages: ['numpy; rm -rf /']}",
        good="{packages: [numpy]}",
        check=reported("requirement-shell"),
    ),
    Rule(
        id="requirement-local-path",
        action=Action.DENY,
        summary="An entry is no file of the pod or of the author",
        bad="{packages: [./mine.whl]}",
        good="{packages: ['mine @ https://files.example.com/mine-1.0-py3-none-any.whl']}",
        check=reported("requirement-local-path"),
    ),
    Rule(
        id="requirement-variable",
        action=Action.DENY,
        summary="${NAME} stands in direct references only, and only for names that the policy allows",
        bad="{packages: ['mine @ https://${TOKEN}@files.example.com/mine-1.0-py3-none-any.whl']}",
        good="{packages: ['mine @ https://files.example.com/mine-1.0-py3-none-any.whl']}",
        check=_variables,
    ),
    Rule(
        id="requirement-syntax",
        action=Action.DENY,
        summary="An entry is a requirement as PEP 508 and PEP 440 have it",
        bad="{packages: [requests=2.31.0]}",
        good="{packages: [requests==2.31.0]}",
        check=reported("requirement-syntax"),
    ),
    Rule(
        id="requirement-duplicate",
        action=Action.WARN,
        summary="A package is asked for once",
        bad="{packages: [zope.interface, Zope_Interface]}",
        good="{packages: [zope.interface]}",
        check=_duplicates,
    ),
    Rule(
        id="requirement-conflict",
        action=Action.DENY,
        summary="There can be a version that fits all that is asked for",
        bad="{packages: [requests==2.31.0, requests==2.32.0]}",
        good="{packages: [requests==2.32.0]}",
        check=_conflicts,
    ),
    Rule(
        id="requirement-import-name",
        action=Action.WARN,
        summary="An entry names the package, not the module that it brings, where the two are known to differ",
        bad="{packages: [sklearn]}",
        good="{packages: [scikit-learn]}",
        check=_import_names,
    ),
    Rule(
        id="direct-url",
        action=Action.DENY,
        summary="A direct reference is a valid URL with a host and a path",
        bad="{packages: ['mine @ https:///mine.whl']}",
        good="{packages: ['mine @ https://files.example.com/mine.whl']}",
        check=reported("direct-url"),
    ),
    Rule(
        id="direct-scheme",
        action=Action.DENY,
        summary="A direct reference is https, git+https or git+ssh",
        bad="{packages: ['mine @ svn+ssh://code.example.com/mine']}",
        good="{packages: ['mine @ git+ssh://git@code.example.com/team/mine.git@v1']}",
        check=reported("direct-scheme"),
    ),
    Rule(
        id="direct-http",
        action=Action.DENY,
        summary="A direct reference comes over an encrypted connection",
        bad="{packages: ['mine @ http://files.example.com/mine.whl']}",
        good="{packages: ['mine @ https://files.example.com/mine.whl']}",
        check=reported("direct-http"),
    ),
    Rule(
        id="direct-credentials",
        action=Action.DENY,
        summary="A direct reference holds no password and no token",
        bad="{packages: ['mine @ https://user:password@files.example.com/mine.whl']}",
        good="{packages: ['mine @ https://files.example.com/mine.whl']}",
        check=reported("direct-credentials"),
    ),
    Rule(
        id="direct-unnamed",
        action=Action.WARN,
        summary="A direct reference says which package it is",
        bad="{packages: ['git+https://code.example.com/team/mine.git@v1']}",
        good="{packages: ['mine @ git+https://code.example.com/team/mine.git@v1']}",
        check=_unnamed,
    ),
)
