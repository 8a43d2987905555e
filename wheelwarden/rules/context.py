"""Reads an object into the `Subject` that the rules look at."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeVar

from wheelwarden.api import names
from wheelwarden.api.kinds import WorkloadKind
from wheelwarden.api.objects import annotations_of
from wheelwarden.api.types import PackagesSpec
from wheelwarden.api.violations import Fault, Violation, item_path
from wheelwarden.parsing.index_url import Index, TrustedHost, read_index, read_trusted_host
from wheelwarden.parsing.packages_spec import Reading, read_annotation
from wheelwarden.parsing.request import packages_path, read_packages_of, split_modules, wrong_annotations
from wheelwarden.parsing.requirement import Package, read_package
from wheelwarden.rules.packages import remarks_on
from wheelwarden.rules.policy import Policy
from wheelwarden.rules.rule import Finding, KnownSecret, Located, Subject, fault_finding

Read = TypeVar("Read", Package, Index, TrustedHost)
Findings = dict[str, list[Finding]]

# Different markers of one object that are tried; of more, nobody says whether they can hold.
MAX_JUDGED_MARKERS: Final = 48
_REMEMBERED_CHARACTERS: Final = 16 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class _Parts:
    """What is read of the packages alone; see `Subject`."""

    spec: PackagesSpec | None = None
    package_count: int = 0
    packages: tuple[Located[Package], ...] = ()
    repeated: tuple[tuple[Located[Package], ...], ...] = ()
    indexes: tuple[Located[Index], ...] = ()
    trusted_hosts: tuple[Located[TrustedHost], ...] = ()
    reported: Mapping[str, Sequence[Finding]]
    remarks: Mapping[str, Sequence[Finding]]


def read_subject(
    obj: Mapping[str, Any],
    kind: WorkloadKind,
    policy: Policy,
    *,
    old: Mapping[str, Any] | None = None,
    secret: KnownSecret | None = None,
) -> Subject:
    """Everything that the rules need to know about an object, read once."""
    annotations = annotations_of(obj)
    parts = _read_parts(obj, kind, annotations, policy.max_packages)
    reported = parts.reported
    wrong = wrong_annotations(annotations)
    if wrong:
        merged = {rule: list(findings) for rule, findings in reported.items()}
        for violation in wrong:
            _report(merged, violation)
        reported = merged
    modules = annotations.get(names.VERIFY_IMPORTS_ANNOTATION)
    return Subject(
        obj=obj,
        kind=kind,
        policy=policy,
        annotations=annotations,
        spec=parts.spec,
        base=packages_path(kind),
        package_count=parts.package_count,
        packages=parts.packages,
        repeated=parts.repeated,
        indexes=parts.indexes,
        trusted_hosts=parts.trusted_hosts,
        modules=split_modules(modules) if isinstance(modules, str) else (),
        old=old,
        secret=secret,
        reported=reported,
        remarks=parts.remarks,
    )


def _read_parts(obj: Mapping[str, Any], kind: WorkloadKind, annotations: Mapping[str, str], limit: int) -> _Parts:
    if not kind.packages_field:
        text = annotations.get(names.PACKAGES_ANNOTATION)
        if isinstance(text, str) and len(text) <= _REMEMBERED_CHARACTERS:
            return _read_text(text, packages_path(kind), limit)
    return _parts_of(read_packages_of(obj, kind), packages_path(kind), limit)


# An admission controller sees the same text again and again: at dry run, at creation, at every update.
@lru_cache(maxsize=256)
def _read_text(text: str, base: str, limit: int) -> _Parts:
    return _parts_of(read_annotation(text, base), base, limit)


def _parts_of(reading: Reading | None, base: str, limit: int) -> _Parts:
    reported: Findings = {}
    remarks: Findings = {}
    if reading is None:
        return _Parts(reported=reported, remarks=remarks)
    for violation in reading.violations:
        _report(reported, violation)
    spec = reading.spec
    # Beyond the limit nothing is looked at: `packages-limit` says so.
    entries = _entries(reading, "packages", spec.packages[:limit], base)
    packages = _read_all(entries, read_package, reported)
    markers = list(dict.fromkeys(entry.value.marker for entry in packages if entry.value.marker is not None))
    beyond = frozenset(markers[MAX_JUDGED_MARKERS:])
    for entry in packages:
        for fault in remarks_on(entry.text, marker=entry.value.marker not in beyond):
            remarks.setdefault(fault.rule, []).append(fault_finding(entry.path, entry.text, fault))
    urls = [] if spec.index_url is None else [(f"{base}.indexUrl", spec.index_url)]
    urls += _entries(reading, "extraIndexUrls", spec.extra_index_urls, base)
    trusted = _entries(reading, "trustedHosts", spec.trusted_hosts, base)
    return _Parts(
        spec=spec,
        package_count=len(spec.packages),
        packages=packages,
        repeated=_repeated(packages),
        indexes=_read_all(urls, read_index, reported),
        trusted_hosts=_read_all(trusted, read_trusted_host, reported),
        reported=reported,
        remarks=remarks,
    )


def _repeated(packages: Iterable[Located[Package]]) -> tuple[tuple[Located[Package], ...], ...]:
    groups: dict[str, list[Located[Package]]] = {}
    for entry in packages:
        if entry.value.key is not None:
            groups.setdefault(entry.value.key, []).append(entry)
    return tuple(tuple(group) for group in groups.values() if len(group) > 1)


def _entries(reading: Reading, name: str, values: tuple[str, ...], base: str) -> list[tuple[str, str]]:
    positions = reading.positions.get(name) or range(len(values))
    return [(item_path(f"{base}.{name}", index), value) for index, value in zip(positions, values, strict=False)]


def _read_all(
    entries: Iterable[tuple[str, str]], read: Callable[[str], Read | Fault], reported: Findings
) -> tuple[Located[Read], ...]:
    good = []
    for path, text in entries:
        value = read(text)
        if isinstance(value, Fault):
            reported.setdefault(value.rule, []).append(fault_finding(path, text, value))
        else:
            good.append(Located(path=path, text=text, value=value))
    return tuple(good)


def _report(reported: Findings, violation: Violation) -> None:
    finding = Finding(path=violation.path, value=violation.value, reason=violation.reason, remedy=violation.remedy)
    reported.setdefault(violation.rule, []).append(finding)
