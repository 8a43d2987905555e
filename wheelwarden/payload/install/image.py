"""The image that the installer runs in: its interpreter and its packages."""

from __future__ import annotations

import os
import sys

from wheelwarden.payload.common.distributions import split_metadata_name


def store_key(packages_hash: str) -> str:
    """The name of a directory in the store: the packages' hash, and the properties of the image that the set depends on."""
    return f"{packages_hash}-{interpreter_tag()}-{image_digest()}"


def python_version() -> str:
    """The version of the interpreter, such as `3.11.2`."""
    return ".".join(str(part) for part in sys.version_info[:3])


def interpreter_tag() -> str:
    """Interpreter, platform and C library, such as `cp311-linux_x86_64-glibc`: compiled packages depend on them."""
    implementation = "cp" if sys.implementation.name == "cpython" else sys.implementation.name
    try:
        libc = "glibc" if os.confstr("CS_GNU_LIBC_VERSION") else "musl"
    except (OSError, ValueError):  # musl knows the name and returns an error
        libc = "musl"
    major, minor = sys.version_info[:2]
    return f"{implementation}{major}{minor}-{sys.platform}_{os.uname().machine}-{libc}"


def image_digest() -> str:
    """Eight hex digits over the image's packages: what has to be installed depends on them."""
    import hashlib

    text = "\n".join(f"{name}=={version}" for name, version in sorted(image_distributions().items()))
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def image_distributions() -> dict[str, str]:
    """`{normalised name: version}` of the image's packages, from the names of the metadata folders on sys.path."""
    found = {}
    for folder in reversed(sys.path):
        try:
            listed = os.listdir(folder)
        except OSError:
            continue  # a zip file, missing or not readable: the interpreter ignores it too
        for name in listed:
            distribution = split_metadata_name(name)
            if distribution and distribution[1]:
                found[distribution[0]] = distribution[1]
    return found
