"""Interpreters that this machine may not have, made once from Debian's packages: CPython 3.14, and one that is built with musl.

Each is a root file system of its own with nothing else in it, as an image is, and a program that enters it: `python3` in
the folder. Inside, the folders of tests stand at the same paths as outside. Root is needed to make and to enter them.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.cluster import artifacts, debian
from tests.cluster.archive import Contents, write_archive
from tests.cluster.interpreter import DISTRIBUTION
from tests.cluster.sources import SourceError, choose_source, read_distribution

# Raise it when this file makes something else from the same inputs.
_RECIPE = 1
_KEPT = 2
# The release of Debian that comes after 13: the first with Python 3.14.
_NEWEST_SUITE, _NEWEST = "forky", "3.14"
_NEWEST_PACKAGES = (
    f"python{_NEWEST}-minimal", f"libpython{_NEWEST}-minimal", f"libpython{_NEWEST}-stdlib", "python3-pip",
    "libc6", "libgcc-s1", "zlib1g", "libexpat1", "libssl3t64", "libffi8", "liblzma5", "libbz2-1.0", "libzstd1", "libuuid1",
)  # fmt: skip
_MUSL_PACKAGES = ("gcc", "make", "libc6-dev", "musl-dev", "musl-tools", "xz-utils", "bzip2", "ca-certificates")

_ENTER = """\
#!/bin/sh
# Starts the interpreter inside of its root file system, in a mount namespace of its own.
exec unshare --mount --propagation private -- /bin/sh -c '
  root=$1; shift
  for place in /proc /dev {places}; do mkdir -p "$root$place" && mount --rbind "$place" "$root$place" || exit 125; done
  exec chroot "$root" {python} "$@"
' sh {root} "$@"
"""

_COMPILER = """\
#!/bin/sh
# The machine's own multiarch folder holds the headers of another C library.
case " $* " in *-print-multiarch*) echo {machine}-linux-musl; exit 0;; esac
exec musl-gcc "$@"
"""


MUSL_IMAGE = "localhost/python-musl:3"


class NotToBeHadError(Exception):
    """This machine's package sources do not have what the interpreter is made of; the message says what."""


def prepare_newest(cache: Path) -> Path:
    """A program that starts CPython 3.14 of a later Debian: some ten seconds the first time.

    Raises:
        NotToBeHadError: the machine's mirror has no such release, or we are not root.
    """
    key = artifacts.digest_of(str(_RECIPE), _NEWEST_SUITE, *_NEWEST_PACKAGES, _ENTER)
    log = cache / "logs" / "python-newest.log"

    def make(partial: Path) -> None:
        partial.mkdir()
        with tempfile.TemporaryDirectory() as temporary:
            work = Path(temporary)
            _ensure(["ca-certificates"])
            apt = _own_apt(work, f"deb {{}} {_NEWEST_SUITE} main", log)
            _fetch([*apt, "download", "-q", *_NEWEST_PACKAGES], work, log)
            root = partial / "root"
            for folder in ("usr/bin", "usr/lib", "usr/lib64", "tmp"):
                (root / folder).mkdir(parents=True)
            for folder in ("bin", "lib", "lib64"):  # Debian's packages rely on these links
                (root / folder).symlink_to(f"usr/{folder}")
            for package in sorted(work.glob("*.deb")):
                artifacts.run(["dpkg-deb", "--extract", package, root], log=log)
            _add_certificates(root)

    made = artifacts.make_once(cache / "pythons" / f"newest-{key}", make, what=f"Fetching Python {_NEWEST} from Debian")
    artifacts.keep_newest(made.parent.glob("newest-*"), _KEPT)
    return _entrance(made, f"/usr/bin/python{_NEWEST}", cache)


