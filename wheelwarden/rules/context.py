"""Reads the values of packages into what the rules look at: requirements, indexes, hosts, each with its place."""

from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from wheelwarden.api.violations import Fault, item_path
from wheelwarden.parsing.index_url import Index, TrustedHost, read_index, read_trusted_host
from wheelwarden.parsing.packages_spec import Reading
from wheelwarden.parsing.requirement import Package, read_package
from wheelwarden.rules.packages import remarks_on
from wheelwarden.rules.policy import Policy
from wheelwarden.rules.rule import Finding, Located, Packages, fault_finding, violation_finding

Read = TypeVar("Read", Package, Index, TrustedHost)
Findings = dict[str, list[Finding]]

# Different markers of one object that are tried; of more, nobody says whether they can hold.
MAX_JUDGED_MARKERS: Final = 48


def read_values(reading: Reading, base: str, policy: Policy) -> Packages:
    """Everything that the rules need to know about packages that stand at `base`."""
    found: Findings = {}
    for violation in reading.violations:
        found.setdefault(violation.rule, []).append(violation_finding(violation))
    spec = reading.spec
    # Beyond the limit nothing is looked at: `packages-limit` says so.
    entries = _entries(reading, "packages", spec.packages[: policy.max_packages], base)
    packages = _read_all(entries, read_package, found)
    markers = list(dict.fromkeys(entry.value.marker for entry in packages if entry.value.marker is not None))
    beyond = frozenset(markers[MAX_JUDGED_MARKERS:])
    for entry in packages:
        for fault in remarks_on(entry.text, marker=entry.value.marker not in beyond):
            found.setdefault(fault.rule, []).append(fault_finding(entry.path, entry.text, fault))
    urls = [] if spec.index_url is None else [(f"{base}.indexUrl", spec.index_url)]
    urls += _entries(reading, "extraIndexUrls", spec.extra_index_urls, base)
    trusted = _entries(reading, "trustedHosts", spec.trusted_hosts, base)
    return Packages(
        policy=policy,
        base=base,
        reading=reading,
        packages=packages,
        repeated=_repeated(packages),
        indexes=_read_all(urls, read_index, found),
        trusted_hosts=_read_all(trusted, read_trusted_host, found),
        found=found,
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
    entries: Iterable[tuple[str, str]], read: Callable[[str], Read | Fault], found: Findings
) -> tuple[Located[Read], ...]:
    good = []
    for path, text in entries:
        value = read(text)
        if isinstance(value, Fault):
            found.setdefault(value.rule, []).append(fault_finding(path, text, value))
        else:
            good.append(Located(path=path, text=text, value=value))
    return tuple(good)
