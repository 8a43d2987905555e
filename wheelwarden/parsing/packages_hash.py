"""The hash of what is to be installed: equal for requests that install the same, different otherwise.

It names the store directory, marks the pods that were injected for it and shows in the status. Counted are the packages
as a set of normalised requirements, `indexUrl` and `extraIndexUrls` in their order (they are tried in order) and
`trustedHosts` as a set. Not counted are retries, timeouts, volumes and credentials: they change how packages come, not
which.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

from wheelwarden.api.types import PackagesSpec
from wheelwarden.parsing.packages_spec import read_packages
from wheelwarden.parsing.requirement import normalize_requirement

# 96 bits: short enough for a directory name, a label and a line of `kubectl describe`; no accident finds a second one.
HASH_LENGTH: Final = 24  # hexadecimal digits
_VERSION: Final = 1  # to be raised with the meaning of the hash: every raise installs everything again


def compute_packages_hash(spec: PackagesSpec | Mapping[str, Any]) -> str:
    """The hash of a `pythonPackages`, 24 lower-case hexadecimal digits.

    Args:
        spec: the parsed model, or plain data such as `{"packages": ["requests==2.31.0"]}`. What has the wrong shape
            there counts as left out; see `validate_packages_spec`.
    """
    if not isinstance(spec, PackagesSpec):
        spec = read_packages(spec, "").spec
    return _hash(spec.packages, spec.index_url, spec.extra_index_urls, spec.trusted_hosts)


@lru_cache(maxsize=1024)
def _hash(
    packages: tuple[str, ...], index_url: str | None, extra_index_urls: tuple[str, ...], trusted_hosts: tuple[str, ...]
) -> str:
    counted = {
        "version": _VERSION,
        "packages": sorted({normalize_requirement(package) for package in packages}),
        "indexUrl": index_url,
        "extraIndexUrls": extra_index_urls,
        "trustedHosts": sorted({host.lower() for host in trusted_hosts}),
    }
    text = json.dumps(counted, sort_keys=True, separators=(",", ":"))  # ASCII, so that any text can be encoded
    return sha256(text.encode("ascii")).hexdigest()[:HASH_LENGTH]