def prepare_musl(cache: Path) -> Path:
    """A program that starts CPython on musl, built from Debian's source: two or three minutes the first time.

    It is of the version that the machine's own distribution has, without OpenSSL.

    Raises:
        NotToBeHadError: the machine's mirror has no sources, or we are not root.
        artifacts.BuildError: the build failed.
    """
    version = artifacts.read_output(
        [DISTRIBUTION, "-I", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    ).strip()
    key = artifacts.digest_of(str(_RECIPE), version, _COMPILER, *_MUSL_PACKAGES)
    log = cache / "logs" / "python-musl.log"

    def make(partial: Path) -> None:
        partial.mkdir()
        with tempfile.TemporaryDirectory() as temporary:
            work = Path(temporary)
            apt = _own_apt(work, f"deb-src {{}} {read_distribution().codename} main", log)
            _ensure(_MUSL_PACKAGES)
            _fetch([*apt, "source", "-q", "--download-only", f"python{version}", "zlib"], work, log)
            _build_musl(work, version, partial / "root", log)

    made = artifacts.make_once(
        cache / "pythons" / f"musl-{version}-{key}",
        make,
        what=f"Building Python {version} with musl (two or three minutes, once)",
    )
    artifacts.keep_newest(made.parent.glob("musl-*"), _KEPT)
    return _entrance(made, f"/usr/bin/python{version}", cache)


def prepare_musl_image(cache: Path) -> Path:
    """The OCI archive of `MUSL_IMAGE`: that interpreter and nothing else, not even a shell. Raises as `prepare_musl`."""
    root = prepare_musl(cache).parent / "root"
    path = ("PATH=/usr/bin:/bin", "LANG=C.UTF-8")
    sleep = ("python3", "-c", "import signal; signal.pause()")
    unused = (root / "usr" / "lib").glob("python3.*/*")  # by a workload
    emptied = (
        *("dev", "proc", "tmp", "usr/include", "usr/share"),
        *(str(place).split("/")[1] for place in _places(cache)),
        *(
            str(one.relative_to(root))
            for one in unused
            if one.name.startswith(("config-", "ensurepip", "idlelib", "lib2to3"))
        ),
    )

    def make(partial: Path) -> None:
        newest = int((root / "tmp").stat().st_mtime)
        write_archive(
            partial, MUSL_IMAGE, Contents(root=root, command=sleep, environment=path, newest=newest, emptied=emptied)
        )

    target = cache / "images" / f"{root.parent.name}.tar"
    made = artifacts.make_once(target, make, what=f"Making {MUSL_IMAGE}")
    artifacts.keep_newest(target.parent.glob("musl-*.tar"), _KEPT)
    return made


def prepare_static_uv(cache: Path) -> Path:
    """uv as the tools image has it: linked with musl, for any C library."""
    lock = artifacts.REPOSITORY / "requirements" / "tools.txt"
    machine = os.uname().machine

    def make(partial: Path) -> None:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        chosen: list[str | Path] = [
            "--require-hashes",
            "--only-binary=:all:",
            "--platform",
            f"musllinux_1_1_{machine}",
            "--target",
            partial,
        ]
        artifacts.run([*pip, *chosen, "-r", lock], log=cache / "logs" / "uv-install.log")

    name = f"uv-{artifacts.digest_of(lock.read_bytes(), machine)}"
    return artifacts.make_once(cache / "pythons" / name, make, what="Fetching uv as a static program") / "bin" / "uv"


def _own_apt(work: Path, line: str, log: Path) -> list[str | Path]:
    """apt-get with lists of its own in `work`, so that the machine's sources stay as they are; `{}` is the mirror."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise NotToBeHadError("it takes root and apt-get")
    try:
        source = choose_source(read_distribution())
    except SourceError as error:
        raise NotToBeHadError(str(error)) from error
    for folder in ("lists/partial", "cache/archives/partial"):
        (work / folder).mkdir(parents=True)
    trust = "trusted=yes" if source.trusted else f"signed-by={source.keyring}" if source.keyring else ""
    kind, _, rest = line.partition(" ")
    (work / "sources.list").write_text(f"{kind} {f'[{trust}] ' if trust else ''}{rest.format(source.uri)}\n")
    options = {
        "Dir::Etc::sourcelist": work / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": work / "lists",
        "Dir::Cache": work / "cache",
        "APT::Sandbox::User": "root",
        "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
        "Acquire::Languages": "none",
    }
    apt: list[str | Path] = [
        "apt-get",
        *(word for name, value in options.items() for word in ("-o", f"{name}={value}")),
    ]
    _fetch([*apt, "update", "-q", "--error-on=any"], work, log)
    return apt


def _fetch(argv: Sequence[str | Path], work: Path, log: Path) -> None:
    try:
        artifacts.run(argv, log=log, cwd=work, env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"})
    except artifacts.BuildError as error:
        raise NotToBeHadError(str(error)) from error


def _ensure(packages: Sequence[str]) -> None:
    try:
        debian.ensure(packages)
    except debian.MissingPackagesError as error:
        raise NotToBeHadError(str(error)) from error


def _add_certificates(root: Path) -> None:
    """The machine's bundle: as images have it, and neither uv nor pip starts without."""
    bundle = Path("etc/ssl/certs/ca-certificates.crt")
    (root / bundle).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(Path("/") / bundle, root / bundle)


def _build_musl(work: Path, version: str, root: Path, log: Path) -> None:
    compiler = work / "cc"
    compiler.write_text(_COMPILER.format(machine=os.uname().machine))
    compiler.chmod(0o755)
    environment = os.environ | {"CC": str(compiler)}
    jobs = f"-j{len(os.sched_getaffinity(0))}"
    sources = {name: work / f"{name}-source" for name in ("zlib", "python")}
    for name, folder in sources.items():
        [archive] = [one for one in work.glob(f"{name}*.orig.tar.*") if one.suffix != ".asc"]
        folder.mkdir()
        artifacts.run(["tar", "-xf", archive, "-C", folder, "--strip-components=1"], log=log)
    zlib, python = sources["zlib"], sources["python"]
    artifacts.run(["./configure", "--static"], log=log, cwd=zlib, env=environment | {"CFLAGS": "-O2 -fPIC"})
    artifacts.run(["make", jobs, "libz.a"], log=log, cwd=zlib, env=environment)
    flags = [f"CPPFLAGS=-I{zlib}", f"LDFLAGS=-L{zlib}", "OPT=-O1 -DNDEBUG"]
    configure = ["./configure", "--prefix=/usr", "--disable-test-modules", "--without-ensurepip", *flags]
    artifacts.run(configure, log=log, cwd=python, env=environment)
    artifacts.run(["make", jobs], log=log, cwd=python, env=environment, counted="lines of the build, of some 2,000")
    artifacts.run(["make", "install", f"DESTDIR={root}"], log=log, cwd=python, env=environment)
    (root / "lib").mkdir(exist_ok=True)
    [loader] = Path("/lib").glob("ld-musl-*.so.1")
    shutil.copyfile(loader.resolve(), root / "lib" / loader.name)
    (root / "lib" / loader.name).chmod(0o755)
    (root / "tmp").mkdir()
    _add_certificates(root)
    library = root / "usr" / "lib" / f"python{version}"
    shutil.rmtree(library / "test", ignore_errors=True)
    # pip as images have it, from the wheel that comes with Python.
    [pip] = (library / "ensurepip" / "_bundled").glob("pip-*.whl")
    artifacts.run([DISTRIBUTION, "-m", "zipfile", "-e", pip, library / "site-packages"], log=log)


def _places(cache: Path) -> list[Path]:
    """What of outside is seen inside, at the same paths."""
    return list(dict.fromkeys((Path(tempfile.gettempdir()), cache.resolve(), artifacts.REPOSITORY)))


def _entrance(made: Path, python: str, cache: Path) -> Path:
    """The program that enters the root; written each time, since it names this checkout."""
    text = _ENTER.format(places=" ".join(map(str, _places(cache))), python=python, root=made / "root")
    program = made / f"python3-{artifacts.digest_of(text)}"
    if not program.exists():
        partial = program.with_suffix(f".{os.getpid()}")
        partial.write_text(text)
        partial.chmod(0o755)
        partial.rename(program)
    return program


def find_python(version: str) -> Path:
    """An interpreter of this very version (`3.8`) that the machine has.

    Raises:
        NotToBeHadError: there is none, and no package source that this project uses has it.
    """
    managed = sorted(Path("~/.pyenv/versions").expanduser().glob(f"{version}.*/bin/python3"))
    found = [str(path) for path in managed] + [path for path in [shutil.which(f"python{version}")] if path]
    for path in found:
        question = [path, "-I", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        done = subprocess.run(question, capture_output=True, text=True, check=False)
        if done.stdout.strip() == version:
            return Path(path)
    raise NotToBeHadError(f"this machine has no Python {version} (looked for python{version} and in ~/.pyenv)")
