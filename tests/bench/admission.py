"""Admission: the webhook on one core, its clients on another; TLS, 16 connections that stay open, reviews of 7 KB.

A bare handler on aiohttp stands beside it on the same core and has its turns: machines differ, the ratio counts.
"""

import json
import os
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from certs.authority import Decision, Material, renew, service_hosts
from certs.rotate import utc_now
from certs.store import write_material
from tests.bench.figures import Figure
from tests.bench.load import Client, Load, Outcome
from tests.bench.machine import resident_megabytes
from tests.bench.webhook_server import NAMESPACE, SERVICE
from tests.cluster import artifacts

ROUNDS = 3
CONNECTIONS = 16
SECONDS = 5.0
WARM_SECONDS = 1.0
START_LIMIT_SECONDS = 30.0
# Above this share of a core used by others the figures say little.
QUIET_CORES = 0.1
HOST = f"{SERVICE}.{NAMESPACE}.svc"


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Files and port of one webhook."""

    secret: Path
    ca: Path
    kubeconfig: Path
    port: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Round:
    """One webhook's life: seconds until it answered, memory at its end, and its loads beside those of a bare handler.

    `bare` and `seen` are of the KasprApp, in `new` its requirements differ from review to review; `notebook` is of the
    Notebook, and `bare_notebook` too.
    """

    start_seconds: float
    megabytes: float
    bare: Outcome
    seen: Outcome
    new: Outcome
    bare_notebook: Outcome
    notebook: Outcome


def measure(work: Path) -> tuple[list[Figure], list[str]]:
    """The figures, and notes on what they are worth."""
    cores = sorted(os.sched_getaffinity(0))
    rounds = [measure_once(work / f"webhook-{number}", cores) for number in range(ROUNDS)]
    notes = [
        f"admission of a KasprApp, {what}: {told([getattr(one, name) for one in rounds])}"
        for what, name in (
            ("a bare handler", "bare"),
            ("ours", "seen"),
            ("ours, requirements never seen before", "new"),
        )
    ]
    other = max(one.other_cores for each in rounds for one in (each.bare, each.seen, each.new, each.notebook))
    if other > QUIET_CORES:
        notes.append(f"admission: other programs used up to {other:.1f} cores meanwhile; its figures are too bad")
    if len(cores) == 1:
        notes.append("admission: webhook and clients shared the only core; its figures are too bad")
    new = "admission, requirements never seen before: CPU over it"
    return [
        figure(
            "admission, KasprApp: CPU over a bare handler", [cpu(one.seen, one.bare) for one in rounds], "×", "≤1.5"
        ),
        figure("admission, KasprApp: p99 over it", [p99(one.seen, one.bare) for one in rounds], "×", "≤2"),
        figure(new, [cpu(one.new, one.bare) for one in rounds], "×", "≤4"),
        figure(
            "admission, Notebook: CPU over it", [cpu(one.notebook, one.bare_notebook) for one in rounds], "×", "≤1.5"
        ),
        figure("webhook: start to first review", [one.start_seconds for one in rounds], "s", "≤1.5"),
        figure("webhook: memory after all this (RSS)", [one.megabytes for one in rounds], "MB", "≤95"),
    ], notes


def figure(what: str, values: list[float], unit: str, goal: str) -> Figure:
    return Figure(what=what, value=statistics.median(values), unit=unit, goal=goal)


def cpu(ours: Outcome, bare: Outcome) -> float:
    return ours.cpu_microseconds / bare.cpu_microseconds


def p99(ours: Outcome, bare: Outcome) -> float:
    return ours.p99_milliseconds / bare.p99_milliseconds


def told(outcomes: list[Outcome]) -> str:
    """Such as `6,500/s on one core, 130 µs CPU for each, p50 2.4 ms, p99 4.1 ms`: the medians."""
    rate, each, p50, late = (
        statistics.median(getattr(one, name) for one in outcomes)
        for name in ("rate", "cpu_microseconds", "p50_milliseconds", "p99_milliseconds")
    )
    return f"{rate:,.0f}/s on one core, {each:.0f} µs CPU for each, p50 {p50:.1f} ms, p99 {late:.1f} ms"


def measure_once(folder: Path, cores: list[int]) -> Round:
    place = prepare(folder)
    bare_place = replace(place, port=free_port())
    started = time.perf_counter()
    with (
        running(server_argv(place), folder / "webhook.log", cores[0]) as server,
        running(bare_argv(bare_place), folder / "bare.log", cores[0]) as bare,
    ):
        ours = Load(
            port=place.port, host=HOST, ca=str(place.ca), pid=server.pid, core=cores[-1], connections=CONNECTIONS,
            warm_seconds=WARM_SECONDS, seconds=SECONDS, kind="KasprApp", new=False,
        )  # fmt: skip
        theirs = replace(ours, port=bare_place.port, pid=bare.pid)
        ask_once(ours, server, folder / "webhook.log")
        start_seconds = time.perf_counter() - started
        ask_once(theirs, bare, folder / "bare.log")
        loads = {
            "bare": theirs,
            "seen": ours,
            "new": replace(ours, new=True),
            "bare_notebook": replace(theirs, kind="Notebook"),
            "notebook": replace(ours, kind="Notebook"),
        }
        outcomes = {name: run_load(load) for name, load in loads.items()}
        return Round(start_seconds=start_seconds, megabytes=resident_megabytes(server.pid), **outcomes)


def prepare(folder: Path) -> Place:
    folder.mkdir()
    empty = Material(ca_bundle=b"", ca_key=b"", certificate=b"", key=b"")
    material = renew(empty, Decision.RENEW_CA, service_hosts(SERVICE, NAMESPACE), utc_now())
    place = Place(
        secret=folder / "secret.json", ca=folder / "ca.crt", kubeconfig=folder / "kubeconfig", port=free_port()
    )
    place.secret.write_text(json.dumps({"data": write_material(material)}))
    place.ca.write_bytes(material.ca_bundle)
    # Nothing listens there, and nothing asks: see webhook_server.FileCluster.
    kubeconfig = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "bench",
        "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}],
        "clusters": [{"name": "bench", "cluster": {"server": "http://127.0.0.1:9"}}],
        "users": [{"name": "bench", "user": {}}],
    }
    place.kubeconfig.write_text(json.dumps(kubeconfig))
    return place


def libraries(cache: Path) -> Path:
    """The libraries as the image has them: byte-code without docstrings, which the Dockerfile makes in the same way."""
    key = artifacts.digest_of(
        (artifacts.REPOSITORY / "requirements" / "dev.txt").read_bytes(), sys.implementation.cache_tag or ""
    )

    def make(partial: Path) -> None:
        shutil.copytree(sysconfig.get_path("platlib"), partial, symlinks=True)
        subprocess.run([sys.executable, "-m", "compileall", "-q", "-j", "0", "-o", "2", partial], check=False)
        for path in partial.rglob("*.opt-2.pyc"):
            path.rename(str(path).replace(".opt-2.", "."))

    return artifacts.make_once(cache / "bench-libraries" / key, make, what="Compiling the libraries as in the image")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def server_argv(place: Place) -> list[str | Path]:
    return [sys.executable, "-m", "tests.bench.webhook_server", str(place.port), place.kubeconfig, place.secret]


def bare_argv(place: Place) -> list[str | Path]:
    return [sys.executable, "-m", "tests.bench.bare_handler", str(place.port), place.secret]


@contextmanager
def running(argv: list[str | Path], log: Path, core: int | None) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as stream:
        environment = os.environ | {"PYTHONPATH": str(libraries(artifacts.CACHE))}
        server = subprocess.Popen(argv, cwd=artifacts.REPOSITORY, stdout=stream, stderr=stream, env=environment)
    try:
        if core is not None:
            os.sched_setaffinity(server.pid, {core})
        yield server
    finally:
        server.kill()
        server.wait()


def ask_once(load: Load, server: subprocess.Popen[bytes], log: Path) -> None:
    """Returns when the first review is answered."""
    end = time.perf_counter() + START_LIMIT_SECONDS
    context = ssl.create_default_context(cafile=load.ca)
    while True:
        if server.poll() is not None or time.perf_counter() > end:
            raise RuntimeError(f"the webhook does not answer; it said:\n{log.read_text()[-2000:]}")
        try:
            client = Client(load, context)
        except ConnectionError:
            time.sleep(0.005)
            continue
        with client.socket:
            client.socket.settimeout(START_LIMIT_SECONDS)
            client.send(1)
            client.receive()
            return


def run_load(load: Load) -> Outcome:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.load"], cwd=artifacts.REPOSITORY, input=json.dumps(asdict(load)),
        stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    return Outcome(**json.loads(done.stdout))
