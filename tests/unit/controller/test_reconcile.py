"""Whole rounds of the controller over a fake of our client wrapper, with time that passes only when told."""

import datetime
import json
from collections.abc import Callable, Collection
from typing import Any

import pytest

from controller.metrics import Metrics
from controller.reconcile import Reconciler
from controller.state import Key, PodState, ProbeOutcome
from tests.unit.fake_cluster import FakeCluster, Object
from wheelwarden.api import names
from wheelwarden.api.errors import Conflict, Forbidden, Invalid, KubeError
from wheelwarden.api.request import Request
from wheelwarden.kube import CLAIMS, KASPRAPPS, NOTEBOOKS, PODS, STATEFUL_SETS, Resource
from wheelwarden.kube.events import Recorder
from wheelwarden.parsing.packages_hash import compute_packages_hash
from wheelwarden.rules.installation import IMAGE_AND_PACKAGES
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


async def test_what_came_of_a_pod_that_went_away_meanwhile_is_forgotten(world: World) -> None:
    world.app(["six"])
    world.pod()
    await world.reconciler.reconcile(APP)
    assert list(world.prober.outcomes) == ["uid-demo-app-0"]
    world.pod(uid="another")
    await world.reconciler.reconcile(APP)
    assert list(world.prober.outcomes) == ["another"]
    del world.cluster.objects["kasprapps", "demo"]
    await world.reconciler.reconcile(APP)
    assert world.prober.outcomes == {}


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


async def test_a_condition_that_somebody_drops_is_put_back_at_once_and_never_in_a_war(world: World) -> None:
    world.app(["six"])
    world.pod()
    await world.settle(APP)
    before = (await world.cluster.get(KASPRAPPS, "demo"))["status"]["conditions"]
    theirs = {"type": "Theirs", "status": "True"}
    world.seconds += 3600
    for _ in range(10):
        world.cluster.objects["kasprapps", "demo"]["status"]["conditions"] = [theirs]
        assert await world.writes_of(APP) == [("patch", "kasprapps", "demo")]
        app = await world.cluster.get(KASPRAPPS, "demo")
        assert app["status"]["conditions"] == [theirs, *before]  # the times of their transitions too
    world.cluster.objects["kasprapps", "demo"]["status"]["conditions"] = [theirs]
    assert await world.writes_of(APP) == []
    assert world.again[-1] == 20
    world.seconds += 20
    assert await world.writes_of(APP) == [("patch", "kasprapps", "demo")]
    assert world.metrics.registry.get_sample_value("wheelwarden_status_restored_total") == 11


async def test_a_generation_that_rises_alone_is_one_write(world: World) -> None:
    world.app(["six"])["metadata"]["generation"] = 1
    world.pod()
    await world.settle(APP)
    app = world.cluster.objects["kasprapps", "demo"]
    app["metadata"]["generation"] = 2
    app["spec"]["replicas"] = 1
    assert await world.writes_of(APP) == [("patch", "kasprapps", "demo")]
    app = await world.cluster.get(KASPRAPPS, "demo")
    assert {entry["observedGeneration"] for entry in app["status"]["conditions"]} == {2}


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


async def test_what_the_crd_does_not_keep_stands_in_our_own_field_and_is_not_written_over_and_over(
    world: World,
) -> None:
    prune(world, "authentication", "state")
    world.app(["six"])
    world.pod()
    await world.settle(APP)
    status = (await world.cluster.get(KASPRAPPS, "demo"))["status"]
    assert "authentication" not in status["pythonPackages"]
    assert status["wheelwarden"] == {**status["pythonPackages"], "authentication": {"enabled": False}, "state": "Ready"}
    assert await world.writes_of(APP) == []
    await world.restart()
    assert await world.writes_of(APP) == []


async def test_a_crd_that_keeps_nothing_of_ours_is_not_written_to_over_and_over(world: World) -> None:
    prune(world, "authentication", root=True)
    world.app(["six"])
    world.pod()
    await world.settle(APP)
    assert "wheelwarden" not in (await world.cluster.get(KASPRAPPS, "demo"))["status"]
    assert await world.writes_of(APP) == []


