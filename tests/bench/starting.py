"""The second pod of a workload on a real node: from its creation until it is ready, its packages being there already.

`measure` makes a cluster with the chart and the stand-ins, and runs this module inside of it, where `main` prints the figure as
JSON. What is timed has the scheduler, the claim's mount, both init containers and the main container's start in it.
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import time

from tests.bench.figures import Figure
from tests.e2e.workspace import IMPORTS_VERIFIED, Workspace, packages
from wheelwarden.api.objects import Object
from wheelwarden.kube import KASPRAPPS, PODS, Cluster

NAMESPACE = "bench"
NAME = "starting"
PACKAGES = ("numpy", "requests")
ROUNDS = 3
LIMIT_SECONDS = 120


def measure() -> list[Figure]:
    argv = [sys.executable, "-m", "tests.cluster", "run", "--", sys.executable, "-m", "tests.bench.starting"]
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True)
    seconds = json.loads(done.stdout.splitlines()[-1])["seconds"]
    return [Figure(what="second pod on a real node: from creation to ready", value=seconds, unit="s", goal="≤5")]


def main() -> int:
    workspace = Workspace(namespace=NAMESPACE, image=os.environ["PYTHON_IMAGE"])
    workspace.kubectl("create", "namespace", NAMESPACE)
    workspace.apply(workspace.app(NAME, packages(os.environ["INDEX_URL"], *PACKAGES)))
    workspace.wait_condition("kasprapp", NAME, IMPORTS_VERIFIED, "True")
    print(json.dumps({"seconds": statistics.median(asyncio.run(_measure()))}))
    return 0


async def _measure() -> list[float]:
    async with await Cluster.connect(field_manager="bench") as cluster, asyncio.timeout(ROUNDS * LIMIT_SECONDS):
        return [await _time_second_pod(cluster) for _ in range(ROUNDS)]


async def _time_second_pod(cluster: Cluster) -> float:
    """Seconds from the moment that the second pod is created until it is ready; it is gone again afterwards."""
    version = (await cluster.list(PODS, NAMESPACE)).resource_version
    await _scale(cluster, 2)
    created = ready = 0.0
    async for event in cluster.watch(PODS, NAMESPACE, resource_version=version, timeout_seconds=LIMIT_SECONDS):
        if event.type == "BOOKMARK" or event.object["metadata"]["name"] != f"{NAME}-app-1":
            continue
        created = created or time.perf_counter()
        if _is_ready(event.object):
            ready = time.perf_counter()
            break
    if not ready:
        raise RuntimeError(f"the second pod was not ready within {LIMIT_SECONDS} s")
    await _scale(cluster, 1)
    while len((await cluster.list(PODS, NAMESPACE)).items) > 1:
        await asyncio.sleep(0.2)
    return ready - created


async def _scale(cluster: Cluster, replicas: int) -> None:
    await cluster.patch(KASPRAPPS, NAME, {"spec": {"replicas": replicas}}, NAMESPACE)


def _is_ready(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


if __name__ == "__main__":
    sys.exit(main())
