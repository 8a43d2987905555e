"""Rules on the entries of `packages`: the grammar is read in `wheelwarden.parsing.requirement`, the rest is judged here."""

from collections.abc import Iterable, Sequence
from typing import Final

from wheelwarden.api.redaction import shown
from wheelwarden.api.violations import Action
from wheelwarden.parsing.markers import held_together
from wheelwarden.parsing.requirement import Package
from wheelwarden.parsing.specifier_conflicts import contradiction
from wheelwarden.rules.rule import Finding, Located, Packages, Rule

_Entry = Located[Package]
# Of one distribution; people write two or three. What is beyond is installed or refused by the installer.
MAX_REPEATS: Final = 20
MAX_MARKERS: Final = 4
# Of one object: distributions whose markers are held against each other. Beyond it nothing is said of those with markers.
MAX_MARKED_GROUPS: Final = 12


def _variables(subject: Packages) -> Iterable[Finding]:
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


def _duplicates(subject: Packages) -> Iterable[Finding]:
    found = _all_clashes(subject)
    for group, conflicts in zip(subject.repeated, found, strict=True):
        first_by_marker: dict[str | None, _Entry] = {}
        for other in group:
            first = first_by_marker.setdefault(other.value.marker, other)
            if first is not other and other.path not in conflicts:
                same = first.value.normal == other.value.normal
                yield Finding(
                    path=other.path,
                    value=shown(other.text),
                    reason=f"{other.value.key} is asked for already, {_places([first])}"
                    + ("" if same else "; both must hold"),
                    remedy="Drop one of them" if same else "Write one entry that says all, such as requests>=2,<3",
                )


def _conflicts(subject: Packages) -> Iterable[Finding]:
    for conflicts in _all_clashes(subject):
        for other, reason in conflicts.values():
            yield Finding(
                path=other.path,
                value=shown(other.text),
                reason=reason,
                remedy="Drop one of them, or change its versions or its marker",
            )


def _all_clashes(subject: Packages) -> list[dict[str, tuple[_Entry, str]]]:
    """The clashes of each group of an object, within what judging one object may cost."""
    found, marked = [], 0
    for group in subject.repeated:
        marked += any(entry.value.marker is not None for entry in group)
        unmarked = [entry for entry in group if entry.value.marker is None]
        found.append(clashes(group if marked <= MAX_MARKED_GROUPS else unmarked))
    return found


def clashes(group: Sequence[_Entry]) -> dict[str, tuple[_Entry, str]]:
    """The entries of one distribution that cannot be had beside those before them, by path, each with the reason.

    Only what can hold in the same pod counts: `a==1; python_version < "3.11"` and `a==2; python_version >= "3.11"` go
    together.
    """
    markers = [marker for marker in dict.fromkeys(entry.value.marker for entry in group) if marker is not None]
    found: dict[str, tuple[_Entry, str]] = {}
    for together in held_together(frozenset(markers[:MAX_MARKERS])):
        before: list[_Entry] = []
        for entry in group[:MAX_REPEATS]:
            if entry.value.contradiction or not (entry.value.marker is None or entry.value.marker in together):
                continue
            reason = _clash(before, entry)
            if reason is None:
                before.append(entry)
            else:
                found.setdefault(entry.path, (entry, reason))
    return found


def _clash(before: Sequence[_Entry], entry: _Entry) -> str | None:
    """Why an entry cannot hold beside those before it; None where it can, as far as the text tells."""
    if entry.value.url is not None:
        others = [one for one in before if one.value.url not in (None, entry.value.url)]
        return f"{entry.value.key} is asked for from another URL already, {_places(others[:1])}" if others else None
    together = entry.value.specifier
    for one in before:
        together &= one.value.specifier
    if contradiction(together) is None:
        return None
    pair = [one for one in before if contradiction(one.value.specifier & entry.value.specifier)]
    if pair:
        return f"no version fits both this and what is asked for already, {_places(pair[:1])}"
    return f"no version fits this and all that is asked for already, {_places(before)}"


def _places(entries: Iterable[_Entry]) -> str:
    return f"at {', '.join(entry.path.rpartition('.')[2] for entry in entries)}"


