"""Whole rounds of the controller over a fake of our client wrapper, with time that passes only when told."""

import datetime
import json
from collections.abc import Callable, Collection
from typing import Any

from controller.metrics import Metrics
from controller.reconcile import Reconciler
from controller.state import Key, PodState, ProbeOutcome
from tests.unit.fake_cluster import FakeCluster, Object
from wheelwarden.api import names
from wheelwarden.api.errors import KubeError
from wheelwarden.api.request import Request
from wheelwarden.kube import KASPRAPPS, NOTEBOOKS, PODS, STATEFUL_SETS, Resource
from wheelwarden.kube.events import Recorder
from wheelwarden.parsing.packages_hash import compute_packages_hash
from wheelwarden.rules.policy import DEFAULT
from wheelwarden.verify.results import ModuleResult, ProbeReport, Usage

APP = Key("KasprApp", "team", "demo")

LAB = Key("Notebook", "team", "lab")

HASH = compute_packages_hash({"packages": ["six"]})

CLAIM = "demo-app-python-packages"

RESULT = {
    "outcome": "installed", "hash": HASH, "installed": ["six==1.17.0"], "installedAt": "2026-01-31T10:30:00Z",
    "installedBy": "demo-app-0", "installSeconds": 3.0, "attempts": 1, "error": None, "warnings": [], "usage": None,
}  # fmt: skip


