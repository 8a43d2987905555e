"""Whole rounds of the controller whose writes the API server refuses: the rest goes on, and it is told once."""

from typing import Any

import pytest

from tests.unit.controller.reconcile_world import APP, CLAIM, HASH, LAB, World, refuse
from tests.unit.fake_cluster import Object
from wheelwarden.api import names
from wheelwarden.api.errors import Forbidden, Invalid
from wheelwarden.kube import CLAIMS, KASPRAPPS, NOTEBOOKS, PODS, Resource


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


@pytest.mark.parametrize(("plural", "name"), [("kasprapps", "demo"), ("pods", "demo-app-0")])
async def test_a_refusal_ends_when_nothing_is_left_to_write(world: World, plural: str, name: str) -> None:
    world.app(["six"])
    world.pod()
    await world.settle(APP)
    status = world.cluster.objects[plural, name]["status"]
    world.cluster.objects[plural, name]["status"] = {**status, "conditions": []}
    world.cluster.refused.add(plural)
    await world.settle(APP)
    assert world.reconciler._refusals.is_unreported(APP)
    world.cluster.objects[plural, name]["status"] = status  # somebody else put it back
    await world.settle(APP)
    assert not world.reconciler._refusals.is_unreported(APP)


def logged(caplog: pytest.LogCaptureFixture, part: str) -> list[str]:
    """What of this was logged, at any level."""
    return [record.getMessage() for record in caplog.records if part in record.getMessage()]


def refusals_of(world: World, what: str) -> float | None:
    return world.metrics.registry.get_sample_value("wheelwarden_writes_refused_total", {"what": what})


