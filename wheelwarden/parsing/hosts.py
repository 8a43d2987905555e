"""Host names, addresses and DNS names, as URLs and Kubernetes write them."""

import ipaddress
import re
from collections.abc import Sequence
from typing import Final

_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# RFC 1123, with the underscore that names of services in private networks have.
_HOST: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*\.?")
_SUBDOMAIN: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_NUMBERS: Final = re.compile(r"[0-9.]+")
_HOST_PORT: Final = re.compile(r"(?P<host>\[[^\[\]]*\]|[^:\[\]]*)(?::(?P<port>[0-9]{1,5}))?")


def is_host(host: str) -> bool:
    """Whether it is a host name, an IPv4 address or an IPv6 address without brackets; letter case does not matter."""
    if not host or len(host) > 253:
        return False
    if ":" in host or _NUMBERS.fullmatch(host):
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return False
        return True
    return _HOST.fullmatch(host.lower()) is not None


def is_subdomain(name: str) -> bool:
    """Whether it is a DNS-1123 subdomain, as most Kubernetes names are."""
    return len(name) <= 253 and _SUBDOMAIN.fullmatch(name) is not None


def matches(host: str, patterns: Sequence[str]) -> bool:
    """Whether a host is one of the names, or below one that begins with `*.`."""
    host = host.rstrip(".")
    return any(host == pattern or (pattern.startswith("*.") and host.endswith(pattern[1:])) for pattern in patterns)


def split_host_port(text: str) -> tuple[str, int | None] | None:
    """Host (lower case, without brackets) and port of `host`, `host:8080`, `[::1]`, `[::1]:8080` or `::1`.

    None where it is none of these.
    """
    if text.count(":") > 1 and "[" not in text:
        return (text.lower(), None) if is_host(text) else None
    match = _HOST_PORT.fullmatch(text)
    if match is None:
        return None
    host = match["host"]
    bracketed = host.startswith("[")
    host = host.strip("[]").lower()
    port = int(match["port"]) if match["port"] else None
    if not is_host(host) or bracketed != (":" in host) or (port is not None and not 0 < port < 65536):
        return None
    return host, port
