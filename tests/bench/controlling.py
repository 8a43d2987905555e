"""The controller with 10,000 Notebooks, their pods and claims on a real API server: memory, resync, rate, and quiet.

No kubelet runs: the pods are as a kubelet and an earlier controller would have left them, installed and proven.
"""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.request import urlopen

from controller.claim_plan import build_claim
from controller.plan import probe_digest
from controller.state import read_pod
from tests.bench.admission import free_port
from tests.bench.figures import Figure
from tests.bench.machine import cpu_seconds, peak_megabytes, resident_megabytes
from tests.bench.reviews import make_review
from tests.cases import request_of
from tests.cluster.apiserver import ApiServer, running_api_server
from wheelwarden.api import names
from wheelwarden.api.kinds import NOTEBOOK
from wheelwarden.api.objects import Object
from wheelwarden.kube import CLAIMS, NAMESPACES, NOTEBOOKS, PODS, SERVICE_ACCOUNTS, Cluster
from wheelwarden.parsing.packages_hash import compute_packages_hash

COUNT: Final = int(os.environ.get("WHEELWARDEN_BENCH_NOTEBOOKS", "10000"))
IN_NAMESPACE: Final = 100
AT_ONCE: Final = 32
LOOK_SECONDS: Final = 2.0
QUIET_SECONDS: Final = 30.0
LIMIT_SECONDS: Final = 900.0
ASKED: Final = {"packages": ["requests", "numpy==2.1.0"], "cache": {"size": "1Gi"}}
RESULT: Final = {
    "outcome": "installed", "hash": compute_packages_hash(ASKED), "installed": ["numpy==2.1.0", "requests==2.32.0"],
    "installedAt": "2026-01-31T10:30:00Z", "installedBy": "lab-0", "installSeconds": 3.0, "attempts": 1, "error": None,
    "warnings": [], "usage": {"totalBytes": 1 << 30, "usedBytes": 1 << 28, "availableBytes": 3 << 28},
}  # fmt: skip


def measure(work: Path) -> tuple[list[Figure], list[str]]:
    """The figures, and notes with what is behind them."""
    folder = work / "controlling"
    with running_api_server(folder) as server:
        with running_controller(server, folder, "idle") as idle:
            idle.wait_until_quiet(0)
            nothing = resident_megabytes(idle.pid)
        asyncio.run(set_up(server))
        with running_controller(server, folder, "first") as first:  # writes what there is to be written
            first.wait_until_quiet(COUNT)
        before = writes(server)
        with running_controller(server, folder, "again") as again:
            seconds, done = again.wait_until_quiet(COUNT)
            held, peak = resident_megabytes(again.pid), peak_megabytes(again.pid)
            used = cpu_seconds(again.pid)
            time.sleep(QUIET_SECONDS)
            quiet = (cpu_seconds(again.pid) - used) / QUIET_SECONDS
        written = writes(server) - before
    watched = 3 * COUNT  # with a pod and a claim each
    thousands = f"{COUNT:,} Notebooks with pods and claims"
    figures = [
        Figure(what=f"controller, {thousands}: memory over idle for each object watched",
               value=1000 * (held - nothing) / watched, unit="kB", goal="≤5"),
        Figure(what="controller, the same: start until all are seen to", value=seconds, unit="s", goal="≤60"),
        Figure(what="controller, the same: reconciles", value=done / seconds, unit="/s", goal="≥100"),
        Figure(what="controller, the same: writes where nothing changed", value=written, unit="writes", goal="≤0"),
        Figure(what="controller, the same: of one processor while quiet", value=100 * quiet, unit="%", goal="≤1"),
    ]  # fmt: skip
    note = f"controller: {nothing:.0f} MB idle, {held:.0f} MB with all, {peak:.0f} MB at most"
    return figures, [note]


