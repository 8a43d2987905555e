"""What a rule is, and what it sees."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from wheelwarden.api.kinds import WorkloadKind
from wheelwarden.api.redaction import shown
from wheelwarden.api.types import PackagesSpec
from wheelwarden.api.violations import Action, Fault, Violation
from wheelwarden.parsing.index_url import Index, TrustedHost
from wheelwarden.parsing.packages_spec import Reading
from wheelwarden.parsing.request import LocatedRequest
from wheelwarden.parsing.requirement import Package
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
class Packages:
    """The packages that an object asks for: all that a rule on them may look at, whatever the object around them.

    Attributes:
        policy: what the admin allows.
        base: where they stand.
        reading: as they were read.
        packages: the entries that can be read.
        repeated: those of `packages` that ask for the same distribution, where several do.
        indexes: `indexUrl` first, then `extraIndexUrls`, those that can be read.
        trusted_hosts: the entries that can be read.
        found: what is wrong with single values, by rule id.
    """

    policy: Policy
    base: str
    reading: Reading
    packages: tuple[Located[Package], ...]
    repeated: tuple[tuple[Located[Package], ...], ...]
    indexes: tuple[Located[Index], ...]
    trusted_hosts: tuple[Located[TrustedHost], ...]
    found: Mapping[str, Sequence[Finding]]

    @property
    def spec(self) -> PackagesSpec:
        """All that could be read."""
        return self.reading.spec

    @property
    def package_count(self) -> int:
        """Entries of `packages`, also those that cannot be read, and those beyond the limit of the policy."""
        return len(self.reading.spec.packages)

    def lost(self, *fields: str) -> bool:
        """Whether one of the fields may have been meant and could not be read; see `Reading.lost`."""
        return self.reading.lost(self.base, *fields)


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """One object, read: all that a rule may look at that judges more than the packages.

    Attributes:
        located: the object and what it asks for.
        policy: what the admin allows.
        old: what the object asked for before an update; None at its creation, and offline.
        secret: the Secret that credentials name; None where nobody looked.
    """

    located: LocatedRequest
    policy: Policy
    old: LocatedRequest | None
    secret: KnownSecret | None

    @property
    def obj(self) -> Mapping[str, Any]:
        """The whole object."""
        return self.located.obj

    @property
    def kind(self) -> WorkloadKind:
        """Notebook or KasprApp."""
        return self.located.kind

    @property
    def annotations(self) -> Mapping[str, Any]:
        """Those of the object; offline, a value may be no string."""
        return self.located.annotations

    @property
    def base(self) -> str:
        """Where the packages stand."""
        return self.located.base

    @property
    def spec(self) -> PackagesSpec | None:
        """What packages are asked for; None where none are."""
        return None if self.located.reading is None else self.located.reading.spec

    @property
    def package_count(self) -> int:
        """Entries of `packages`."""
        return 0 if self.spec is None else len(self.spec.packages)

    @property
    def modules(self) -> tuple[str, ...]:
        """The entries of `verify-imports`, as written."""
        return self.located.modules

    def lost(self, *fields: str) -> bool:
        """Whether one of the fields may have been meant and could not be read; see `Reading.lost`."""
        return self.located.reading is not None and self.located.reading.lost(self.base, *fields)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """One rule: one entry of the table. One without a check is found while the packages are read.

    Attributes:
        id: what policies, messages and documentation call it.
        action: what follows from a violation where the policy says nothing else.
        summary: what it asks for, in one line.
        bad: an example that breaks it, and no other rule that denies; YAML of `pythonPackages`, or of an object where
            it has `metadata` or `spec`.
        good: the same, mended.
        policy: the policy, as YAML, under which the bad example is one; empty where the default one will do.
        before: the object before an update, written as `bad` is; empty where the bad example is bad from the start.
        check_packages: finds every violation in the packages; what it finds is remembered with them.
        check: finds every violation in the object.
    """

    id: str
    action: Action
    summary: str
    bad: str
    good: str
    check_packages: Callable[[Packages], Iterable[Finding]] | None = None
    check: Callable[[Subject], Iterable[Finding]] | None = None
    policy: str = ""
    before: str = ""


def fault_finding(path: str, text: str, fault: Fault) -> Finding:
    """A fault of a value, with its place."""
    return Finding(path=path, value=shown(text), reason=fault.reason, remedy=fault.remedy)


def violation_finding(violation: Violation) -> Finding:
    """What was found wrong with a shape, for the policy to decide what follows from it."""
    return Finding(path=violation.path, value=violation.value, reason=violation.reason, remedy=violation.remedy)
