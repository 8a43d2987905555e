"""Whole rounds of the controller over a fake of our client wrapper, with time that passes only when told."""

import datetime
import json
from collections.abc import Callable
from typing import Any

import pytest

from controller.metrics import Metrics
from controller.reconcile import Reconciler
from controller.state import Key, PodState, ProbeOutcome
from tests.unit.fake_cluster import FakeCluster, Object
from wheelwarden import names
from wheelwarden.errors import Conflict
from wheelwarden.events import Recorder
from wheelwarden.hashing import compute_packages_hash
from wheelwarden.kube import KASPRAPPS, NOTEBOOKS, PODS, STATEFUL_SETS
from wheelwarden.policy import DEFAULT
from wheelwarden.request import Request
from wheelwarden.verify.results import ModuleResult, ProbeReport, Usage

APP = Key("KasprApp", "team", "demo")
LAB = Key("Notebook", "team", "lab")
HASH = compute_packages_hash({"packages": ["six"]})
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

    def look(self, key: Key, pod: PodState) -> None:
        self.looked.append(pod.name)

    def usage(self, key: Key) -> Usage | None:
        return self.seen

    def forget_object(self, key: Key) -> None:
        self.seen = None


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
        cluster: Any = self.cluster
        clock = lambda: self.seconds  # noqa: E731 - one clock for both
        now = lambda: datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(seconds=self.seconds)  # noqa: E731
        self.reconciler = Reconciler(
            cluster, self.prober, Recorder(cluster, component="test", monotonic=clock, now=now), self.metrics, lambda: DEFAULT,
            monotonic=clock, now=now, again=lambda _key, seconds: self.again.append(seconds),
        )  # fmt: skip

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


@pytest.fixture
def world() -> World:
    return World()


async def test_a_ready_app_is_reported_once_and_then_nothing_is_written(world: World) -> None:
    world.app(["six"])
    world.pod()
    await world.settle(APP)
    app = await world.cluster.get(KASPRAPPS, "demo")
    assert world.condition(app, names.PACKAGES_INSTALLED) == ("True", "Installed")
    assert world.condition(app, names.IMPORTS_VERIFIED) == ("True", "ImportsSucceeded")
    assert app["status"]["pythonPackages"]["state"] == "Ready"
    assert world.cluster.claims() == ["demo-app-python-packages"]
    assert world.prober.started == ["demo-app-0"]
    world.seconds += 3600
    assert await world.writes_of(APP) == []
    assert world.prober.started == ["demo-app-0"]


async def test_transitions_are_told_and_counted_once(world: World) -> None:
    world.app(["six"])
    world.pod()
    await world.settle(APP, 6)
    assert sorted(world.cluster.events) == [
        ("KasprApp", "ImportsSucceeded"), ("KasprApp", "Installed"), ("Pod", "ImportsSucceeded"), ("Pod", "Installed"),
    ]  # fmt: skip
    labels = {"app_name": "demo", "namespace": "team", "result": "success"}
    assert world.metrics.registry.get_sample_value("kasprop_package_install_total", labels) == 1
    labels = {"package": "six", "result": "success"}
    assert world.metrics.registry.get_sample_value("package_verification_total", labels) == 1


async def test_a_restarted_container_is_probed_again(world: World) -> None:
    world.app(["six"])
    world.pod()
    await world.settle(APP)
    world.cluster.objects["pods", "demo-app-0"]["status"]["containerStatuses"][0]["restartCount"] = 1
    await world.settle(APP)
    assert world.prober.started == ["demo-app-0", "demo-app-0"]


async def test_a_probe_that_cannot_run_is_tried_again_after_a_while_and_not_stormed(world: World) -> None:
    world.prober.answer = lambda digest: ProbeOutcome(digest=digest, failure="exec is forbidden.")
    world.app(["six"])
    world.pod()
    await world.settle(APP, 6)
    app = await world.cluster.get(KASPRAPPS, "demo")
    assert world.condition(app, names.IMPORTS_VERIFIED) == ("Unknown", "ProbeFailed")
    assert world.prober.started == ["demo-app-0"]
    world.seconds += 31
    world.prober.answer = lambda digest: ProbeOutcome(digest=digest, report=GOOD)
    await world.settle(APP)
    assert world.prober.started == ["demo-app-0", "demo-app-0"]
    app = await world.cluster.get(KASPRAPPS, "demo")
    assert world.condition(app, names.IMPORTS_VERIFIED) == ("True", "ImportsSucceeded")


