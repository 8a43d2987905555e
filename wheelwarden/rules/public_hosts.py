"""The package indexes that anybody can publish to, or that mirror one: known without being written down.

`public_hosts.json` holds digests of their names. `python -m tools.generated hosts HOST…` adds to it; an admin names others
in clear, by `publicIndexHosts` of the policy.
"""

import hashlib
import json
from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Final

from wheelwarden.parsing.hosts import matches

DATA: Final = Path(__file__).with_name("public_hosts.json")


def host_digest(host: str) -> str:
    """What the data file holds of a host: SHA-256 of its name in lower case, without a dot at its end."""
    return hashlib.sha256(host.rstrip(".").lower().encode()).hexdigest()


@cache
def known_digests() -> frozenset[str]:
    """The digests of the data file."""
    return frozenset(json.loads(DATA.read_text())["sha256"])


@lru_cache(maxsize=256)
def is_public(host: str, named: Sequence[str] = ()) -> bool:
    """Whether anybody can publish to an index of that host.

    Args:
        host: as a URL has it.
        named: the policy's own, as in `publicIndexHosts`; hashable.
    """
    return matches(host, named) or host_digest(host) in known_digests()
