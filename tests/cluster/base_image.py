"""`localhost/python:3.11`: the stand-in for workloads' images, made by debootstrap from the machine's own mirror.

Holds python3, pip, venv, the tests' certificate authority in the system's bundle, and a user `app` (1000) with a home.
The name is fixed; the interpreter is that of the machine's distribution (3.11 on Debian 12).
"""

import email.utils
import shutil
from pathlib import Path

from tests.cluster import artifacts
from tests.cluster.archive import Contents, write_archive
from tests.cluster.authority import Authority
from tests.cluster.sources import choose_source, read_distribution

NAME = "localhost/python:3.11"
USER_ID = 1000

# Raise it when this file makes something else from the same inputs.
_RECIPE = 1
_PACKAGES = ("ca-certificates", "python3", "python3-pip", "python3-venv")
_ENVIRONMENT = ("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8")
# Made anew by every running container, or of no use to one.
_EMPTIED = (
    *("dev", "proc", "run", "sys", "tmp"),
    *("usr/share/doc", "usr/share/info", "usr/share/locale", "usr/share/man"),
    *("var/cache/apt", "var/cache/debconf", "var/cache/ldconfig", "var/lib/apt/lists", "var/log"),
)
# What the build machine leaves behind: its name, its resolver, its mirror.
_TRACES = ("etc/hostname", "etc/resolv.conf", "etc/apt/sources.list", "etc/passwd-", "etc/group-", "etc/shadow-")
_KEPT = 3


def prepare(cache: Path, authority: Authority) -> Path:
    """The OCI archive of the image, made where it is missing; Debian package `debootstrap` and root are needed then."""
    distribution = read_distribution()
    key = artifacts.digest_of(
        str(_RECIPE), NAME, distribution.id, distribution.codename, *_PACKAGES, authority.certificate.read_bytes()
    )
    folder = cache / "images"
    log = cache / "logs" / "python-image.log"

    def make(partial: Path) -> None:
        root = partial.with_name(f"{partial.name}.root")
        artifacts.remove(root)
        try:
            newest = _make_root(root, authority, log)
            write_archive(
                partial,
                NAME,
                Contents(
                    root=root,
                    command=("sleep", "infinity"),
                    environment=_ENVIRONMENT,
                    newest=newest,
                    emptied=_EMPTIED,
                ),
            )
        finally:
            artifacts.remove(root)

    made = artifacts.make_once(
        folder / f"python-{key}.tar", make, what=f"Making {NAME} by debootstrap (about a minute)"
    )
    artifacts.keep_newest(folder.glob("python-*.tar"), _KEPT)
    return made


def _make_root(root: Path, authority: Authority, log: Path) -> int:
    """Fill `root` with the system; the date of the packages' release, in seconds since 1970."""
    log.unlink(missing_ok=True)
    distribution = read_distribution()
    source = choose_source(distribution)
    check = ["--no-check-gpg"] if source.trusted else [f"--keyring={source.keyring}"] if source.keyring else []
    # In a mount namespace of its own: what debootstrap mounts is gone with it, however it ends.
    own_mounts = ("unshare", "--mount", "--propagation", "private", "--")
    artifacts.run(
        [
            *own_mounts,
            "debootstrap",
            "--variant=minbase",
            f"--components={','.join(source.components)}",
            f"--include={','.join(_PACKAGES)}",
            *check,
            source.suite,
            root,
            source.uri,
        ],
        log=log,
    )
    shutil.copyfile(authority.certificate, root / "usr/local/share/ca-certificates/wheelwarden-tests.crt")
    inside = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
    artifacts.run([*own_mounts, "chroot", root, "update-ca-certificates"], log=log, env=inside)
    artifacts.run(
        [*own_mounts, "chroot", root, "useradd", "--create-home", "--uid", str(USER_ID), "--user-group", "app"],
        log=log,
        env=inside,
    )
    newest = _read_release_date(root / "var/lib/apt/lists")
    for trace in _TRACES:
        artifacts.remove(root / trace)
    return newest


def _read_release_date(lists: Path) -> int:
    """The date of the suite, later than any file of its packages: sources keep the dates that their byte-code names."""
    for release in sorted(lists.glob("*_Release")):
        for line in release.read_text().splitlines():
            if line.startswith("Date:"):
                return int(email.utils.parsedate_to_datetime(line.removeprefix("Date:").strip()).timestamp())
    # No Release file kept: then nothing is set back, and only the archive's digest is not the same every time.
    return int(lists.stat().st_mtime)