class FakeProber:
    """Remembers what was to be probed; the test says what came of it."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.looked: list[str] = []
        self.seen: Usage | None = None
        self.outcomes: dict[str, ProbeOutcome] = {}
        self.answer: Callable[[str], ProbeOutcome] = lambda digest: ProbeOutcome(digest=digest, report=GOOD)

    def start(self, key: Key, request: Request, pod: PodState) -> None:
        from controller.plan import probe_digest

        self.started.append(pod.name)
        self.outcomes[pod.uid] = self.answer(probe_digest(request, pod))

    def outcome(self, pod: PodState) -> ProbeOutcome | None:
        return self.outcomes.get(pod.uid)

    def forget(self, pod_uid: str) -> None:
        self.outcomes.pop(pod_uid, None)

    def forget_others(self, key: Key, pod_uids: Collection[str]) -> None:
        self.outcomes = {uid: outcome for uid, outcome in self.outcomes.items() if uid in pod_uids}

    def look(self, key: Key, pod: PodState) -> None:
        self.looked.append(pod.name)

    def usage(self, key: Key) -> Usage | None:
        return self.seen

    def forget_object(self, key: Key) -> None:
        self.seen = None
        self.outcomes.clear()


GOOD = ProbeReport(
    python="3.11.2", executable="python3", derived=True, results=(ModuleResult(module="six", ok=True, seconds=0.1),)
)


class World:
    """A cluster, a controller and a clock."""

    def __init__(self) -> None:
        self.cluster = FakeCluster()
        self.prober = FakeProber()
        self.metrics = Metrics()
        self.seconds = 0.0
        self.again: list[float] = []
        self.refused = 0
        self._start()

    def _start(self) -> None:
        cluster: Any = self.cluster
        clock = lambda: self.seconds  # noqa: E731 - one clock for both
        now = lambda: datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(seconds=self.seconds)  # noqa: E731
        self.reconciler = Reconciler(
            cluster, self.prober, Recorder(cluster, component="test", monotonic=clock, now=now), self.metrics, lambda: DEFAULT,
            monotonic=clock, now=now, again=lambda _key, seconds: self.again.append(seconds),
        )  # fmt: skip

    async def restart(self) -> None:
        """Another controller, which knows nothing but what stands in the cluster; the metrics go on, to see what it counts."""
        self.prober = FakeProber()
        self._start()

    async def settle(self, key: Key, rounds: int = 4) -> None:
        for _ in range(rounds):
            await self.reconciler.reconcile(key)

    async def writes_of(self, key: Key, rounds: int = 3) -> list[tuple[str, str, str]]:
        """What some more rounds write."""
        self.cluster.writes.clear()
        await self.settle(key, rounds)
        return list(self.cluster.writes)

    def app(self, packages: list[str] | None = None, *, replicas: int = 1) -> Object:
        spec: Object = {"replicas": replicas}
        if packages is not None:
            spec["pythonPackages"] = {"packages": packages}
        metadata = {"name": "demo", "namespace": "team", "uid": "app-uid", "creationTimestamp": "2025-12-31T00:00:00Z"}
        return self.cluster.put(KASPRAPPS, {"metadata": metadata, "spec": spec})

    def stateful(self, *, installer: bool = False, hash_: str = "", claim: str = "", generation: int = 1) -> Object:
        """The StatefulSet that the app's operator made; with an installer of its own, or none."""
        containers = [{"name": names.INSTALL_CONTAINER, "env": [{"name": "PACKAGES_HASH", "value": hash_}]}]
        spec: Object = {"containers": [{"name": "main"}]}
        if installer:
            spec["initContainers"] = containers
        if claim:
            spec["volumes"] = [{"name": "packages", "persistentVolumeClaim": {"claimName": claim}}]
        metadata = {"name": "demo-app", "namespace": "team", "uid": "set-uid", "generation": generation}
        return self.cluster.put(STATEFUL_SETS, {"metadata": metadata, "spec": {"template": {"spec": spec}}})

    def foreign_pod(self, name: str = "demo-app-0", *, hash_: str = "theirs", uid: str = "") -> Object:
        """A ready pod in which the operator's own installer ended well."""
        pod = self.pod(name, injected=False, uid=uid)
        env = [{"name": "PACKAGES_HASH", "value": hash_}]
        pod["spec"]["initContainers"] = [{"name": names.INSTALL_CONTAINER, "env": env}]
        ended = {"terminated": {"exitCode": 0}}
        pod["status"]["initContainerStatuses"] = [{"name": names.INSTALL_CONTAINER, "state": ended}]
        return self.cluster.put(PODS, pod)

    def notebook(self, **annotations: str) -> Object:
        metadata = {"name": "lab", "namespace": "team", "uid": "lab-uid", "annotations": annotations}
        return self.cluster.put(NOTEBOOKS, {"metadata": metadata, "spec": {}})

    def pod(
        self,
        name: str = "demo-app-0",
        *,
        owner: Key = APP,
        injected: bool = True,
        result: Object = RESULT,
        claim: str = "",
        uid: str = "",
    ) -> Object:
        label = {names.KASPR_APP_LABEL: "demo"} if owner is APP else {names.NOTEBOOK_NAME_LABEL: "lab"}
        pod: Object = {
            "metadata": {"name": name, "namespace": "team", "uid": uid or f"uid-{name}", "labels": label},
            "spec": {"containers": [{"name": "main"}]},
            "status": {"phase": "Running", "containerStatuses": [{"name": "main", "ready": True, "restartCount": 0}]},
        }
        if claim:
            pod["spec"]["volumes"] = [{"name": "store", "persistentVolumeClaim": {"claimName": claim}}]
        if injected:
            pod["metadata"]["annotations"] = {names.POD_HASH_ANNOTATION: HASH}
            ended = {"terminated": {"exitCode": 0, "message": json.dumps(result)}}
            pod["spec"]["initContainers"] = [{"name": names.INSTALL_CONTAINER}]
            pod["status"]["initContainerStatuses"] = [{"name": names.INSTALL_CONTAINER, "state": ended}]
        return self.cluster.put(PODS, pod)

    def condition(self, obj: Object, type_: str) -> tuple[str, str]:
        found = {entry["type"]: (entry["status"], entry["reason"]) for entry in obj["status"]["conditions"]}
        return found[type_]


def prune(world: World, *fields: str, root: bool = False) -> None:
    """From now on the API server drops these fields of `status.pythonPackages`, or `status.wheelwarden` as a whole."""
    patch = world.cluster.patch

    async def pruning(*arguments: Any, **named: Any) -> Object:
        obj = await patch(*arguments, **named)
        for field in fields:
            (obj.get("status", {}).get("pythonPackages") or {}).pop(field, None)
        if root:
            obj.get("status", {}).pop("wheelwarden", None)
        return obj

    world.cluster.patch = pruning  # type: ignore[method-assign]


def refuse(world: World, what: Callable[[Resource, Object], bool], error: KubeError) -> None:
    """From now on the API server refuses such patches."""
    patch = world.cluster.patch

    async def refusing(resource: Resource, name: str, body: Object, *arguments: Any, **named: Any) -> Object:
        if what(resource, body):
            world.refused += 1
            raise error
        return await patch(resource, name, body, *arguments, **named)

    world.cluster.patch = refusing  # type: ignore[method-assign,assignment]
