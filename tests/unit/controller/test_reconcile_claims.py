"""Whole rounds of the controller with a claim that is not bound: who is told, and how often it is looked at."""

import pytest

from controller.state import Key
from tests.unit.controller.reconcile_world import APP, CLAIM, LAB, World
from tests.unit.fake_cluster import Object
from wheelwarden.api import names
from wheelwarden.kube import EVENTS, KASPRAPPS

LABS_CLAIM = "lab-python-packages"
NO_CLASS = "storageclass.storage.k8s.io nowhere not found"
DAY = 86400.0


async def idle(world: World, key: Key, rounds: int = 3) -> tuple[list[float], list[str]]:
    """(when the next rounds ask to look again, which lists they read beside the pods)."""
    world.again.clear()
    world.cluster.lists.clear()
    await world.settle(key, rounds)
    return list(world.again), [plural for plural in world.cluster.lists if plural != "pods"]


async def ask_without_pods(world: World, key: Key) -> Object:
    """The claim of an object that asks for packages and has no pods."""
    if key is APP:
        world.app(["six"], replicas=0)
        world.stateful()
    else:
        world.notebook(**{names.PACKAGES_ANNOTATION: "packages: [six]"})
    await world.settle(key)
    claim = world.cluster.objects["persistentvolumeclaims", CLAIM if key is APP else LABS_CLAIM]
    claim["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    return claim


@pytest.mark.parametrize(("key", "reads"), [(LAB, []), (APP, ["events"] * 3)])
async def test_an_unbound_claim_that_no_pod_mounts_costs_nothing(world: World, key: Key, reads: list[str]) -> None:
    await ask_without_pods(world, key)
    world.seconds = DAY
    # The reads of an app are for its status, and only where something else has it looked at.
    assert await idle(world, key) == ([], reads)


async def test_what_a_provisioner_says_at_once_is_acted_on_before_the_first_pod_comes(world: World) -> None:
    await ask_without_pods(world, LAB)
    failed: Object = {"metadata": {"name": "e"}, "reason": "ProvisioningFailed", "message": NO_CLASS}
    world.cluster.put(EVENTS, failed)
    looks = []
    while ("delete", "persistentvolumeclaims", LABS_CLAIM) not in world.cluster.writes:
        looks.append(world.seconds)
        (pause, *_), _ = await idle(world, LAB, 1)
        world.seconds += pause
    assert looks == [0, 10, 20, 40, 80, 160]
    world.seconds -= 159  # the claim is recreated as soon as it is gone
    await world.settle(LAB, 1)
    claim = world.cluster.objects["persistentvolumeclaims", LABS_CLAIM]
    assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]


async def test_a_claim_that_a_pod_mounts_is_looked_at_however_old_it_is(world: World) -> None:
    await ask_without_pods(world, LAB)
    world.seconds = DAY
    pod = world.pod("lab-0", owner=LAB, claim=LABS_CLAIM)
    pod["status"] = {"phase": "Pending"}
    assert await idle(world, LAB, 2) == ([10, 10], ["events", "events"])


async def test_why_the_claim_of_an_app_without_pods_is_not_bound_stays_in_its_status(world: World) -> None:
    claim = await ask_without_pods(world, APP)
    claim["spec"]["accessModes"] = ["ReadWriteOnce"]
    world.cluster.put(EVENTS, {"metadata": {"name": "e"}, "reason": "ProvisioningFailed", "message": NO_CLASS})
    for world.seconds in (0.0, DAY):
        await world.settle(APP)
        app = await world.cluster.get(KASPRAPPS, "demo")
        assert world.condition(app, names.PACKAGES_INSTALLED) == ("Unknown", "ClaimPending")
        assert NO_CLASS in str(app["status"]["conditions"])
