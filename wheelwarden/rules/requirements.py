"""Rules on the entries of `packages`: the grammar is read in `wheelwarden.requirements`, the rest is judged here."""

from collections.abc import Iterable
from typing import Final

from wheelwarden.redaction import shown
from wheelwarden.requirements import Package
from wheelwarden.rules.rule import Finding, Located, Remarked, Reported, Rule, Subject
from wheelwarden.versions import contradiction
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


def _duplicates(subject: Subject) -> Iterable[Finding]:
    for first, *others in subject.repeated:
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
    yield from subject.remarks.get("requirement-conflict", ())
    for first, *others in subject.repeated:
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
    if first.value.contradiction or other.value.contradiction:
        return None
    if contradiction(first.value.specifier & other.value.specifier):
        return f"no version fits both this and what is asked for already, {_short(first)}"
    return None


def _short(entry: _Entry) -> str:
    return f"at {entry.path.rpartition('.')[2]}"


RULES: Final = (
    Rule(
        id="requirement-empty",
        action=Action.DENY,
        summary="No entry is empty",
        bad="{packages: [requests, '']}",
        good="{packages: [requests]}",
        check=Reported("requirement-empty"),
    ),
    Rule(
        id="requirement-length",
        action=Action.DENY,
        summary="An entry has at most 512 characters",
        bad=f"{{packages: [requests>={'1' * 512}]}}",
        good="{packages: [requests]}",
        check=Reported("requirement-length"),
    ),
    Rule(
        id="requirement-characters",
        action=Action.DENY,
        summary="An entry holds printable ASCII only: no line breaks, control characters or typographic quotes",
        bad='{packages: ["requests\\nnumpy"]}',
        good="{packages: [requests, numpy]}",
        check=Reported("requirement-characters"),
    ),
    Rule(
        id="requirement-option",
        action=Action.DENY,
        summary="An entry is a package, not an option of pip",
        bad="{packages: ['--pre', requests]}",
        good="{packages: [requests]}",
        check=Reported("requirement-option"),
    ),
    Rule(
        id="requirement-shell",
        action=Action.DENY,
        summary="An entry holds no text for a shell",
        bad="{packages: ['numpy; rm -rf /']}",
        good="{packages: [numpy]}",
        check=Reported("requirement-shell"),
    ),
    Rule(
        id="requirement-local-path",
        action=Action.DENY,
        summary="An entry is no file of the pod or of the author",
        bad="{packages: [./mine.whl]}",
        good="{packages: ['mine @ https://files.example.com/mine-1.0-py3-none-any.whl']}",
        check=Reported("requirement-local-path"),
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
        check=Reported("requirement-syntax"),
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
        check=Remarked("requirement-import-name"),
    ),
    Rule(
        id="direct-url",
        action=Action.DENY,
        summary="A direct reference is a valid URL with a host and a path",
        bad="{packages: ['mine @ https:///mine.whl']}",
        good="{packages: ['mine @ https://files.example.com/mine.whl']}",
        check=Reported("direct-url"),
    ),
    Rule(
        id="direct-scheme",
        action=Action.DENY,
        summary="A direct reference is https, git+https or git+ssh",
        bad="{packages: ['mine @ svn+ssh://code.example.com/mine']}",
        good="{packages: ['mine @ git+ssh://git@code.example.com/team/mine.git@v1']}",
        check=Reported("direct-scheme"),
    ),
    Rule(
        id="direct-http",
        action=Action.DENY,
        summary="A direct reference comes over an encrypted connection",
        bad="{packages: ['mine @ http://files.example.com/mine.whl']}",
        good="{packages: ['mine @ https://files.example.com/mine.whl']}",
        check=Reported("direct-http"),
    ),
    Rule(
        id="direct-credentials",
        action=Action.DENY,
        summary="A direct reference holds no password and no token",
        bad="{packages: ['mine @ https://user:password@files.example.com/mine.whl']}",
        good="{packages: ['mine @ https://files.example.com/mine.whl']}",
        check=Reported("direct-credentials"),
    ),
    Rule(
        id="direct-unnamed",
        action=Action.WARN,
        summary="A direct reference says which package it is",
        bad="{packages: ['git+https://code.example.com/team/mine.git@v1']}",
        good="{packages: ['mine @ git+https://code.example.com/team/mine.git@v1']}",
        check=Remarked("direct-unnamed"),
    ),
)
