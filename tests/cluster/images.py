"""The container images of the test cluster, as OCI archives for `ctr images import`.

| image                       | made from                                                | recreated when              |
|-----------------------------|----------------------------------------------------------|-----------------------------|
| `localhost/pause:1`         | `pause.c`, a static C program                            | it changes                  |
| `localhost/python:3.11`     | debootstrap, see `base_image`                            | the recipe or the CA change |
| `localhost/python-musl:3`   | an interpreter built with musl, see `foreign_pythons`    | its recipe changes          |
| `localhost/wheelwarden:dev` | the project's Dockerfile by buildah, see `project_image` | any of its sources changes  |

Needs root and the network, so it runs on the host's side, before the node is started.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import artifacts, authority, base_image, debian, foreign_pythons, project_image
from tests.cluster.archive import Contents, write_archive

PAUSE = "localhost/pause:1"
PYTHON = base_image.NAME
WHEELWARDEN = project_image.NAME

# buildah without its recommended packages: with `--isolation chroot` it needs no container runtime.
_DEBIAN_PACKAGES = ("buildah", "ca-certificates", "debootstrap", "gcc", "libc6-dev", "python3", "util-linux")
_KEPT = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Images:
    """The archive of each image; the names are `PAUSE`, `PYTHON` and `WHEELWARDEN`.

    `others` are images that a machine may not be able to make; what was left out is told on stderr, and by the tests of it.
    """

    pause: Path
    python: Path
    wheelwarden: Path
    others: tuple[Path, ...] = ()


def prepare(cache: Path) -> Images:
    """Return the images kept in `cache`, making first what is missing: about two minutes cold, under a second warm.

    Raises:
        artifacts.BuildError: a build command failed; the message holds the end of its log.
        sources.SourceError: this machine is no Debian or Ubuntu, or has no apt source that debootstrap can use.
    """
    debian.ensure(_DEBIAN_PACKAGES)
    python = base_image.prepare(cache, authority.prepare(cache))
    return Images(
        pause=_prepare_pause(cache),
        python=python,
        wheelwarden=project_image.prepare(cache, python),
        others=_prepare_others(cache),
    )


def _prepare_others(cache: Path) -> tuple[Path, ...]:
    try:
        return (foreign_pythons.prepare_musl_image(cache),)
    except foreign_pythons.NotToBeHadError as error:
        print(f"No image {foreign_pythons.MUSL_IMAGE}, its test is skipped: {error}", file=sys.stderr, flush=True)
        return ()


def _prepare_pause(cache: Path) -> Path:
    source = Path(__file__).with_name("pause.c")
    folder = cache / "images"

    def make(partial: Path) -> None:
        root = partial.with_name(f"{partial.name}.root")
        artifacts.remove(root)
        root.mkdir()
        log = cache / "logs" / "pause-image.log"
        log.unlink(missing_ok=True)
        try:
            artifacts.run(["gcc", "-static", "-Os", "-o", root / "pause", source], log=log)
            write_archive(partial, PAUSE, Contents(root=root, command=("/pause",), environment=(), newest=0))
        finally:
            artifacts.remove(root)

    made = artifacts.make_once(
        folder / f"pause-{artifacts.digest_of(source.read_bytes())}.tar", make, what=f"Making {PAUSE}"
    )
    artifacts.keep_newest(folder.glob("pause-*.tar"), _KEPT)
    return made
