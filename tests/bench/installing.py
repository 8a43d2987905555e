"""Installing: the payload with uv against plain `pip install --target`, the same packages from the same index.

What people install into a Notebook, some 80 MB: the lock is `packages.txt` beside this file.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from tests.bench.figures import Figure
from tests.cluster import artifacts, index
from wheelwarden.payload import bundle

LOCK = Path(__file__).with_name("packages.txt")
PACKAGES = ("pandas", "requests", "scikit-learn", "sqlalchemy")
UV = Path(sys.executable).with_name("uv")
ROUNDS = 3


def measure(work: Path) -> list[Figure]:
    # An interpreter that has none of the packages: ours would leave alone what an image has.
    subprocess.run([sys.executable, "-m", "venv", str(work / "image")], check=True)
    python = str(work / "image" / "bin" / "python")
    running = index.start(fetch_packages(artifacts.CACHE), "127.0.0.1", work / "index", open_port=0, private_port=0)
    try:
        cold, warm, second, by_hand_cold, by_hand_warm = [], [], [], [], []
        for number in range(ROUNDS):
            place = work / str(number)
            place.mkdir()
            pip_cold = timed(pip_argv(python, running.open_url, place / "pip-1", place / "pip-cache"))
            ours_cold = timed_payload(python, running.open_url, place, "store", "view-1")
            uv_cold = timed_uv(python, running.open_url, place / "uv-1", place / "uv-cache")
            pip_warm = timed(pip_argv(python, running.open_url, place / "pip-2", place / "pip-cache"))
            for found in (place / "store").glob("bench-*"):
                shutil.rmtree(found)  # the packages go, uv's cache stays
            ours_warm = timed_payload(python, running.open_url, place, "store", "view-2")
            uv_warm = timed_uv(python, running.open_url, place / "uv-2", place / "uv-cache")
            second.append(timed_payload(python, running.open_url, place, "store", "view-3"))
            cold.append(pip_cold / ours_cold)
            warm.append(pip_warm / ours_warm)
            by_hand_cold.append(uv_cold / ours_cold)
            by_hand_warm.append(uv_warm / ours_warm)
    finally:
        running.stop()
    return [
        Figure(what="install, cold: pip --target over ours", value=statistics.median(cold), unit="×", goal="≥5"),
        Figure(
            what="install, warm caches: pip --target over ours", value=statistics.median(warm), unit="×", goal="≥15"
        ),
        Figure(
            what="install, cold: uv --target --compile-bytecode by hand over ours",
            value=statistics.median(by_hand_cold),
            unit="×",
            goal="≥0.8",
        ),
        Figure(what="install, warm caches: the same", value=statistics.median(by_hand_warm), unit="×", goal="≥0.8"),
        Figure(what="second pod, packages present: installer", value=statistics.median(second), unit="s", goal="≤0.3"),
    ]


def fetch_packages(cache: Path) -> Path:
    """A folder with the wheels, fetched once by this interpreter's pip."""
    key = artifacts.digest_of(LOCK.read_bytes(), sys.implementation.cache_tag or "")
    log = cache / "logs" / "bench-packages.log"

    def make(partial: Path) -> None:
        options = (
            "--quiet",
            "--require-hashes",
            "--only-binary=:all:",
            "--dest",
            str(partial),
            "--requirement",
            str(LOCK),
        )
        artifacts.run([sys.executable, "-m", "pip", "download", *options], log=log)

    return artifacts.make_once(cache / "bench-packages" / key, make, what="Fetching the packages of the install bench")


def pip_argv(python: str, url: str, target: Path, cache: Path) -> Sequence[str]:
    options = ["--quiet", "--disable-pip-version-check", "--target", str(target), "--cache-dir", str(cache)]
    return [python, "-m", "pip", "install", *options, "--index-url", url, *PACKAGES]


def timed_uv(python: str, url: str, target: Path, cache: Path) -> float:
    options = ["--python", python, "--quiet", "--target", str(target), "--compile-bytecode", "--cache-dir", str(cache)]
    index_options = ["--default-index", url, "--allow-insecure-host", urlsplit(url).netloc]
    return timed([str(UV), "pip", "install", *options, *index_options, *PACKAGES])


def timed_payload(python: str, url: str, place: Path, store: str, view: str) -> float:
    request = {
        "version": 1, "hash": "bench", "packages": list(PACKAGES), "indexUrl": url, "extraIndexUrls": [],
        "trustedHosts": [urlsplit(url).netloc], "credentials": None, "installer": "uv", "uv": str(UV),
        "store": str(place / store), "view": str(place / view), "retries": 1, "timeoutSeconds": 120, "onFailure": "block",
    }  # fmt: skip
    for folder in (place / store, place / view):
        folder.mkdir(exist_ok=True)
    more = {"WHEELWARDEN_REQUEST": json.dumps(request), "WHEELWARDEN_TERMINATION_LOG": str(place / "log")}
    program = place / "install.py"
    program.write_text(bundle("install"))
    return timed([python, "-I", str(program)], more)


def timed(argv: Sequence[str], more: dict[str, str] | None = None) -> float:
    own = ("PIP_", "UV_", "SSL_", "REQUESTS_", "CURL_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(own)} | (more or {})
    started = time.perf_counter()
    subprocess.run(argv, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    return time.perf_counter() - started
