"""Whole rounds of the controller: what is written into status and annotations, and when not again."""

import json
from typing import Any

import pytest

from controller.state import Key
from tests.unit.controller.reconcile_world import APP, HASH, LAB, RESULT, World, prune
from tests.unit.fake_cluster import Object
from wheelwarden.api import names
from wheelwarden.api.errors import Conflict
from wheelwarden.kube import KASPRAPPS, NOTEBOOKS
from wheelwarden.parsing.packages_hash import compute_packages_hash
from wheelwarden.rules.installation import IMAGE_AND_PACKAGES
from wheelwarden.verify.results import Usage


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
