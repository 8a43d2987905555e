"""Rules on the hosts that packages come from, by index or by direct reference."""

import ipaddress
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

from wheelwarden.api.redaction import shown
from wheelwarden.api.violations import Action
from wheelwarden.parsing.hosts import matches
from wheelwarden.parsing.requirement import Package
from wheelwarden.rules.rule import Finding, Located, Packages, Rule

# Where clouds keep the credentials of a machine, by name and outside of the link-local ranges.
_METADATA_NAMES: Final = ("metadata", "metadata.google.internal", "metadata.goog", "instance-data")
_METADATA_ADDRESSES: Final = frozenset(
    {
        ipaddress.ip_address("100.100.100.200"),  # Alibaba Cloud
        ipaddress.ip_address("192.0.0.192"),  # Oracle Cloud
        ipaddress.ip_address("168.63.129.16"),  # Azure's wire server
        ipaddress.ip_address("fd00:ec2::254"),  # AWS
        ipaddress.ip_address("fd20:ce::254"),  # Google Cloud
    }
)


@lru_cache(maxsize=256)
def is_metadata_host(host: str) -> bool:
    """Whether a host is link-local (RFC 3927, RFC 4291) or a cloud's metadata service, in whatever writing."""
    host = host.rstrip(".").lower()
    if host in _METADATA_NAMES or host.startswith("instance-data."):
        return True
    address = _address(host)
    if address is None:
        return False
    mapped = getattr(address, "ipv4_mapped", None) or address
    return mapped.is_link_local or mapped in _METADATA_ADDRESSES


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return _loose_ipv4(host)


def _loose_ipv4(host: str) -> ipaddress.IPv4Address | None:
    """An address as the C library reads it too: `0xa9fea9fe`, `2852039166`, `169.254.43518` (inet_aton(3))."""
    try:
        parts = [
            int(part, 16) if part[:2] in ("0x", "0X") else int(part, 8) if part[:1] == "0" else int(part)
            for part in host.split(".")
        ]
    except ValueError:
        return None
    if len(parts) > 4 or any(part > 255 for part in parts[:-1]) or parts[-1] >= 256 ** (5 - len(parts)):
        return None
    number = parts[-1]
    for position, part in enumerate(parts[:-1]):
        number += part << (8 * (3 - position))
    return ipaddress.IPv4Address(number)


def _hosts(subject: Packages) -> Iterator[tuple[Located[Package] | None, str, str, str]]:
    """Every host: the entry where it is a package's, the path, the text and the host."""
    for index in subject.indexes:
        yield None, index.path, index.text, index.value.host
    for package in subject.packages:
        if package.value.host is not None:
            yield package, package.path, package.text, package.value.host


def _metadata(subject: Packages) -> Iterable[Finding]:
    for _, path, text, host in _hosts(subject):
        if is_metadata_host(host):
            yield Finding(
                path=path,
                value=shown(text),
                reason="this address is the cloud's metadata service or link-local: no packages are there, only credentials",
                remedy="Use the name of an index",
            )


def _not_allowed(subject: Packages) -> Iterable[Finding]:
    allowed = subject.policy.allowed_index_hosts
    if not allowed:
        return
    remedy = f"Use one of {', '.join(shown(host) for host in allowed[:10])}"
    for index in subject.indexes:
        if not matches(index.value.host, allowed):
            yield Finding(
                path=index.path,
                value=shown(index.text),
                reason=f"the policy allows no packages from {shown(index.value.host)}",
                remedy=remedy,
            )
    from_index = False
    for package in subject.packages:
        if package.value.url is None:
            from_index = True
        elif package.value.host is None or not matches(package.value.host, allowed):
            yield Finding(
                path=package.path,
                value=shown(package.text),
                reason="the policy allows no packages from the host of this reference",
                remedy=remedy,
            )
    if from_index and subject.spec.index_url is None and not subject.lost("indexUrl"):
        yield Finding(
            path=f"{subject.base}.indexUrl",
            value=None,
            reason="the policy names the hosts that packages may come from, and the default index is none of them",
            remedy=f"{remedy} as indexUrl",
        )


RULES: Final = (
    Rule(
        id="host-metadata",
        action=Action.DENY,
        summary="No host is link-local or a cloud's metadata service",
        bad="{packages: [requests], indexUrl: 'https://169.254.169.254/simple'}",
        good="{packages: [requests], indexUrl: 'https://packages.example.com/simple'}",
        check_packages=_metadata,
    ),
    Rule(
        id="host-not-allowed",
        action=Action.DENY,
        summary="Packages come from hosts that the policy allows, where it names any",
        bad="{packages: [requests], indexUrl: 'https://index.example.org/simple'}",
        good="{packages: [requests], indexUrl: 'https://packages.example.com/simple'}",
        check_packages=_not_allowed,
        policy="allowedIndexHosts: [packages.example.com]",
    ),
)