class Controller:
    """A running controller, as its own metrics and the kernel tell of it."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
        self.pid = process.pid
        self._process = process
        self._port = port
        self._log = log
        self._started = time.monotonic()

    def wait_until_quiet(self, count: int) -> tuple[float, float]:
        """Seconds from the start until `count` objects were seen to and nothing waits any more; and how many reconciles."""
        last, since = -1.0, self._started
        while True:
            done = self._done()
            now = time.monotonic()
            if done != last:
                last, since = done, now
            elif done >= count and now - since > 2 * LOOK_SECONDS:
                return since - self._started, done
            if self._process.poll() is not None or now - self._started > LIMIT_SECONDS:
                raise RuntimeError(f"the controller did not come to rest: {self._log.read_text()[-2000:]}")
            time.sleep(LOOK_SECONDS)  # its metrics are long

    def _done(self) -> float:
        """How many reconciles ended; as many as ever while it does not answer yet."""
        try:
            with urlopen(f"http://127.0.0.1:{self._port}/metrics", timeout=10) as answer:
                lines = answer.read().decode().splitlines()
        except OSError:
            return -1.0
        return sum(float(line.split()[-1]) for line in lines if line.startswith("wheelwarden_reconciles_total{"))


@contextlib.contextmanager
def running_controller(server: ApiServer, work: Path, name: str) -> Iterator[Controller]:
    port = free_port()
    more = {
        "WHEELWARDEN_HEALTH_LISTEN": f"127.0.0.1:{port}", "WHEELWARDEN_NAMESPACE": "default",
        "WHEELWARDEN_LEASE": "bench", "WHEELWARDEN_KINDS": "Notebook", "WHEELWARDEN_KUBECONFIG": str(server.kubeconfig),
    }  # fmt: skip
    log = work / f"controller-{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "controller"], env=os.environ | more, stdout=output, stderr=output
        )
    try:
        yield Controller(process, port, log)
    finally:
        process.terminate()
        process.wait(30)


async def set_up(server: ApiServer) -> None:
    """The Notebooks, each with its claim and pod."""
    template = json.loads(make_review(new=False))["request"]["object"]
    turns = asyncio.Semaphore(AT_ONCE)
    connecting = Cluster.connect(kubeconfig=server.kubeconfig, field_manager="bench")
    async with await connecting as cluster:

        async def make(number: int) -> None:
            async with turns:
                await make_notebook(cluster, template, f"team-{number // IN_NAMESPACE}", f"lab-{number}")

        for number in range(-(-COUNT // IN_NAMESPACE)):
            await cluster.create(NAMESPACES, {"metadata": {"name": f"team-{number}"}})
            await cluster.create(SERVICE_ACCOUNTS, {"metadata": {"name": "default"}}, f"team-{number}")
        await asyncio.gather(*(make(number) for number in range(COUNT)))


async def make_notebook(cluster: Cluster, template: Object, namespace: str, name: str) -> None:
    """One Notebook, its bound claim, and its pod, ready, installed and proven."""
    notebook = {
        "apiVersion": "kubeflow.org/v1", "kind": "Notebook", "spec": template["spec"],
        "metadata": {"name": name, "annotations": {names.PACKAGES_ANNOTATION: json.dumps(ASKED)}},
    }  # fmt: skip
    made = await cluster.create(NOTEBOOKS, notebook, namespace)
    request = request_of({**notebook, "metadata": {**made["metadata"]}})
    claim = await cluster.create(CLAIMS, build_claim(request), namespace)
    bound = {"status": {"phase": "Bound", "capacity": claim["spec"]["resources"]["requests"]}}
    await cluster.patch(CLAIMS, claim["metadata"]["name"], bound, namespace, subresource="status")
    volumes = [{"name": names.STORE_VOLUME, "persistentVolumeClaim": {"claimName": claim["metadata"]["name"]}}]
    pod = await cluster.create(PODS, {
        "metadata": {
            "name": f"{name}-0", "labels": {names.NOTEBOOK_NAME_LABEL: name},
            "annotations": {names.POD_HASH_ANNOTATION: request.packages_hash},
        },
        "spec": {
            "automountServiceAccountToken": False, "volumes": volumes,
            "initContainers": [{"name": names.INSTALL_CONTAINER, "image": "registry.example.com/lab:1"}],
            "containers": [{"name": name, "image": "registry.example.com/lab:1"}],
        },
    }, namespace)  # fmt: skip
    said = json.dumps({**RESULT, "hash": request.packages_hash, "installedBy": f"{name}-0"})
    status: Object = {
        "phase": "Running",
        "containerStatuses": [{
            "name": name, "image": "registry.example.com/lab:1", "imageID": "", "ready": True, "restartCount": 0,
            "state": {"running": {"startedAt": "2026-01-31T10:30:00Z"}},
        }],
        "initContainerStatuses": [{
            "name": names.INSTALL_CONTAINER, "image": "registry.example.com/lab:1", "imageID": "", "ready": True,
            "restartCount": 0, "state": {"terminated": {"exitCode": 0, "message": said, "reason": "Completed"}},
        }],
        "conditions": [{
            "type": names.IMPORTS_VERIFIED, "status": "True", "reason": "ImportsSucceeded",
            "message": "2 imports succeeded: numpy, requests.",
        }],
    }  # fmt: skip
    digest = probe_digest(request, read_pod(NOTEBOOK, name, {**pod, "status": status}))
    patch = {"metadata": {"annotations": {names.POD_PROBED_ANNOTATION: digest}}, "status": status}
    await cluster.patch(PODS, f"{name}-0", patch, namespace, subresource="status")


def writes(server: ApiServer) -> int:
    """How many changes of ours the API server was asked for so far: not those of the Lease."""
    total = 0
    for line in server.kubectl("get", "--raw", "/metrics").splitlines():
        if line.startswith("apiserver_request_total{") and any(
            f'verb="{verb}"' in line for verb in ("POST", "PUT", "PATCH", "DELETE")
        ):
            ours = ("notebooks", "pods", "persistentvolumeclaims", "events")
            if any(f'resource="{resource}"' in line for resource in ours):
                total += int(float(line.split()[-1]))
    return total
