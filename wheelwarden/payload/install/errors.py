"""The classes of installation errors, with advice for each. `diagnosis` determines the class of a failure."""

from __future__ import annotations

from typing import Mapping

# ENOSPC and EDQUOT on Linux: the volume or a quota is full.
FULL = (28, 122)

# The first six and the last are interface texts (docs/guide.md). The cause is appended to them.
ADVICE: Mapping[str, str] = {
    "network": "Cannot reach package index. Check network connectivity and firewall rules.",
    "package_not_found": "Package not found in index. Verify package name and version.",
    "hash_mismatch": "Package integrity check failed. Package may be corrupted.",
    "authentication": "Authentication failed. Check credentials in referenced Secret.",
    "timeout": "Installation timed out. Consider increasing installPolicy.timeout.",
    "disk_full": "The package volume is full. Increase cache.size.",
    "build_failed": "A package could not be built from source. Choose a version that has a wheel, or an image with "
    "the build tools it needs.",
    "python_incompatible": "No version of a package fits the image's Python or platform. Choose another version or image.",
    "git_missing": "The image has no git, which a git+ requirement needs. Use an image that has git, or a package from an "
    "index.",
    "unknown": "See pod logs for details",
}


class InstallError(Exception):
    """An installation failed. `kind` is a key of ADVICE."""

    def __init__(self, kind: str, cause: str) -> None:
        super().__init__(cause)
        self.kind = kind
        self.cause = cause

    @property
    def message(self) -> str:
        """The text for people: the advice and the cause."""
        return f"{ADVICE[self.kind].rstrip('.')}. {self.cause}".strip()


def kind_of(error: OSError) -> str:
    """The class of a failed write to the volume."""
    return "disk_full" if error.errno in FULL else "unknown"