async def test_the_pauses_between_probes_that_cannot_run_grow_to_a_quarter_of_an_hour(world: World) -> None:
    world.prober.answer = lambda digest: ProbeOutcome(digest=digest, failure="exec is forbidden.")
    world.app(["six"])
    world.pod()
    await world.settle(APP)
    pauses = []
    for count in range(2, 10):
        before = world.seconds
        while len(world.prober.started) < count:
            world.seconds += 15
            await world.settle(APP)
        pauses.append(world.seconds - before)
    assert pauses == [30, 60, 120, 240, 480, 900, 900, 900]


async def test_verify_now_asks_for_one_more_probe_and_waits_for_no_pause(world: World) -> None:
    async def ask(value: str) -> None:
        metadata = world.cluster.objects["kasprapps", "demo"]["metadata"]
        metadata["annotations"] = {**metadata.get("annotations", {}), names.VERIFY_NOW_ANNOTATION: value}
        await world.settle(APP)

    world.app(["six"])
    world.pod()
    await world.settle(APP)
    await ask("1")
    assert len(world.prober.started) == 2
    world.prober.answer = lambda digest: ProbeOutcome(digest=digest, failure="exec is forbidden.")
    await ask("2")
    assert len(world.prober.started) == 3
    await ask("3")
    assert len(world.prober.started) == 4
    await ask("3")
    assert len(world.prober.started) == 4


async def test_a_condition_that_somebody_drops_is_put_back_at_most_once_a_minute(world: World) -> None:
    world.app(["six"])
    world.pod()
    await world.settle(APP)
    world.seconds += 61

    def drop() -> None:
        world.cluster.objects["kasprapps", "demo"]["status"]["conditions"] = [{"type": "Theirs", "status": "True"}]

    drop()
    assert await world.writes_of(APP) == [("patch", "kasprapps", "demo")]
    app = await world.cluster.get(KASPRAPPS, "demo")
    assert [entry["type"] for entry in app["status"]["conditions"]] == [
        "Theirs", names.PACKAGES_INSTALLED, names.IMPORTS_VERIFIED,
    ]  # fmt: skip
    drop()
    assert await world.writes_of(APP) == []
    assert 60 in world.again
    world.seconds += 61
    assert await world.writes_of(APP) == [("patch", "kasprapps", "demo")]


async def test_a_notebook_gets_its_last_result_and_no_status(world: World) -> None:
    world.notebook(**{names.PACKAGES_ANNOTATION: "packages: [six]"})
    world.pod("lab-0", owner=LAB)
    await world.settle(LAB)
    lab = await world.cluster.get(NOTEBOOKS, "lab")
    assert "status" not in lab
    last = json.loads(lab["metadata"]["annotations"][names.LAST_RESULT_ANNOTATION])
    assert {**last, "time": None} == {
        "hash": HASH, "installed": ["six==1.17.0"], "imports": [{"module": "six", "ok": True}], "time": None,
    }  # fmt: skip
    assert await world.writes_of(LAB) == []


async def test_a_last_result_that_somebody_spoilt_is_written_anew(world: World) -> None:
    world.notebook(**{names.PACKAGES_ANNOTATION: "packages: [six]", names.LAST_RESULT_ANNOTATION: "[nonsense"})
    world.pod("lab-0", owner=LAB)
    await world.settle(LAB)
    lab = await world.cluster.get(NOTEBOOKS, "lab")
    assert json.loads(lab["metadata"]["annotations"][names.LAST_RESULT_ANNOTATION])["hash"] == HASH


async def test_a_controller_killed_between_two_writes_leaves_a_result_to_find(world: World) -> None:
    world.notebook(**{names.PACKAGES_ANNOTATION: "packages: [six]"})
    world.pod("lab-0", owner=LAB)
    await world.settle(LAB)
    order = [plural for verb, plural, _ in world.cluster.writes if verb == "patch"]
    # The digest on the pod says that all is done, so it comes last.
    assert order[-2:] == ["notebooks", "pods"]