async def test_a_status_that_cannot_be_cleared_is_tried_after_pauses_and_told_once(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    app = world.app(["six"])
    app["metadata"]["annotations"] = {names.INSTALL_ANNOTATION: "observe"}
    app["status"] = {"pythonPackages": {"hash": HASH}}  # ours, of before it was clear who installs
    world.pod(injected=False)
    working = world.cluster.patch
    text = (
        "The API server refused to write status.pythonPackages, which is its operator's now: no right. "
        "It is tried again; everything else goes on."
    )

    def clears(resource: Resource, body: Object) -> bool:
        return resource is KASPRAPPS and body.get("status") == {"pythonPackages": None}

    refuse(world, clears, Forbidden(403, "Forbidden", "no right"))
    await world.settle(APP, 6)
    assert (world.refused, refusals_of(world, "status")) == (1, 1)
    world.seconds += 2
    await world.settle(APP, 6)
    assert (world.refused, refusals_of(world, "status")) == (2, 2)
    assert logged(caplog, "status.pythonPackages") == [f"team/demo: {text}"]
    assert [message for message in world.cluster.messages if "refused" in message] == [text]
    world.cluster.patch = working  # type: ignore[method-assign]
    world.seconds += 4
    await world.settle(APP)
    assert "pythonPackages" not in (await world.cluster.get(KASPRAPPS, "demo"))["status"]
    assert not world.reconciler._refusals.is_unreported(APP)


async def test_a_status_that_is_ours_again_need_not_be_cleared(world: World) -> None:
    app = world.app(["six"])
    app["metadata"]["annotations"] = {names.INSTALL_ANNOTATION: "observe"}
    app["status"] = {"pythonPackages": {"hash": HASH}}
    refuse(world, lambda _, body: body.get("status") == {"pythonPackages": None}, Forbidden(403, "Forbidden", "no"))
    await world.settle(APP)
    assert world.reconciler._refusals.is_unreported(APP)
    world.cluster.objects["kasprapps", "demo"]["metadata"]["annotations"] = {}
    world.stateful()
    await world.settle(APP)
    assert not world.reconciler._refusals.is_unreported(APP)


async def test_a_strangers_claim_is_told_once_and_again_when_it_came_back(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    spec = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Mi"}}}
    metadata = {"name": CLAIM, "namespace": "team", "uid": "c", "creationTimestamp": "2026-01-01T00:00:00Z"}
    theirs = {"metadata": metadata, "spec": spec}
    world.app(["six"])
    world.stateful()
    world.cluster.put(CLAIMS, theirs)
    for _ in range(5):
        world.seconds += 3600
        await world.settle(APP)
    assert world.cluster.events.count(("KasprApp", "ClaimConflict")) == 1
    assert len(logged(caplog, "belongs to somebody else, so")) == 2  # the conflict, and the new warning in the status
    assert refusals_of(world, "claim") is None  # nothing was tried
    del world.cluster.objects["persistentvolumeclaims", CLAIM]
    await world.settle(APP)
    world.cluster.put(CLAIMS, theirs)
    await world.settle(APP)
    assert world.cluster.events.count(("KasprApp", "ClaimConflict")) == 2


async def test_growing_that_was_refused_is_a_warning_and_a_metric_and_keeps_nothing_else(claimed: World) -> None:
    await claimed.settle(APP)
    claimed.cluster.objects["persistentvolumeclaims", CLAIM]["status"] = {"phase": "Bound"}
    claimed.pod(claim=CLAIM)
    refuse(
        claimed, lambda resource, _: resource is CLAIMS, Forbidden(403, "Forbidden", "no https://u:hidden@example.com")
    )
    claimed.cluster.objects["kasprapps", "demo"]["spec"]["pythonPackages"]["cache"] = {"size": "1Gi"}
    await claimed.settle(APP, 6)
    text = (
        f"The claim {CLAIM} keeps its size, growing it to 1Gi was refused: no https://***@example.com. "
        "It is tried again; everything else goes on."
    )
    status = claimed.cluster.objects["kasprapps", "demo"]["status"]["pythonPackages"]
    assert (claimed.refused, refusals_of(claimed, "claim"), status["warnings"]) == (1, 1, [text])
    assert claimed.cluster.events.count(("KasprApp", "ClaimNotGrown")) == 1
    assert 3600 in claimed.again
    assert claimed.prober.outcomes == {}  # all of it is written
    claimed.cluster.objects["kasprapps", "demo"]["spec"]["pythonPackages"]["cache"] = {"size": "256Mi"}
    await claimed.settle(APP)
    status = claimed.cluster.objects["kasprapps", "demo"]["status"]["pythonPackages"]
    assert status["warnings"] == []


async def test_a_claim_that_may_not_be_made_is_tried_after_pauses_and_told_once(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    working, tries = world.cluster.create, []

    async def refusing(resource: Resource, body: Object, *arguments: Any) -> Object:
        if resource is not CLAIMS:
            return await working(resource, body, *arguments)
        tries.append(world.seconds)
        raise Forbidden(403, "Forbidden", "exceeded quota: none")

    world.cluster.create = refusing  # type: ignore[method-assign,assignment]
    world.app(["six"])
    world.stateful()
    for _ in range(200):
        await world.reconciler.reconcile(APP)
        world.seconds += 1
    text = f"The claim {CLAIM} cannot be made: exceeded quota: none. It is tried again."
    assert tries == [0, 2, 6, 14, 30, 62, 122, 182]
    assert refusals_of(world, "claim") == len(tries)
    assert logged(caplog, "cannot be made") == [f"team/demo: {text}"]
    assert world.cluster.events == [("KasprApp", "ClaimRefused")]
    app = await world.cluster.get(KASPRAPPS, "demo")
    found = {
        entry["type"]: (entry["status"], entry["reason"], entry["message"]) for entry in app["status"]["conditions"]
    }
    assert found[names.PACKAGES_INSTALLED] == ("False", "ClaimRefused", text)
    world.cluster.create = working  # type: ignore[method-assign]
    world.seconds += 60
    await world.settle(APP)
    app = await world.cluster.get(KASPRAPPS, "demo")
    assert world.condition(app, names.PACKAGES_INSTALLED) == ("Unknown", "WaitingForPod")
    assert world.cluster.claims() == [CLAIM]