async def test_a_crd_that_learns_a_field_is_noticed_at_the_next_change(world: World) -> None:
    keeping = world.cluster.patch
    prune(world, "authentication", "state")
    world.app(["six"])
    world.pod()
    await world.settle(APP)
    world.cluster.patch = keeping  # type: ignore[method-assign]
    assert await world.writes_of(APP) == []
    world.cluster.objects["kasprapps", "demo"]["spec"]["image"] = "registry.example.com/orders:2"
    await world.settle(APP)
    status = (await world.cluster.get(KASPRAPPS, "demo"))["status"]
    assert (status["pythonPackages"]["state"], "wheelwarden" in status) == ("Ready", False)


def refuse(world: World, what: Callable[[Resource, Object], bool], error: KubeError) -> None:
    """From now on the API server refuses such patches."""
    patch = world.cluster.patch

    async def refusing(resource: Resource, name: str, body: Object, *arguments: Any, **named: Any) -> Object:
        if what(resource, body):
            world.refused += 1
            raise error
        return await patch(resource, name, body, *arguments, **named)

    world.cluster.patch = refusing  # type: ignore[method-assign,assignment]


async def test_conditions_that_are_refused_keep_neither_the_status_nor_the_probe_nor_the_rollout(world: World) -> None:
    wrong = Invalid(422, "Invalid", "conditions: Required value https://user:hidden@example.com")
    refuse(world, lambda resource, body: "conditions" in body["status"] and resource is KASPRAPPS, wrong)
    world.app(["six"], replicas=2)
    world.pod()
    world.pod("demo-app-1", injected=False)
    await world.settle(APP)
    app = await world.cluster.get(KASPRAPPS, "demo")
    assert "conditions" not in app["status"]
    assert app["status"]["pythonPackages"]["installedBy"] == "demo-app-0"
    assert world.condition(await world.cluster.get(PODS, "demo-app-0"), names.IMPORTS_VERIFIED)[0] == "True"
    assert world.prober.started == ["demo-app-0"]
    assert ("evict", "pods", "demo-app-1") in world.cluster.writes
    assert world.cluster.events.count(("KasprApp", "WriteRefused")) == 1
    assert "hidden" not in str(world.cluster.messages)


async def test_a_refused_write_is_tried_again_after_growing_pauses_and_told_once(world: World) -> None:
    working = world.cluster.patch
    refuse(world, lambda resource, _: resource is KASPRAPPS, Forbidden(403, "Forbidden", "no right"))
    world.app(["six"])
    world.pod()
    await world.settle(APP)
    pauses, tries = [], world.refused
    for _ in range(9):
        before = world.seconds
        while world.refused == tries:
            world.seconds += 1
            await world.reconciler.reconcile(APP)
        tries = world.refused
        pauses.append(world.seconds - before)
    assert pauses == [2, 4, 8, 16, 32, 64, 128, 256, 300]
    assert world.prober.started == ["demo-app-0"]
    assert world.cluster.events.count(("KasprApp", "WriteRefused")) == 2  # conditions, and what is told of packages
    counts = [
        world.metrics.registry.get_sample_value("wheelwarden_writes_refused_total", {"what": what})
        for what in ("conditions", "status")
    ]
    assert counts == [tries / 3, tries / 3]  # both in one write, then each alone
    world.cluster.patch = working  # type: ignore[method-assign]
    world.seconds += 300
    await world.settle(APP)
    app = await world.cluster.get(KASPRAPPS, "demo")
    assert world.condition(app, names.IMPORTS_VERIFIED) == ("True", "ImportsSucceeded")
    assert await world.writes_of(APP) == []


async def test_a_pod_whose_conditions_are_refused_is_not_probed_over_and_over_and_the_app_is_told(world: World) -> None:
    working = world.cluster.patch
    refuse(world, lambda resource, _: resource is PODS, Invalid(422, "Invalid", "status: Invalid value"))
    world.app(["six"])
    world.pod()
    for _ in range(20):
        world.seconds += 5
        await world.reconciler.reconcile(APP)
    assert world.prober.started == ["demo-app-0"]
    app = await world.cluster.get(KASPRAPPS, "demo")
    assert world.condition(app, names.IMPORTS_VERIFIED) == ("True", "ImportsSucceeded")
    assert world.cluster.events == [("KasprApp", "WriteRefused")]
    world.cluster.patch = working  # type: ignore[method-assign]
    world.seconds += 300
    await world.settle(APP)
    assert world.condition(await world.cluster.get(PODS, "demo-app-0"), names.IMPORTS_VERIFIED)[0] == "True"
    assert world.prober.started == ["demo-app-0"]


