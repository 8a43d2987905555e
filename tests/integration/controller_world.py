"""A controller in this process on a real API server, and by hand what kubelet and the workload controllers would do."""

import asyncio
import contextlib
import datetime
import json
import time
from collections.abc import AsyncIterator, Callable, Collection

from controller.loop import Loop
from controller.metrics import Metrics
from controller.plan import probe_digest
from controller.queue import Queue
from controller.reconcile import Reconciler
from controller.state import Key, PodState, ProbeOutcome
from tests.integration.standin_objects import kaspr_app, until
from wheelwarden.api import names
from wheelwarden.api.kinds import all_kinds
from wheelwarden.api.objects import Object
from wheelwarden.api.request import Request
from wheelwarden.kube import KASPRAPPS, NAMESPACES, PODS, Cluster, Resource
from wheelwarden.kube.events import Recorder
from wheelwarden.parsing.packages_hash import compute_packages_hash
from wheelwarden.rules.policy import DEFAULT
from wheelwarden.verify.results import ModuleResult, ProbeReport, Usage

SIX = {"packages": ["six"]}
HASH = compute_packages_hash(SIX)
CLAIM = "demo-app-python-packages"
APP_LABELS = {names.KASPR_APP_LABEL: "demo"}
DONE = {"PackagesInstalled": "Installed", "ImportsVerified": "ImportsSucceeded"}
INSTALLED_AT = "2026-01-31T10:30:00Z"
IMAGE = "registry.example.com/orders:1"
GOOD = ProbeReport(
    python="3.11.2", executable="python3", derived=True, results=(ModuleResult(module="six", ok=True, seconds=0.1),)
)
BROKEN = ProbeReport(
    python="3.11.2",
    executable="python3",
    derived=True,
    results=(
        ModuleResult(
            module="six", ok=False, seconds=0.1, reason="ImportFailed", error="ValueError: made to fail"
        ),
    ),
)  # fmt: skip


