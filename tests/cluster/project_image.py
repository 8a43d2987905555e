"""`localhost/wheelwarden:dev`: the project's own Dockerfile, built by buildah over the stand-in base image.

The Dockerfile stays an ordinary one that fetches from whatever index its builder has configured. Here there is none
inside the build: what it will ask for is fetched beforehand by the host's pip, into a wheelhouse that the build sees as
its only index. buildah keeps its storage in the cache, apart from the user's own.
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path

from tests.cluster import artifacts, base_image

NAME = "localhost/wheelwarden:dev"

_SOURCES = ("wheelwarden", "webhook", "controller", "certs")
_LOCKS = ("requirements/build.txt", "requirements/runtime.txt", "requirements/tools.txt")
_OTHERS = ("Dockerfile", ".dockerignore", "pyproject.toml", "README.md", "LICENSE")
_NOT_COPIED = ("__pycache__", ".pyc")  # as in .dockerignore
# The distribution's interpreter is the image's: both come from the same suite.
_INTERPRETER = Path("/usr/bin/python3")
_KEPT = 3
# Every build leaves some layers for the next one to start from; past this many the store is emptied (one slow build).
_STORE_IMAGES = 100


def prepare(cache: Path, base: Path) -> Path:
    """The OCI archive of the image; built where sources, locks, the Dockerfile or the archive `base` changed."""
    folder = cache / "images"
    key = artifacts.digest_of(base.name, artifacts.digest_files(artifacts.REPOSITORY, _list_inputs()))

    def make(partial: Path) -> None:
        _build(partial, cache, base, _prepare_wheelhouse(cache))

    made = artifacts.make_once(
        folder / f"wheelwarden-{key}.tar", make, what=f"Building {NAME} from the Dockerfile (about a minute when cold)"
    )
    artifacts.keep_newest(folder.glob("wheelwarden-*.tar"), _KEPT)
    return made


def _list_inputs() -> Iterable[Path]:
    root = artifacts.REPOSITORY
    for name in (*_LOCKS, *_OTHERS):
        yield root / name
    for name in _SOURCES:
        for path in (root / name).rglob("*"):
            if path.is_file() and not path.name.endswith(_NOT_COPIED) and not set(path.parts) & set(_NOT_COPIED):
                yield path


def _prepare_wheelhouse(cache: Path) -> Path:
    """A folder with every wheel the build asks for, fetched by the host's pip for the image's interpreter."""
    root = artifacts.REPOSITORY
    log = cache / "logs" / "wheelhouse.log"
    key = artifacts.digest_of(
        artifacts.read_output([_INTERPRETER, "--version"]), *((root / lock).read_bytes() for lock in _LOCKS)
    )

    def make(partial: Path) -> None:
        log.unlink(missing_ok=True)
        partial.mkdir()
        download = ("download", "--quiet", "--require-hashes", "--only-binary=:all:", "--dest", partial)
        # Under the image's interpreter, so that its own tags and markers decide which files are taken.
        pip = (sys.executable, "-m", "pip", "--python", _INTERPRETER)
        for lock in ("build", "runtime"):
            artifacts.run([*pip, *download, "--requirement", root / f"requirements/{lock}.txt"], log=log)
        machine = artifacts.read_output(["uname", "-m"]).strip()
        static = ("--no-deps", "--platform", f"musllinux_1_1_{machine}")
        artifacts.run([*pip, *download, *static, "--requirement", root / "requirements/tools.txt"], log=log)
        (partial / "pip.conf").write_text("[global]\nno-index = true\nfind-links = /wheels\n")

    folder = cache / "wheelhouse"
    made = artifacts.make_once(folder / key, make, what="Fetching the wheels of the Wheelwarden image")
    artifacts.keep_newest((path for path in folder.glob("*") if path.is_dir()), _KEPT)
    return made


def _build(out: Path, cache: Path, base: Path, wheelhouse: Path) -> None:
    log = cache / "logs" / "wheelwarden-image.log"
    log.unlink(missing_ok=True)
    store = cache / "buildah"
    store.mkdir(parents=True, exist_ok=True)
    with artifacts.locked(store / ".lock"):  # the names in the store are shared by all builds
        buildah = _Buildah(store, log)
        buildah.run("rm", "--all")  # containers of a build that was killed
        buildah.limit(_STORE_IMAGES)
        buildah.adopt(base)
        buildah.run(
            "bud",
            *("--isolation", "chroot", "--layers", "--force-rm", "--pull=never", "--signature-policy", buildah.policy),
            *("--build-arg", f"BASE={base_image.NAME}"),
            *("--volume", f"{wheelhouse}:/wheels:ro", "--volume", f"{wheelhouse}/pip.conf:/etc/pip.conf:ro"),
            *("--tag", NAME, artifacts.REPOSITORY),
        )
        # Fast rather than small: the archive is read once, on the same machine.
        buildah.run(
            *("push", "--quiet", "--compression-level", "1", "--signature-policy", buildah.policy),
            *(NAME, f"oci-archive:{out}:{NAME}"),
        )


class _Buildah:
    """buildah with a store of its own, in the faster of the two storage drivers that work here.

    Each command runs in a mount namespace of its own, so that no mount outlives it, however it ends. What buildah notes
    about mounts (its run root) would then be wrong for the next build, and is thrown away.
    """

    def __init__(self, folder: Path, log: Path) -> None:
        self._log = log
        artifacts.remove(folder / "run")
        self._folder = folder
        self.policy = folder / "policy.json"
        self.policy.write_text(json.dumps({"default": [{"type": "insecureAcceptAnything"}]}))
        self._argv = self._choose_driver()

    def run(self, *words: str | Path) -> None:
        artifacts.run([*self._argv, *words], log=self._log)

    def read(self, *words: str | Path) -> str:
        return artifacts.read_output([*self._argv, *words])

    def limit(self, images: int) -> None:
        """Empty the store where it holds more than `images`."""
        if len(self.read("images", "--all", "--quiet").split()) > images:
            self.run("rmi", "--all", "--force")

    def adopt(self, base: Path) -> None:
        """Have the archive's image in the store under its own name, and layers of an older one out of the way."""
        stamp = self._folder / "base"
        known = stamp.read_text() if stamp.exists() else ""
        names = self.read("images", "--format", "{{.Name}}:{{.Tag}}").split()
        if known != base.name or base_image.NAME not in names:
            self.run("pull", "--quiet", "--signature-policy", self.policy, f"oci-archive:{base}")
            stamp.write_text(base.name)

    def _choose_driver(self) -> list[str | Path]:
        for driver in ("overlay", "vfs"):
            store = self._folder / driver
            argv: list[str | Path] = [
                *("unshare", "--mount", "--propagation", "private", "--"),
                *("buildah", "--storage-driver", driver),
                *("--root", store, "--runroot", self._folder / "run"),
            ]
            if driver == "vfs":
                return argv
            try:
                artifacts.read_output([*argv, "info"])
            except artifacts.BuildError:
                # Overlay over overlay (a test machine that is itself a container) is refused by the kernel.
                continue
            return argv
        raise AssertionError("vfs works everywhere")