async def test_what_the_crd_does_not_keep_is_not_written_over_and_over(world: World) -> None:
    world.app(["six"])
    world.pod()
    patch = world.cluster.patch

    async def pruning(*arguments: Any, **named: Any) -> Object:
        obj = await patch(*arguments, **named)
        (obj.get("status", {}).get("pythonPackages") or {}).pop("authentication", None)
        return obj

    world.cluster.patch = pruning  # type: ignore[method-assign]
    await world.settle(APP)
    assert "authentication" not in (await world.cluster.get(KASPRAPPS, "demo"))["status"]["pythonPackages"]
    assert await world.writes_of(APP) == []


async def test_a_write_that_met_a_conflict_is_not_held_back_for_a_minute(world: World) -> None:
    world.app(["six"])
    read = world.cluster.get
    stale = [True]

    async def get(resource: Any, name: str, namespace: str | None = None) -> Object:
        found = await read(resource, name, namespace)
        if resource is KASPRAPPS and namespace and stale and stale.pop():
            found["metadata"]["resourceVersion"] = "0"  # somebody writes between our read and our write
        return found

    world.cluster.get = get  # type: ignore[method-assign]
    with pytest.raises(Conflict):
        await world.reconciler.reconcile(APP)
    await world.reconciler.reconcile(APP)
    app = await world.cluster.get(KASPRAPPS, "demo")
    assert world.condition(app, names.PACKAGES_INSTALLED) == ("Unknown", "WaitingForPod")


async def test_objects_that_ask_for_nothing_are_left_alone(world: World) -> None:
    world.app()
    world.pod(injected=False)
    assert await world.writes_of(APP) == []
    assert world.prober.started == []


async def test_the_claim_of_packages_that_are_no_longer_asked_for_goes_when_the_last_pod_has_left_it(
    world: World,
) -> None:
    claim = "demo-app-python-packages"
    world.app(["six"])
    world.pod(claim=claim)
    await world.settle(APP)
    del world.cluster.objects["kasprapps", "demo"]["spec"]["pythonPackages"]
    world.cluster.blocked = True  # a budget keeps the old pod
    await world.settle(APP)
    assert ("persistentvolumeclaims", claim) in world.cluster.objects
    world.cluster.blocked = False
    await world.settle(APP)
    assert ("persistentvolumeclaims", claim) not in world.cluster.objects


async def test_packages_that_are_no_longer_asked_for_take_the_reports_along(world: World) -> None:
    world.app(["six"])
    world.pod()
    await world.settle(APP)
    del world.cluster.objects["kasprapps", "demo"]["spec"]["pythonPackages"]
    await world.settle(APP)  # the injected pod is replaced first
    world.pod(injected=False)
    await world.settle(APP)
    app = await world.cluster.get(KASPRAPPS, "demo")
    assert app["status"]["conditions"] == []
    assert "pythonPackages" not in app["status"]


async def test_a_pod_without_the_installer_is_recreated_and_with_growing_pauses_where_that_is_in_vain(
    world: World,
) -> None:
    evicted = ("evict", "pods", "demo-app-0")
    world.app(["six"])
    world.stateful()
    world.pod(injected=False)
    assert evicted in await world.writes_of(APP)
    for uid, pause in (("second", 60), ("third", 120), ("fourth", 240)):
        pod = world.pod(injected=False, uid=uid)
        assert evicted not in await world.writes_of(APP)
        assert world.condition(pod | await world.cluster.get(PODS, "demo-app-0"), names.PACKAGES_INSTALLED) == (
            "False",
            "NotInjected",
        )
        world.seconds += pause + 1
        assert evicted in await world.writes_of(APP)


async def test_an_eviction_that_a_budget_forbids_is_asked_for_again(world: World) -> None:
    world.app(["six", "requests"])
    world.pod()
    world.cluster.blocked = True
    await world.settle(APP)
    assert 30 in world.again
    assert ("pods", "demo-app-0") in world.cluster.objects


async def test_an_object_that_came_in_past_the_webhook_is_told_what_is_wrong(world: World) -> None:
    world.app(["requests=1"])
    world.pod()
    await world.settle(APP)
    app = await world.cluster.get(KASPRAPPS, "demo")
    assert world.condition(app, names.PACKAGES_INSTALLED) == ("False", "InvalidSpec")
    assert world.cluster.claims() == []


async def test_what_is_gone_is_no_error(world: World) -> None:
    await world.settle(APP)
    assert world.cluster.writes == []
