"""Debian packages that the test cluster needs: installed by apt where they are missing."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence

from tests.cluster import artifacts


class MissingPackagesError(Exception):
    """Packages are missing and cannot be installed here; the message says which and what to do."""


def ensure(packages: Sequence[str]) -> None:
    """Installs those of `packages` that are not there yet.

    Raises:
        MissingPackagesError: not root, or no Debian or Ubuntu.
        artifacts.BuildError: apt failed.
    """
    missing = [package for package in packages if not _installed(package)]
    if not missing:
        return
    wanted = " ".join(missing)
    if shutil.which("apt-get") is None:
        raise MissingPackagesError(f"the test cluster needs Debian or Ubuntu: no apt-get here to install {wanted}")
    if os.geteuid() != 0:
        raise MissingPackagesError(f"the test cluster runs as root and needs: apt-get install {wanted}")
    print(f"Installing Debian packages: {wanted}", file=sys.stderr, flush=True)
    log = artifacts.CACHE / "logs" / "apt.log"
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    log.parent.mkdir(parents=True, exist_ok=True)
    with artifacts.locked(artifacts.CACHE / ".apt.lock"):
        artifacts.run(["apt-get", "update", "-q"], log=log, env=environment)
        install = ["apt-get", "install", "-q", "-y", "--no-install-recommends"]
        artifacts.run([*install, *missing], log=log, env=environment)


def _installed(package: str) -> bool:
    query = ["dpkg-query", "--show", "--showformat=${db:Status-Status}", package]
    if shutil.which("dpkg-query") is None:
        return False
    return subprocess.run(query, capture_output=True, text=True, check=False).stdout == "installed"
