"""Index URLs and trusted hosts: taken apart, or refused with a reason that helps."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from wheelwarden.api.violations import Fault
from wheelwarden.parsing.hosts import is_host, split_host_port

MAX_LENGTH: Final = 2048  # characters, as browsers and proxies have it
HTTPS_PORT: Final = 443
DEFAULT_PORTS: Final = {"http": 80, "https": HTTPS_PORT}

# RFC 3986 without what a shell would read and without "@", "?" and "#", which have words of their own.
_NOT_IN_URL: Final = re.compile(r"[^A-Za-z0-9._~:/\[\]!+,=%-]")
_BAD_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_FORM: Final = "Write it as https://HOST/PATH, such as https://packages.example.com/simple"


@dataclass(frozen=True, kw_only=True, slots=True)
class Index:
    """One index URL.

    Attributes:
        scheme: `http` or `https`.
        host: lower case, without brackets.
        port: as written or the scheme's own.
        normal: equal for URLs that mean the same index.
    """

    scheme: str
    host: str
    port: int
    normal: str


@dataclass(frozen=True, kw_only=True, slots=True)
class TrustedHost:
    """One entry of `trustedHosts`; without a port it stands for all ports of the host."""

    host: str
    port: int | None

    def covers(self, host: str, port: int) -> bool:
        """Whether connections to that host and port are trusted by this entry."""
        return self.host == host and self.port in (None, port)


@lru_cache(maxsize=256)
def read_index(url: str) -> Index | Fault:
    """Reads an index URL: the index, or what is wrong with it. Nothing makes it raise."""
    if len(url) > MAX_LENGTH:
        return _bad_url(f"it has {len(url)} characters, more than {MAX_LENGTH}")
    scheme, separator, rest = url.partition("://")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0] if separator else ""
    if "@" in url:
        return Fault(
            rule="index-credentials",
            reason="user and password stand in the URL for all to read",
            remedy="Keep them in a Secret, name that in credentials.secretRef, and write the URL without them",
        )
    if not separator or scheme.lower() not in DEFAULT_PORTS:
        return _bad_url("it does not begin with https:// or http://")
    if "?" in rest or "#" in rest:
        return _bad_url("an index has no query and no fragment")
    odd = _NOT_IN_URL.search(url)
    if odd:
        character = odd.group()
        name = {" ": "a space", "\n": "a line break"}.get(character, character if character.isprintable() else "")
        return _bad_url(f"it holds {name or f'the character U+{ord(character):04X}'}, which cannot stand in a URL")
    if _BAD_PERCENT.search(url):
        return _bad_url("a % must be followed by two hexadecimal digits")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return _bad_url("its host or port is not valid")
    if not authority or not host or not is_host(host) or port == 0:
        return _bad_url("it names no valid host")
    port = port or DEFAULT_PORTS[parts.scheme]
    shown_host = f"[{host}]" if ":" in host else host
    return Index(
        scheme=parts.scheme,
        host=host,
        port=port,
        normal=f"{parts.scheme}://{shown_host}:{port}{parts.path.rstrip('/')}",
    )


@lru_cache(maxsize=256)
def read_trusted_host(text: str) -> TrustedHost | Fault:
    """Reads an entry of `trustedHosts`: `host`, `host:8443`, `[::1]:8443` or `::1`. Nothing makes it raise."""
    split = split_host_port(text)
    if split is not None:
        return TrustedHost(host=split[0], port=split[1])
    remedy = "Write the host alone, or HOST:PORT, such as packages.example.com:8443"
    if "://" in text or "/" in text:
        reason = "it is a URL or a path, not a host"
    elif "*" in text:
        reason = "there are no patterns here"
        remedy = "Write each host as an entry of its own"
    else:
        reason = "it is no host name or address"
    return Fault(rule="trusted-host", reason=reason, remedy=remedy)


def _bad_url(reason: str) -> Fault:
    return Fault(rule="index-url", reason=reason, remedy=_FORM)
