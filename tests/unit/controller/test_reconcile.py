"""Whole rounds of the controller: what is reported, counted and recreated."""

from tests.unit.controller.reconcile_world import APP, World
from wheelwarden.api import names
from wheelwarden.kube import KASPRAPPS, PODS


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
