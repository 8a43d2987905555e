"""Proving on a real kubelet: one exec for ten modules against an exec for each, and 200 probes on one node.

`measure` makes a cluster and runs this module inside of it, where `main` prints the figures as JSON.
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import replace

from controller.probe import ExecProber, Places
from controller.state import Key, PodState
from tests.bench.figures import Figure
from tests.bench.probing import MODULES
from tests.cases import request_of
from wheelwarden.api.objects import Object
from wheelwarden.api.request import Request
from wheelwarden.kube import PODS, Cluster
from wheelwarden.payload import probe_argv

NAMESPACE = "default"
NAME = "bench"
ROUNDS = 3
PROBES = 200


def measure() -> list[Figure]:
    argv = [sys.executable, "-m", "tests.cluster", "run", "--bare", "--", sys.executable, "-m", "tests.bench.execs"]
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    return [
        Figure(what="10 modules: an exec for each over one probe", value=found["ratio"], unit="×", goal="≥3"),
        Figure(what=f"{PROBES} pods of one node probed, two at a time: each", value=found["each"], unit="s", goal="≤1"),
    ]


def main() -> int:
    print(json.dumps(asyncio.run(_measure())))
    return 0


async def _measure() -> dict[str, float]:
    container = {"name": "kaspr", "image": os.environ["PYTHON_IMAGE"], "command": ["sleep", "infinity"]}
    pod: Object = {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": NAME},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]},
    }  # fmt: skip
    async with await Cluster.connect(field_manager="bench") as cluster:
        await cluster.create(PODS, pod, NAMESPACE)
        while (await cluster.get(PODS, NAME, NAMESPACE)).get("status", {}).get("phase") != "Running":
            await asyncio.sleep(0.5)
        ratios = [await _compare(cluster) for _ in range(ROUNDS)]
        return {"ratio": statistics.median(ratios), "each": await _probe_many(cluster)}


async def _compare(cluster: Cluster) -> float:
    started = time.perf_counter()
    for module in MODULES:
        done = await cluster.exec(NAME, NAMESPACE, "kaspr", ["python3", "-c", f"import {module}"], timeout_seconds=60)
        assert done.exit_code == 0, done.stderr
    separate = time.perf_counter() - started
    asked = {
        "version": 1, "modules": list(MODULES), "distributions": [], "searchPath": "", "deadlineSeconds": 60,
        "totalSeconds": 300,
    }  # fmt: skip
    started = time.perf_counter()
    done = await cluster.exec(NAME, NAMESPACE, "kaspr", probe_argv("python3", asked), timeout_seconds=60)
    assert done.exit_code == 0, done.stderr
    return separate / (time.perf_counter() - started)


async def _probe_many(cluster: Cluster) -> float:
    """Seconds for each probe of three modules, of as many objects, as the controller limits them on one node."""
    request = _request()
    pods = [replace(POD, uid=f"pod-{number}") for number in range(PROBES)]
    done: asyncio.Queue[Key] = asyncio.Queue()
    prober = ExecProber(cluster, Places(total=8, per_node=2, per_namespace=4), done.put_nowait)
    started = time.perf_counter()
    for pod in pods:
        prober.start(Key("KasprApp", NAMESPACE, NAME), request, pod)
    for _ in pods:
        await done.get()
    seconds = time.perf_counter() - started
    outcomes = [prober.outcome(pod) for pod in pods]
    assert all(outcome is not None and outcome.report is not None for outcome in outcomes)
    return seconds / PROBES


POD = PodState(
    name=NAME, uid="", deleting=False, ready=True, node="node", main="kaspr", crashing=False, restarts=0, injected=False,
    hash="", probed="", foreign_installer=False, taken_over=False, search_path="", installer=None, conditions=(),
    claims=frozenset(),
)  # fmt: skip


def _request() -> Request:
    annotations = {"wheelwarden.dev/verify-imports": "json,asyncio,decimal"}
    metadata = {"name": NAME, "namespace": NAMESPACE, "annotations": annotations}
    return request_of({"apiVersion": "kaspr.io/v1alpha1", "kind": "KasprApp", "metadata": metadata, "spec": {}})


if __name__ == "__main__":
    sys.exit(main())
