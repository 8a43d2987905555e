"""What a rule is, and what it sees."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from wheelwarden.api.kinds import WorkloadKind
from wheelwarden.api.redaction import shown
from wheelwarden.api.types import PackagesSpec
from wheelwarden.api.violations import Action, Fault
from wheelwarden.parsing.index_url import Index, TrustedHost
from wheelwarden.parsing.requirement import Package
from wheelwarden.parsing.suggestions import nearest
from wheelwarden.rules.policy import Policy

Read = TypeVar("Read")


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that a rule found: a violation without the rule's id and action."""

    path: str
    value: str | None
    reason: str
    remedy: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Located(Generic[Read]):
    """A value that was read, as it was written and where it stands."""

    path: str
    text: str
    value: Read


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownSecret:
    """What was found of the Secret that credentials name: the names of its keys, never their values."""

    exists: bool
    keys: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """One object, read: all that a rule may look at.

    Attributes:
        obj: the whole object.
        kind: Notebook or KasprApp.
        policy: what the admin allows.
        annotations: the object's annotations whose values are strings.
        spec: what packages are asked for; None where none are.
        base: where `spec` stands.
        package_count: entries of `packages`, more than `packages` holds where there are too many.
        packages: the entries that can be read.
        repeated: those of `packages` that ask for the same distribution, where several do.
        indexes: `indexUrl` first, then `extraIndexUrls`, those that can be read.
        trusted_hosts: the entries that can be read.
        modules: the entries of `verify-imports`, as written.
        old: what the object was before an update; None at its creation, and offline.
        secret: the Secret that credentials name; None where nobody looked.
        reported: what was found while reading, by rule id.
        remarks: what there is to say of single packages that can be read, by rule id.
    """

    obj: Mapping[str, Any]
    kind: WorkloadKind
    policy: Policy
    annotations: Mapping[str, str]
    spec: PackagesSpec | None
    base: str
    package_count: int
    packages: tuple[Located[Package], ...]
    repeated: tuple[tuple[Located[Package], ...], ...]
    indexes: tuple[Located[Index], ...]
    trusted_hosts: tuple[Located[TrustedHost], ...]
    modules: tuple[str, ...]
    old: Mapping[str, Any] | None
    secret: KnownSecret | None
    reported: Mapping[str, Sequence[Finding]]
    remarks: Mapping[str, Sequence[Finding]]

    def lost(self, *fields: str) -> bool:
        """Whether one of the fields may have been meant and could not be read: nothing is said of what is not there.

        Args:
            fields: paths below `base`, such as `indexUrl` or `cache.gcs`.
        """
        return bool(self.reported) and any(self._lost(field) for field in fields)

    def _lost(self, field: str) -> bool:
        path = f"{self.base}.{field}"
        for finding in (*self.reported.get("shape-syntax", ()), *self.reported.get("shape-type", ())):
            # Of the field itself, of something in it, or of something around it.
            if f"{finding.path}.".startswith((f"{path}.", f"{path}[")) or path.startswith(f"{finding.path}."):
                return True
        parent, _, name = path.rpartition(".")
        # A misspelt name of it.
        return any(
            finding.path.startswith(parent) and nearest(finding.path[len(parent) :].strip(".[]"), (name,))
            for finding in self.reported.get("shape-unknown-field", ())
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """One rule: one entry of the table.

    Attributes:
        id: what policies, messages and documentation call it.
        action: what follows from a violation where the policy says nothing else.
        summary: what it asks for, in one line.
        bad: an example that breaks it, and no other rule that denies; YAML of `pythonPackages`, or of an object where
            it has `metadata` or `spec`.
        good: the same, mended.
        policy: the policy, as YAML, under which the bad example is one; empty where the default one will do.
        before: the object before an update, written as `bad` is; empty where the bad example is bad from the start.
        check: finds every violation.
    """

    id: str
    action: Action
    summary: str
    bad: str
    good: str
    check: Callable[[Subject], Iterable[Finding]]
    policy: str = ""
    before: str = ""


@dataclass(frozen=True, slots=True)
class Reported:
    """The check of a rule whose violations are found while the object is read."""

    rule: str

    def __call__(self, subject: Subject) -> Iterable[Finding]:
        """What was found."""
        return subject.reported.get(self.rule, ())


@dataclass(frozen=True, slots=True)
class Remarked:
    """The check of a rule that looks at one package alone, so that its remark can be remembered with the package."""

    rule: str

    def __call__(self, subject: Subject) -> Iterable[Finding]:
        """What there is to say."""
        return subject.remarks.get(self.rule, ())


def fault_finding(path: str, text: str, fault: Fault) -> Finding:
    """A fault of a value, with its place."""
    return Finding(path=path, value=shown(text), reason=fault.reason, remedy=fault.remedy)
