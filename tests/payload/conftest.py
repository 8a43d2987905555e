"""A real package index on loopback. Installers run as subprocesses of the Debian interpreter, as in a pod.

Stores are mounted, so these tests need the same rights as the test cluster.
"""

import json
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.cluster import artifacts, index, packages
from tests.cluster.index import RunningIndex
from tests.messages import read_message
from wheelwarden.payload import bundle
from wheelwarden.payload.bundler import modules_of, pack

UV = Path(sys.executable).with_name("uv")
# This machine's settings for package clients must not reach an installer under test.
OWN_PREFIXES = ("PIP_", "UV_", "SSL_CERT", "REQUESTS_CA", "CURL_CA", "WHEELWARDEN_")

NOTHING: Mapping[str, str] = MappingProxyType({})

Object = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Ended:
    """An installer that exited."""

    code: int
    output: str
    result: Object


@dataclass(frozen=True, kw_only=True)
class Pod:
    """A pod as its installer sees it: its own view, a store that may be shared, the interpreter and the uid."""

    store: Path
    view: Path
    python: str
    uid: int = 0

    def request(self, *requirements: str, **more: Any) -> Object:
        return {
            "version": 1,
            "hash": "0123456789abcdef",
            "packages": list(requirements),
            "indexUrl": None,
            "extraIndexUrls": [],
            "trustedHosts": [],
            "credentials": None,
            "installer": "uv",
            "uv": str(UV),
            "store": str(self.store),
            "view": str(self.view),
            "retries": 1,
            "timeoutSeconds": 60,
            "onFailure": "block",
            **more,
        }

    def start(
        self, request: Object, *, text: str = "", inline: bool = False, variables: Mapping[str, str] = NOTHING
    ) -> "subprocess.Popen[str]":
        text = text or bundle("install")
        self.view.mkdir(exist_ok=True)
        program = self.view.with_name(f"{self.view.name}-install.py")
        program.write_text(text)
        if self.uid:
            os.chown(self.view, self.uid, self.uid)
        environment = {name: value for name, value in os.environ.items() if not name.startswith(OWN_PREFIXES)}
        environment |= {
            "WHEELWARDEN_REQUEST": json.dumps(request),
            "WHEELWARDEN_POD": self.view.name,
            "WHEELWARDEN_TERMINATION_LOG": str(self.view / "termination-log"),
            **variables,
        }
        words = ["-c", text] if inline else [str(program)]
        argv = [*argv_of_uid(self.uid), self.python, "-I", *words]
        return subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def end(self, process: "subprocess.Popen[str]") -> Ended:
        output, _ = process.communicate(timeout=180)
        message = (self.view / "termination-log").read_text()
        assert len(message.encode()) <= 4096
        return Ended(code=process.returncode, output=output, result=read_message(message))

    def install(
        self, request: Object, *, text: str = "", inline: bool = False, variables: Mapping[str, str] = NOTHING
    ) -> Ended:
        return self.end(self.start(request, text=text, inline=inline, variables=variables))


def patched(program: str, old: str, new: str) -> str:
    """The bundle of a program with one text in its source replaced."""
    module = f"wheelwarden.payload.{program}.__main__"
    modules = modules_of(module)
    assert sum(source.count(old) for _, source in modules.values()) == 1
    return pack(module, {name: (path, source.replace(old, new)) for name, (path, source) in modules.items()})


def argv_of_uid(uid: int) -> list[str]:
    """The prefix of a command to run it as another user, who may read everything: the checkout may be in root's home."""
    if not uid:
        return []
    reading = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    return ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", *reading]


def make_python(folder: Path) -> str:
    """Creates an interpreter with pip and no other packages."""
    subprocess.run([sys.executable, "-m", "venv", str(folder / "python")], check=True)
    return str(folder / "python" / "bin" / "python")


@pytest.fixture(scope="session")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An interpreter as in a plain image: with pip and no other packages."""
    return make_python(tmp_path_factory.mktemp("image"))


def mount_sized(place: Path, total_bytes: int, *options: str) -> None:
    """Mounts a volume in memory. It raises ENOSPC when it is full."""
    words = ",".join([f"size={total_bytes}", "mode=1777", *options])
    subprocess.run(["mount", "-t", "tmpfs", "-o", words, "tmpfs", str(place)], check=True)


def unmount(place: Path) -> None:
    while os.path.ismount(place):
        # Lazily: a killed installer may have left a process that still uses the volume.
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.fixture
def pod(tmp_path: Path, bare_python: str) -> Iterator[Pod]:
    """A pod whose store has enough space, independent of this machine's disk."""
    store = tmp_path / "store"
    store.mkdir()
    mount_sized(store, 4 << 30)
    try:
        yield Pod(store=store, view=tmp_path / "pod-0", python=bare_python)
    finally:
        unmount(store)


@pytest.fixture(scope="session")
def running_index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningIndex]:
    folder = packages.prepare(artifacts.CACHE)
    running = index.start(folder, "127.0.0.1", tmp_path_factory.mktemp("index"), open_port=0, private_port=0)
    yield running
    running.stop()


@pytest.fixture
def open_index(running_index: RunningIndex) -> Object:
    """The part of a request that names the open index."""
    return index_fields(running_index)


def index_fields(running: RunningIndex) -> Object:
    return {"indexUrl": running.open_url, "trustedHosts": [urlsplit(running.open_url).netloc]}


def make_wheel(folder: Path, name: str, modules: Mapping[str, str] = NOTHING, **metadata: str) -> None:
    """Writes a wheel of these modules, or of an empty one, with these further metadata fields."""
    folder.mkdir(exist_ok=True)
    info = f"{name}-1.0.dist-info"
    fields = {"Metadata-Version": "2.1", "Name": name, "Version": "1.0", **metadata}
    files = {
        **(modules or {f"{name}.py": ""}),
        f"{info}/METADATA": "".join(f"{key.replace('_', '-')}: {value}\n" for key, value in fields.items()),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
        for path, text in {**files, f"{info}/RECORD": record}.items():
            wheel.writestr(path, text)


@contextmanager
def index_of(folder: Path) -> Iterator[Object]:
    """The part of a request that names an index of these wheels."""
    running = index.start(folder, "127.0.0.1", folder.with_name("state"), open_port=0, private_port=0)
    try:
        yield index_fields(running)
    finally:
        running.stop()


def is_running(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def eventually(holds: Callable[[], bool]) -> bool:
    """Whether a condition becomes true within 10 s: a killed process may take a moment to exit."""
    limit = time.monotonic() + 10
    while not holds():
        if time.monotonic() > limit:
            return False
        time.sleep(0.05)
    return True
