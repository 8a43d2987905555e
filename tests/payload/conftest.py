"""A real package index on loopback, and installers run as subprocesses of the Debian interpreter, as in a pod.

Stores are mounted, so these tests need the rights that the test cluster needs too.
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
# What this machine sets for its own package clients must not reach an installer under test.
OWN_PREFIXES = ("PIP_", "UV_", "SSL_CERT", "REQUESTS_CA", "CURL_CA", "WHEELWARDEN_")

NOTHING: Mapping[str, str] = MappingProxyType({})

Object = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Ended:
    """One installer that ended."""

    code: int
    output: str
    result: Object


@dataclass(frozen=True, kw_only=True)
class Pod:
    """What a pod gives its installer: a view of its own and, perhaps shared, a store; and who it runs as."""

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


def altered(program: str, old: str, new: str) -> str:
    """The text of a program in which one constant is another one."""
    module = f"wheelwarden.payload.{program}.__main__"
    modules = modules_of(module)
    assert sum(source.count(old) for _, source in modules.values()) == 1
    return pack(module, {name: (path, source.replace(old, new)) for name, (path, source) in modules.items()})


def argv_of_uid(uid: int) -> list[str]:
    """Runs what follows as another user, who may read and enter everything, as this checkout may be in root's home."""
    if not uid:
        return []
    reading = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    return ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", *reading]


def make_python(folder: Path) -> str:
    """An interpreter of its own, with pip and nothing else."""
    subprocess.run([sys.executable, "-m", "venv", str(folder / "python")], check=True)
    return str(folder / "python" / "bin" / "python")


@pytest.fixture(scope="session")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An interpreter as a plain image has it: with pip and nothing else."""
    return make_python(tmp_path_factory.mktemp("image"))


def mount_sized(place: Path, total_bytes: int, *options: str) -> None:
    """A volume of its own, in memory: ENOSPC where it ends."""
    words = ",".join([f"size={total_bytes}", "mode=1777", *options])
    subprocess.run(["mount", "-t", "tmpfs", "-o", words, "tmpfs", str(place)], check=True)


def unmount(place: Path) -> None:
    while os.path.ismount(place):
        # Lazily: an installer that was killed may have left a process that still uses it.
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.fixture
def pod(tmp_path: Path, bare_python: str) -> Iterator[Pod]:
    """A pod whose store is a volume with room enough, however full this machine's disk is."""
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
    return naming(running_index)


def naming(running: RunningIndex) -> Object:
    return {"indexUrl": running.open_url, "trustedHosts": [urlsplit(running.open_url).netloc]}


def make_wheel(folder: Path, name: str, modules: Mapping[str, str] = NOTHING, **metadata: str) -> None:
    """A wheel of some modules, else of one that is empty, with more fields in its metadata."""
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
        yield naming(running)
    finally:
        running.stop()


def is_running(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def soon(holds: Callable[[], bool]) -> bool:
    """Whether it comes to hold: what was killed may need a moment to go."""
    limit = time.monotonic() + 10
    while not holds():
        if time.monotonic() > limit:
            return False
        time.sleep(0.05)
    return True
