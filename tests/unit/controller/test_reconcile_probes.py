"""Whole rounds of the controller: when a pod is probed, and what becomes of what was found."""

from typing import Any

import pytest

from controller.state import Key, PodState, ProbeOutcome
from tests.unit.controller.reconcile_world import APP, GOOD, World, refuse
from tests.unit.fake_cluster import Object
from wheelwarden.api import names
from wheelwarden.api.errors import Conflict
from wheelwarden.api.request import Request
from wheelwarden.kube import KASPRAPPS, Resource


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
