"""The packages that the test cluster's index serves: real ones, fetched once, and small ones made here.

| package          | versions     | what it is for                                                                  |
|------------------|--------------|---------------------------------------------------------------------------------|
| six              | 1.16.0 1.17.0| real, small, two versions                                                       |
| requests         | as locked    | real, with dependencies                                                         |
| numpy            | as locked    | real, compiled, large                                                           |
| setuptools wheel | as locked    | what a source distribution needs to be built in a pod                           |
| ww-broken        | 1.0 1.1      | 1.0 raises RuntimeError when imported; 1.1 is mended                            |
| ww-versions      | 1.0 2.0      | module `ww_versions` with `__version__`: which one is it?                       |
| ww-twoface       | 1.0          | is imported as `twoface_import`, found by its RECORD only                       |
| ww-sdist         | 1.0          | a source distribution only, built by setuptools                                 |
| ww-needs-missing | 1.0          | imports `ww_nowhere`, which no package has                                      |
| ww-circular      | 0.9 1.0      | 1.0: two of its modules import each other; 0.9 has no such fault                |
| ww-slow          | 0.9 1.0      | 1.0 takes two seconds to import; 0.9 does not                                   |
| ww-native        | 1.0          | C extension that works: `ww_native.answer() == 42`                              |
| ww-libmissing    | 1.0          | C extension linked against a shared library that is not there                   |
| ww-undefined     | 1.0          | C extension that calls a function that is nowhere (built for another ABI)       |

The real ones are locked with hashes in `packages.txt`, a second version of six in `packages-older.txt`.
"""

import sys
from pathlib import Path

from tests.cluster import artifacts, debian, natives
from tests.cluster.interpreter import DISTRIBUTION, Interpreter, read_interpreter
from tests.cluster.wheels import write_sdist, write_wheel

_HERE = Path(__file__).parent
_LOCKS = (_HERE / "packages.txt", _HERE / "packages-older.txt")
_MAKERS = (Path(__file__), _HERE / "wheels.py", _HERE / "natives.py", _HERE / "interpreter.py")
_DEBIAN_PACKAGES = ("gcc", "libc6-dev", "python3", "python3-dev")
_KEPT = 2

_BROKEN = 'raise RuntimeError("ww-broken 1.0 cannot be imported; 1.1 is mended")\n'

# Distribution, version, summary, files below site-packages.
_PURE: tuple[tuple[str, str, str, dict[str, str]], ...] = (
    ("ww-broken", "1.0", "fails when imported", {"ww_broken.py": _BROKEN}),
    ("ww-broken", "1.1", "mended", {"ww_broken.py": '__version__ = "1.1"\n'}),
    ("ww-versions", "1.0", "the first version", {"ww_versions.py": '__version__ = "1.0"\n'}),
    ("ww-versions", "2.0", "the second version", {"ww_versions.py": '__version__ = "2.0"\n'}),
    ("ww-twoface", "1.0", "is imported by another name", {"twoface_import/__init__.py": 'face = "the other one"\n'}),
    ("ww-needs-missing", "1.0", "imports what is nowhere", {"ww_needs_missing.py": "import ww_nowhere\n"}),
    (
        "ww-circular",
        "1.0",
        "two modules that import each other",
        {
            "ww_circular/__init__.py": "from ww_circular.chicken import hatch\n",
            "ww_circular/chicken.py": "from ww_circular.egg import lay\n\n\ndef hatch():\n    return lay\n",
            "ww_circular/egg.py": "from ww_circular.chicken import hatch\n\n\ndef lay():\n    return hatch\n",
        },
    ),
    (
        "ww-circular",
        "0.9",
        "one module imports the other",
        {
            "ww_circular/__init__.py": "from ww_circular.chicken import hatch\n",
            "ww_circular/chicken.py": "from ww_circular.egg import lay\n\n\ndef hatch():\n    return lay\n",
            "ww_circular/egg.py": "def lay():\n    return None\n",
        },
    ),
    ("ww-slow", "0.9", "imports at once", {"ww_slow.py": "import time\n"}),
    ("ww-slow", "1.0", "takes two seconds to import", {"ww_slow.py": "import time\n\ntime.sleep(2)\n"}),
)


def prepare(cache: Path) -> Path:
    """Return a folder with all of them as wheels and source distributions, kept in `cache`; made and fetched once.

    Needs the network when cold, so it runs on the host's side. Compiled ones are for the distribution's interpreter,
    which is that of the images, and for the one that runs this where that differs.

    Raises:
        artifacts.BuildError: pip or the compiler failed; the message holds the end of its output.
    """
    debian.ensure(_DEBIAN_PACKAGES)
    distribution, running = read_interpreter(DISTRIBUTION), read_interpreter(Path(sys.executable))
    served = [distribution] if running.tag == distribution.tag else [distribution, running]
    key = artifacts.digest_of(
        artifacts.digest_files(_HERE, (*_LOCKS, *_MAKERS)), *(f"{one.tag} {one.platform}" for one in served)
    )
    log = cache / "logs" / "packages.log"

    def make(partial: Path) -> None:
        partial.mkdir()
        log.unlink(missing_ok=True)
        for interpreter in served:
            _fetch(partial, interpreter, log)
        write_samples(partial)
        natives.write_natives(partial, distribution, log)

    folder = cache / "packages"
    made = artifacts.make_once(folder / key, make, what="Fetching and making the packages of the tests' index")
    artifacts.keep_newest((path for path in folder.glob("*") if path.is_dir()), _KEPT)
    return made


def write_samples(folder: Path) -> None:
    """Write the packages without compiled parts into `folder`."""
    for distribution, version, summary, files in _PURE:
        contents = {path: text.encode() for path, text in files.items()}
        write_wheel(folder, distribution, version, contents, summary=summary)
    write_sdist(
        folder,
        "ww-sdist",
        "1.0",
        {"ww_sdist/__init__.py": b'built = "from source"\n'},
        summary="has to be built",
    )


def _fetch(folder: Path, interpreter: Interpreter, log: Path) -> None:
    """Have the host's pip fetch the real packages, for `interpreter` by its own tags and markers."""
    for lock in _LOCKS:
        artifacts.run(
            [
                *(sys.executable, "-m", "pip", "--python", interpreter.path),
                *("download", "--quiet", "--require-hashes", "--only-binary=:all:"),
                *("--dest", folder, "--requirement", lock),
            ],
            log=log,
        )
