"""The image that the installer runs in: its interpreter, and what it has already."""

from __future__ import annotations

import os
import sys

from wheelwarden.payload.common.distributions import split_metadata_name


def store_key(packages_hash: str) -> str:
    """The name of a directory of the store: what was asked for, and all of the image that it depends on."""
    return f"{packages_hash}-{interpreter_tag()}-{image_digest()}"


def python_version() -> str:
    """As in `3.11.2`."""
    return ".".join(str(part) for part in sys.version_info[:3])


def interpreter_tag() -> str:
    """What a compiled package depends on: interpreter, platform and C library, as in `cp311-linux_x86_64-glibc`."""
    implementation = "cp" if sys.implementation.name == "cpython" else sys.implementation.name
    try:
        libc = "glibc" if os.confstr("CS_GNU_LIBC_VERSION") else "musl"
    except (OSError, ValueError):  # musl knows the name, and refuses the question
        libc = "musl"
    major, minor = sys.version_info[:2]
    return f"{implementation}{major}{minor}-{sys.platform}_{os.uname().machine}-{libc}"


def image_digest() -> str:
    """Eight hex digits of what the image has: with another image, something else may have to be installed."""
    import hashlib

    text = "\n".join(f"{name}=={version}" for name, version in sorted(image_distributions().items()))
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def image_distributions() -> dict[str, str]:
    """`{normal name: version}` of what the image has, by the names of the metadata folders on sys.path."""
    found = {}
    for folder in reversed(sys.path):
        try:
            listed = os.listdir(folder)
        except OSError:
            continue  # a zip file, nothing, or not ours to read: the interpreter passes over it too
        for name in listed:
            distribution = split_metadata_name(name)
            if distribution and distribution[1]:
                found[distribution[0]] = distribution[1]
    return found