async def test_a_last_result_that_is_refused_keeps_nothing_else(world: World) -> None:
    refuse(world, lambda resource, _: resource is NOTEBOOKS, Forbidden(403, "Forbidden", "denied by a webhook"))
    world.notebook(**{names.PACKAGES_ANNOTATION: "packages: [six]"})
    world.pod("lab-0", owner=LAB)
    await world.settle(LAB)
    assert world.condition(await world.cluster.get(PODS, "lab-0"), names.IMPORTS_VERIFIED)[0] == "True"
    assert world.prober.started == ["lab-0"]
    assert ("Notebook", "WriteRefused") in world.cluster.events


async def test_a_status_that_cannot_be_taken_back_keeps_nothing_else(world: World) -> None:
    app = world.app(["six"])
    app["metadata"]["annotations"] = {names.INSTALL_ANNOTATION: "observe"}
    app["status"] = {"pythonPackages": {"hash": HASH}}  # ours, of before it was clear who installs
    world.pod(injected=False)
    refuse(world, lambda resource, _: resource is KASPRAPPS, Forbidden(403, "Forbidden", "no right"))
    await world.settle(APP)
    assert world.prober.started == ["demo-app-0"]
    assert world.condition(world.cluster.objects["pods", "demo-app-0"], names.PACKAGES_INSTALLED)[1] == "Observed"


@pytest.fixture
def claimed(world: World) -> World:
    """An app with its bound claim and a pod that was not looked at yet."""
    world.app(["six"])
    world.stateful()
    return world


async def test_a_claim_whose_owners_are_refused_keeps_nothing_else(claimed: World) -> None:
    await claimed.settle(APP)
    claimed.cluster.objects["persistentvolumeclaims", CLAIM]["status"] = {"phase": "Bound"}
    claimed.pod(claim=CLAIM)
    working = claimed.cluster.patch
    refuse(
        claimed, lambda resource, _: resource is CLAIMS, Forbidden(403, "Forbidden", "no https://u:hidden@example.com")
    )
    spec = claimed.cluster.objects["kasprapps", "demo"]["spec"]["pythonPackages"]
    spec["cache"] = {"enabled": True, "deleteClaim": False}
    await claimed.settle(APP)
    pod = await claimed.cluster.get(PODS, "demo-app-0")
    assert claimed.condition(pod, names.IMPORTS_VERIFIED) == ("True", "ImportsSucceeded")
    assert claimed.cluster.events.count(("KasprApp", "WriteRefused")) == 1
    assert (claimed.refused, "hidden" in str(claimed.cluster.messages)) == (1, False)
    assert claimed.metrics.registry.get_sample_value("wheelwarden_writes_refused_total", {"what": "claim"}) == 1
    claimed.seconds += 2
    await claimed.settle(APP)
    assert (claimed.refused, claimed.prober.started) == (2, ["demo-app-0"])
    claimed.cluster.patch = working  # type: ignore[method-assign]
    claimed.seconds += 4
    await claimed.settle(APP)
    assert (await claimed.cluster.get(CLAIMS, CLAIM))["metadata"]["ownerReferences"] == []
    assert await claimed.writes_of(APP) == []


async def test_a_claim_whose_deletion_is_refused_keeps_nothing_else(claimed: World) -> None:
    await claimed.settle(APP)
    claimed.pod()
    working, tries = claimed.cluster.delete, []

    async def refusing(resource: Resource, name: str, *_: Any, **__: Any) -> None:
        tries.append(name)
        raise Forbidden(403, "Forbidden", "no right")

    claimed.cluster.delete = refusing  # type: ignore[method-assign]
    del claimed.cluster.objects["kasprapps", "demo"]["spec"]["pythonPackages"]
    await claimed.settle(APP)
    assert ("evict", "pods", "demo-app-0") in claimed.cluster.writes
    assert (tries, claimed.cluster.claims()) == ([CLAIM], [CLAIM])
    assert claimed.cluster.events.count(("KasprApp", "WriteRefused")) == 1
    claimed.cluster.delete = working  # type: ignore[method-assign]
    claimed.seconds += 2
    await claimed.settle(APP)
    assert claimed.cluster.claims() == []