RULES: Final = (
    Rule(
        id="requirement-empty",
        action=Action.DENY,
        summary="No entry is empty",
        bad="{packages: [requests, '']}",
        good="{packages: [requests]}",
    ),
    Rule(
        id="requirement-length",
        action=Action.DENY,
        summary="An entry has at most 512 characters",
        bad=f"{{packages: [requests>={'1' * 512}]}}",
        good="{packages: [requests]}",
    ),
    Rule(
        id="requirement-characters",
        action=Action.DENY,
        summary="An entry holds printable ASCII only: no line breaks, control characters or typographic quotes",
        bad='{packages: ["requests\\nnumpy"]}',
        good="{packages: [requests, numpy]}",
    ),
    Rule(
        id="requirement-option",
        action=Action.DENY,
        summary="An entry is a package, not an option of pip",
        bad="{packages: ['--pre', requests]}",
        good="{packages: [requests]}",
    ),
    Rule(
        id="requirement-shell",
        action=Action.DENY,
        summary="An entry holds no text for a shell",
        bad="{packages: ['numpy; rm -rf /']}",
        good="{packages: [numpy]}",
    ),
    Rule(
        id="requirement-local-path",
        action=Action.DENY,
        summary="An entry is no file of the pod or of the author",
        bad="{packages: [./mine.whl]}",
        good="{packages: ['mine @ https://files.example.com/mine-1.0-py3-none-any.whl']}",
    ),
    Rule(
        id="requirement-variable",
        action=Action.DENY,
        summary="${NAME} stands in direct references only, and only for names that the policy allows",
        bad="{packages: ['mine @ https://${TOKEN}@files.example.com/mine-1.0-py3-none-any.whl']}",
        good="{packages: ['mine @ https://files.example.com/mine-1.0-py3-none-any.whl']}",
        check_packages=_variables,
    ),
    Rule(
        id="requirement-syntax",
        action=Action.DENY,
        summary="An entry is a requirement as PEP 508 and PEP 440 have it",
        bad="{packages: [requests=2.31.0]}",
        good="{packages: [requests==2.31.0]}",
    ),
    Rule(
        id="requirement-duplicate",
        action=Action.WARN,
        summary="A package is asked for once",
        bad="{packages: [zope.interface, Zope_Interface]}",
        good="{packages: [zope.interface]}",
        check_packages=_duplicates,
    ),
    Rule(
        id="requirement-conflict",
        action=Action.DENY,
        summary="There can be a version that fits all that is asked for",
        bad="{packages: [requests==2.31.0, requests==2.32.0]}",
        good="{packages: [requests==2.32.0]}",
        check_packages=_conflicts,
    ),
    Rule(
        id="requirement-import-name",
        action=Action.WARN,
        summary="An entry names the package, not the module that it brings, where the two are known to differ",
        bad="{packages: [sklearn]}",
        good="{packages: [scikit-learn]}",
    ),
    Rule(
        id="direct-url",
        action=Action.DENY,
        summary="A direct reference is a valid URL with a host and a path",
        bad="{packages: ['mine @ https:///mine.whl']}",
        good="{packages: ['mine @ https://files.example.com/mine.whl']}",
    ),
    Rule(
        id="direct-scheme",
        action=Action.DENY,
        summary="A direct reference is https, git+https or git+ssh",
        bad="{packages: ['mine @ svn+ssh://code.example.com/mine']}",
        good="{packages: ['mine @ git+ssh://git@code.example.com/team/mine.git@v1']}",
    ),
    Rule(
        id="direct-http",
        action=Action.DENY,
        summary="A direct reference comes over an encrypted connection",
        bad="{packages: ['mine @ http://files.example.com/mine.whl']}",
        good="{packages: ['mine @ https://files.example.com/mine.whl']}",
    ),
    Rule(
        id="direct-credentials",
        action=Action.DENY,
        summary="A direct reference holds no password and no token",
        bad="{packages: ['mine @ https://user:password@files.example.com/mine.whl']}",
        good="{packages: ['mine @ https://files.example.com/mine.whl']}",
    ),
    Rule(
        id="direct-unnamed",
        action=Action.WARN,
        summary="A direct reference says which package it is",
        bad="{packages: ['git+https://code.example.com/team/mine.git@v1']}",
        good="{packages: ['mine @ git+https://code.example.com/team/mine.git@v1']}",
    ),
)
