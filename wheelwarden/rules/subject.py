"""Reads an object into the `Subject` that the rules look at."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from wheelwarden import names
from wheelwarden.indexes import Index, TrustedHost, read_index, read_trusted_host
from wheelwarden.parse import Reading
from wheelwarden.policy import Policy
from wheelwarden.request import packages_path, read_packages_of, split_modules, wrong_annotations
from wheelwarden.requirements import Package, read_package
from wheelwarden.rules.rule import Finding, KnownSecret, Located, Subject, fault_finding
from wheelwarden.targets import Kind, annotations_of
from wheelwarden.violations import Fault, Violation, item_path

Read = TypeVar("Read", Package, Index, TrustedHost)


def read_subject(
    obj: Mapping[str, Any],
    kind: Kind,
    policy: Policy,
    *,
    old: Mapping[str, Any] | None = None,
    secret: KnownSecret | None = None,
) -> Subject:
    """Everything that the rules need to know about an object, read once."""
    annotations = annotations_of(obj)
    reading = read_packages_of(obj, kind)
    reported: dict[str, list[Finding]] = {}
    for violation in (*(reading.violations if reading else ()), *wrong_annotations(annotations)):
        _report(reported, violation)
    base = packages_path(kind)
    packages: tuple[Located[Package], ...] = ()
    indexes: tuple[Located[Index], ...] = ()
    hosts: tuple[Located[TrustedHost], ...] = ()
    if reading is not None:
        spec = reading.spec
        # Beyond the limit nothing is looked at: `packages-limit` says so.
        entries = _entries(reading, "packages", spec.packages[: policy.max_packages], base)
        packages = _read_all(entries, read_package, reported)
        urls = [] if spec.index_url is None else [(f"{base}.indexUrl", spec.index_url)]
        urls += _entries(reading, "extraIndexUrls", spec.extra_index_urls, base)
        indexes = _read_all(urls, read_index, reported)
        trusted = _entries(reading, "trustedHosts", spec.trusted_hosts, base)
        hosts = _read_all(trusted, read_trusted_host, reported)
    modules = annotations.get(names.VERIFY_IMPORTS_ANNOTATION)
    return Subject(
        obj=obj,
        kind=kind,
        policy=policy,
        annotations=annotations,
        spec=None if reading is None else reading.spec,
        base=base,
        package_count=0 if reading is None else len(reading.spec.packages),
        packages=packages,
        indexes=indexes,
        trusted_hosts=hosts,
        modules=split_modules(modules) if isinstance(modules, str) else (),
        old=old,
        secret=secret,
        reported=reported,
    )


def _entries(reading: Reading, name: str, values: tuple[str, ...], base: str) -> list[tuple[str, str]]:
    positions = reading.positions.get(name) or range(len(values))
    return [(item_path(f"{base}.{name}", index), value) for index, value in zip(positions, values, strict=False)]


def _read_all(
    entries: Iterable[tuple[str, str]], read: Callable[[str], Read | Fault], reported: dict[str, list[Finding]]
) -> tuple[Located[Read], ...]:
    good = []
    for path, text in entries:
        value = read(text)
        if isinstance(value, Fault):
            reported.setdefault(value.rule, []).append(fault_finding(path, text, value))
        else:
            good.append(Located(path=path, text=text, value=value))
    return tuple(good)


def _report(reported: dict[str, list[Finding]], violation: Violation) -> None:
    finding = Finding(path=violation.path, value=violation.value, reason=violation.reason, remedy=violation.remedy)
    reported.setdefault(violation.rule, []).append(finding)