@pytest.mark.parametrize("mounted", [False, True])
async def test_a_claim_that_may_not_be_taken_back_keeps_nothing_else(claimed: World, mounted: bool) -> None:
    await claimed.settle(APP)
    claimed.foreign_pod(uid="theirs")
    claimed.stateful(installer=True, claim=CLAIM if mounted else "")

    async def refusing(resource: Resource, *_: Any, **__: Any) -> None:
        raise Forbidden(403, "Forbidden", "no right")

    refuse(claimed, lambda resource, _: resource is CLAIMS, Invalid(422, "Invalid", "no"))
    claimed.cluster.delete = refusing  # type: ignore[method-assign]
    await claimed.settle(APP)
    assert claimed.prober.started == ["demo-app-0"]
    assert claimed.condition(await claimed.cluster.get(PODS, "demo-app-0"), names.PACKAGES_INSTALLED)[1] == "Observed"
    assert claimed.cluster.claims() == [CLAIM]
    assert claimed.cluster.events.count(("KasprApp", "WriteRefused")) == 1


async def test_what_a_probe_finds_while_others_are_written_is_told_in_the_next_round(world: World) -> None:
    world.app(["six"], replicas=2)
    world.pod()
    world.pod("demo-app-1")
    start, patch = world.prober.start, world.cluster.patch
    late: list[tuple[Key, Request, PodState]] = []

    def start_later(key: Key, request: Request, pod: PodState) -> None:
        if pod.name == "demo-app-1":
            late[:] = [(key, request, pod)]
        else:
            start(key, request, pod)

    async def patch_slowly(resource: Resource, name: str, *arguments: Any, **named: Any) -> Object:
        if name == "demo-app-0" and late:
            start(*late.pop())  # and ends at once: between the decision on its pod and the writing of it
        return await patch(resource, name, *arguments, **named)

    world.prober.start = start_later  # type: ignore[method-assign]
    world.cluster.patch = patch_slowly  # type: ignore[method-assign]
    await world.settle(APP, 6)
    app = await world.cluster.get(KASPRAPPS, "demo")
    assert world.condition(app, names.IMPORTS_VERIFIED) == ("True", "ImportsSucceeded")
    pods = [world.cluster.objects["pods", f"demo-app-{index}"] for index in range(2)]
    assert [world.condition(pod, names.IMPORTS_VERIFIED)[0] for pod in pods] == ["True", "True"]
    assert sorted(world.prober.started) == ["demo-app-0", "demo-app-1"]


async def test_a_conflict_keeps_the_probe_and_what_it_found(world: World) -> None:
    world.app(["six"])
    world.pod()
    refuse(world, lambda resource, _: resource is KASPRAPPS, Conflict(409, "Conflict", "somebody was faster"))
    for _ in range(4):
        with pytest.raises(Conflict):
            await world.reconciler.reconcile(APP)
    assert world.prober.started == ["demo-app-0"]
    assert ("KasprApp", "WriteRefused") not in world.cluster.events


async def test_packages_that_are_given_up_and_asked_for_again_are_counted_once(world: World) -> None:
    def ask(*packages: str) -> None:
        world.cluster.objects["kasprapps", "demo"]["spec"]["pythonPackages"] = {"packages": list(packages)}

    world.app(["six"])
    world.pod()
    world.cluster.blocked = True  # a budget keeps the pod
    await world.settle(APP)
    ask("requests")
    await world.settle(APP)
    assert world.condition(world.cluster.objects["pods", "demo-app-0"], names.PACKAGES_INSTALLED)[1] == "RolloutPending"
    ask("six")
    await world.restart()
    await world.settle(APP)
    assert world.condition(world.cluster.objects["pods", "demo-app-0"], names.PACKAGES_INSTALLED)[1] == "Installed"
    labels = {"app_name": "demo", "namespace": "team", "result": "success"}
    assert world.metrics.registry.get_sample_value("kasprop_package_install_total", labels) == 1


FULL = {**RESULT, "usage": {"totalBytes": 1000, "usedBytes": 850, "availableBytes": 150}}


async def test_a_notebooks_volume_that_is_nearly_full_is_told_once(world: World) -> None:
    world.notebook(**{names.PACKAGES_ANNOTATION: "packages: [six]"})
    world.pod("lab-0", owner=LAB, result=FULL, claim="lab-python-packages")
    await world.settle(LAB)
    await world.restart()
    world.seconds += 3600
    await world.settle(LAB)
    (message,) = [
        entry["message"]
        for entry in world.cluster.objects["pods", "lab-0"]["status"]["conditions"]
        if entry["type"] == names.PACKAGES_INSTALLED
    ]
    assert message == "Installed 1 distribution: six==1.17.0. Package cache 85.0% full (0.00GB / 0.00GB)"
    assert world.cluster.events.count(("Pod", "CacheNearlyFull")) == 1