class Clock:
    """The real clock, which a test may put forward."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead

    def now(self) -> datetime.datetime:
        return datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=self.ahead)


class InstantProber:
    """Answers at once with `report`, for there is no kubelet to exec through. `started` names the pods."""

    def __init__(self, done: Callable[[Key], None]) -> None:
        self.started: list[str] = []
        self.looked: list[str] = []
        self.seen: Usage | None = None
        self.report = GOOD
        self._done = done
        self._outcomes: dict[str, ProbeOutcome] = {}

    def start(self, key: Key, request: Request, pod: PodState) -> None:
        self.started.append(pod.name)
        self._outcomes[pod.uid] = ProbeOutcome(digest=probe_digest(request, pod), report=self.report)
        self._done(key)

    def outcome(self, pod: PodState) -> ProbeOutcome | None:
        return self._outcomes.get(pod.uid)

    def forget(self, pod_uid: str) -> None:
        self._outcomes.pop(pod_uid, None)

    def forget_others(self, key: Key, pod_uids: Collection[str]) -> None:
        """Nothing: it ends with its test."""

    def look(self, key: Key, pod: PodState) -> None:
        self.looked.append(pod.name)

    def usage(self, key: Key) -> Usage | None:
        return self.seen

    def forget_object(self, key: Key) -> None:
        self.seen = None


class Controller:
    """The parts of the program that stand between the Lease and the API server, for one namespace."""

    def __init__(self, cluster: Cluster, namespace: str, *, resync_seconds: float = 0.2) -> None:
        self.clock = Clock()
        self.metrics = Metrics()
        queue: Queue[Key] = Queue(asyncio.get_running_loop().call_later)
        self.prober = InstantProber(queue.add)
        self._queue = queue
        self.reconciler = Reconciler(
            cluster, self.prober,
            Recorder(cluster, component="wheelwarden-controller", monotonic=self.clock.monotonic, now=self.clock.now),
            self.metrics,
            lambda: DEFAULT, monotonic=self.clock.monotonic, now=self.clock.now, again=queue.add_after,
        )  # fmt: skip
        self._loop = Loop(
            cluster, queue, self.reconciler, self.metrics,
            kinds=all_kinds(), namespaces=[namespace], workers=2, resync_seconds=resync_seconds,
        )  # fmt: skip

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.ensure_future(self._loop.run())
        try:
            yield
            assert not task.done(), "the loop ended by itself"
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self._queue.close()

    def reconciles(self, result: str = "done") -> float:
        return self.metrics.registry.get_sample_value("wheelwarden_reconciles_total", {"result": result}) or 0.0

    async def rounds(self, count: int) -> None:
        """Waits until so many more reconciles went well."""
        goal = self.reconciles() + count

        async def reached() -> bool:
            return self.reconciles() >= goal

        await until(reached)


def result(outcome: str = "installed", error: Object | None = None, hash_: str = HASH) -> Object:
    """What the installer leaves in its termination message."""
    return {
        "version": 1, "outcome": outcome, "hash": hash_, "key": f"{hash_}-cp311-linux_x86_64-glibc",
        "installer": "uv 0.13.8", "python": "3.11.2", "attempts": 1, "durationSeconds": 2.6, "installSeconds": 2.6,
        "installedAt": None if error else INSTALLED_AT, "installedBy": None if error else "demo-app-0",
        "installed": [] if error else ["six==1.17.0"], "installedOmitted": 0, "warnings": [], "error": error,
        "usage": {"totalBytes": 1000, "usedBytes": 250, "availableBytes": 750},
    }  # fmt: skip


def pod(name: str, labels: dict[str, str], *, hash_: str = HASH, claim: str = "", main: str = "kaspr") -> Object:
    """A pod as the API server keeps it after the injection; an empty hash: one that was not injected."""
    spec: Object = {"containers": [{"name": main, "image": IMAGE}]}
    metadata: Object = {"name": name, "labels": labels}
    if hash_:
        metadata["annotations"] = {names.POD_HASH_ANNOTATION: hash_}
        spec["initContainers"] = [{"name": names.INSTALL_CONTAINER, "image": IMAGE}]
    if claim:
        spec["volumes"] = [{"name": names.STORE_VOLUME, "persistentVolumeClaim": {"claimName": claim}}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def stateful_set(
    name: str = "demo", *, installer: bool = False, claim: str = "", packages_hash: str = "theirs"
) -> Object:
    """What a KasprApp's operator makes; with an installer of its own (0.14 and later), or none."""
    labels = {names.KASPR_APP_LABEL: name}
    spec: Object = {"containers": [{"name": "kaspr", "image": IMAGE}]}
    if installer:
        env = [{"name": "PACKAGES_HASH", "value": packages_hash}]
        spec["initContainers"] = [{"name": names.INSTALL_CONTAINER, "image": IMAGE, "env": env}]
    if claim:
        spec["volumes"] = [{"name": "packages", "persistentVolumeClaim": {"claimName": claim}}]
    template = {"metadata": {"labels": labels}, "spec": spec}
    body = {"serviceName": name, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": f"{name}-app"}, "spec": body}


async def report_by_kubelet(
    cluster: Cluster,
    namespace: str,
    name: str,
    *,
    installer: Object | None = None,
    ready: bool = True,
    restarts: int = 0,
    main: str = "",
) -> None:
    """What kubelet writes: the installer's word (none: it was not injected), then the main container's state."""
    main = main or (await cluster.get(PODS, name, namespace))["spec"]["containers"][0]["name"]
    running = {"running": {"startedAt": INSTALLED_AT}} if ready else {"waiting": {"reason": "PodInitializing"}}
    status: Object = {
        "phase": "Running" if ready else "Pending",
        "containerStatuses": [
            {"name": main, "image": IMAGE, "imageID": "", "ready": ready, "restartCount": restarts, "state": running}
        ],
        "conditions": [{"type": "Ready", "status": str(ready), "lastTransitionTime": INSTALLED_AT}],
    }
    if installer is not None:
        failed = installer["outcome"] == "failed"
        ended = {
            "exitCode": int(failed),
            "reason": "Error" if failed else "Completed",
            "message": json.dumps(installer),
        }
        status["initContainerStatuses"] = [
            {"name": names.INSTALL_CONTAINER, "image": IMAGE, "imageID": "", "ready": not failed, "restartCount": 0,
             "state": {"terminated": ended}}
        ]  # fmt: skip
    await cluster.patch(PODS, name, {"status": status}, namespace, subresource="status", style="strategic")


def said(obj: Object) -> dict[str, tuple[str, str, str]]:
    """Our conditions of an object: type to (status, reason, message)."""
    return {
        entry["type"]: (entry["status"], entry["reason"], entry["message"])
        for entry in (obj.get("status") or {}).get("conditions") or []
        if entry["type"].startswith(names.DOMAIN)
    }


def reasons(obj: Object) -> dict[str, str]:
    """Our conditions of an object: the last part of the type to the reason."""
    return {type_.rpartition("/")[2]: reason for type_, (_, reason, _) in said(obj).items()}


async def clear_namespace(cluster: Cluster, name: str, *resources: Resource) -> None:
    """Deletes a test's namespace, and the objects in it first: no controller empties a namespace on this tier."""
    for resource in resources:
        for item in (await cluster.list(resource, name)).items:
            await cluster.delete(resource, item["metadata"]["name"], name)
    await cluster.delete(NAMESPACES, name)


async def has(cluster: Cluster, resource: Resource, name: str, namespace: str, wanted: dict[str, str]) -> Object:
    """The object, as soon as its conditions have these reasons."""

    async def look() -> Object | None:
        found = await cluster.get(resource, name, namespace)
        return found if reasons(found) == wanted else None

    return await until(look)


async def add_app(cluster: Cluster, namespace: str, pods: int = 1, hash_: str = HASH, name: str = "demo") -> Object:
    """A KasprApp that asks for SIX, with ready pods on its claim whose installer ended well."""
    labels = {names.KASPR_APP_LABEL: name}
    for index in range(pods):
        body = pod(f"{name}-app-{index}", labels, hash_=hash_, claim=f"{name}-app-python-packages")
        await cluster.create(PODS, body, namespace)
        await report_by_kubelet(cluster, namespace, f"{name}-app-{index}", installer=result(hash_=hash_))
    return await cluster.create(KASPRAPPS, kaspr_app(name, replicas=pods, pythonPackages=SIX), namespace)