async def test_an_apps_volume_that_is_nearly_full_is_told_once(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.app(["six"])
    world.pod(result=FULL, claim="demo-app-python-packages")
    await world.settle(APP)
    await world.restart()
    world.prober.seen = Usage(total_bytes=1000, used_bytes=900, available_bytes=100)
    world.seconds += 3600
    await world.settle(APP)
    status = world.cluster.objects["kasprapps", "demo"]["status"]["pythonPackages"]
    assert status["warnings"] == ["Package cache 90.0% full (0.00GB / 0.00GB)"]
    assert world.cluster.events.count(("KasprApp", "CacheNearlyFull")) == 1
    assert [record.message for record in caplog.records if "Package cache" in record.message] == [
        "team/demo: Package cache 85.0% full (0.00GB / 0.00GB)"
    ]


@pytest.mark.parametrize("key", [APP, LAB])
async def test_changed_packages_are_logged_once(world: World, key: Key, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")

    world.app(["six"])
    world.pod()
    world.notebook(**{names.PACKAGES_ANNOTATION: "packages: [six]"})
    await world.settle(key)
    app, lab = world.cluster.objects["kasprapps", "demo"], world.cluster.objects["notebooks", "lab"]
    app["spec"]["pythonPackages"]["packages"] = ["requests"]
    lab["metadata"]["annotations"][names.PACKAGES_ANNOTATION] = "packages: [requests]"
    await world.settle(key)
    other = compute_packages_hash({"packages": ["requests"]})
    assert [record.message for record in caplog.records if "packages changed: " in record.message] == [
        f"team/{key.name}: the packages changed: {HASH} → {other}"
    ]


async def test_gauges_end_when_no_packages_are_asked_for(world: World) -> None:
    labels = {"app_name": "demo", "namespace": "team"}
    world.app(["six"])
    await world.settle(APP)
    assert world.metrics.registry.get_sample_value("kasprop_package_auth_enabled", labels) == 0
    del world.cluster.objects["kasprapps", "demo"]["spec"]["pythonPackages"]
    await world.settle(APP)
    assert world.metrics.registry.get_sample_value("kasprop_package_auth_enabled", labels) is None


async def test_image_and_packages_are_a_warning_in_status_and_log(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.app(["six"])["spec"]["image"] = "registry.example.com/orders:1"
    world.pod()
    await world.settle(APP)
    status = world.cluster.objects["kasprapps", "demo"]["status"]["pythonPackages"]
    assert status["warnings"] == [IMAGE_AND_PACKAGES]
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == [
        f"team/demo: {IMAGE_AND_PACKAGES}"
    ]


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


async def test_no_look_is_taken_at_a_store_that_is_a_part_of_the_nodes_disk(world: World) -> None:
    world.app(["six"])
    mount = {"name": "store", "mountPath": names.STORE_PATH}
    for volume, looked in (({"emptyDir": {}}, False), ({"persistentVolumeClaim": {"claimName": "c"}}, True)):
        pod = world.pod()
        pod["spec"]["initContainers"][0]["volumeMounts"] = [mount]
        pod["spec"]["volumes"] = [{"name": "store", **volume}]
        await world.settle(APP)
        world.seconds += 600
        await world.settle(APP)
        assert bool(world.prober.looked) is looked


@pytest.mark.parametrize(("plural", "name"), [("kasprapps", "demo"), ("pods", "demo-app-0")])
async def test_a_refusal_ends_when_nothing_is_left_to_write(world: World, plural: str, name: str) -> None:
    world.app(["six"])
    world.pod()
    await world.settle(APP)
    status = world.cluster.objects[plural, name]["status"]
    world.cluster.objects[plural, name]["status"] = {**status, "conditions": []}
    world.cluster.refused.add(plural)
    await world.settle(APP)
    assert world.reconciler._refusals.is_open(APP)
    world.cluster.objects[plural, name]["status"] = status  # somebody else put it back
    await world.settle(APP)
    assert not world.reconciler._refusals.is_open(APP)
