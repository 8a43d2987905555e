"""What the controller writes into a KasprApp's status on a real API server, under the operator's own kind of KasprApp."""

import copy
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.integration.controller_world import (
    APP_LABELS,
    CLAIM,
    DONE,
    HASH,
    SIX,
    Controller,
    add_app,
    clear_namespace,
    has,
    pod,
    report_by_kubelet,
    result,
    said,
)  # fmt: skip
from tests.integration.standin_objects import DEFINITIONS, kaspr_app, make_namespace, until
from wheelwarden.api import names
from wheelwarden.api.errors import Forbidden
from wheelwarden.api.objects import Object
from wheelwarden.kube import CLAIMS, EVENTS, KASPRAPPS, PODS, Cluster, Resource

DEFINITION = "kasprapps.kaspr.io"
REFUSED = "WriteRefused"


@pytest.fixture
async def cluster(api: Any) -> AsyncIterator[Cluster]:
    async with await Cluster.connect(kubeconfig=api.kubeconfig, field_manager="wheelwarden-test") as connected:
        yield connected


@pytest.fixture
async def namespace(cluster: Cluster) -> AsyncIterator[str]:
    name = await make_namespace(cluster, "status-")
    yield name
    await clear_namespace(cluster, name, KASPRAPPS, PODS)


def ours(app: Object) -> list[Object]:
    """Our conditions, whole."""
    return [entry for entry in app["status"]["conditions"] if entry["type"].startswith(names.DOMAIN)]


async def told(cluster: Cluster, namespace: str, reason: str) -> list[tuple[str, str, str]]:
    """The events of a reason: kind and name of their object, and their message."""
    return [
        (event["involvedObject"]["kind"], event["involvedObject"]["name"], event["message"])
        for event in (await cluster.list(EVENTS, namespace)).items
        if event["reason"] == reason
    ]


def counted(controller: Controller, name: str, **labels: str) -> float:
    return controller.metrics.registry.get_sample_value(name, labels) or 0.0


async def test_conditions_tell_their_generation_and_stay_current_with_one_write(
    cluster: Cluster, namespace: str
) -> None:
    controller = Controller(cluster, namespace)
    async with controller.running():
        await add_app(cluster, namespace)
        first = await has(cluster, KASPRAPPS, "demo", namespace, DONE)
        assert [set(entry) for entry in ours(first)] == [
            {"type", "status", "reason", "message", "lastTransitionTime", "observedGeneration"}
        ] * 2
        await controller.rounds(4)
        edited = await cluster.patch(
            KASPRAPPS, "demo", {"spec": {"bootstrapServers": "other.example.com:9092"}}, namespace
        )
        generation = edited["metadata"]["generation"]
        assert generation > ours(first)[0]["observedGeneration"]

        async def current() -> Object | None:
            app = await cluster.get(KASPRAPPS, "demo", namespace)
            return app if {entry["observedGeneration"] for entry in ours(app)} == {generation} else None

        after = await until(current)
        watched = cluster.watch(
            KASPRAPPS, namespace, resource_version=edited["metadata"]["resourceVersion"], timeout_seconds=2
        )
        await controller.rounds(6)
        writes = [event.object["metadata"]["resourceVersion"] async for event in watched if event.type == "MODIFIED"]
    assert writes == [after["metadata"]["resourceVersion"]]
    assert [{**entry, "observedGeneration": 0} for entry in ours(after)] == [
        {**entry, "observedGeneration": 0} for entry in ours(first)
    ]


async def test_one_object_never_decides_what_another_ones_crd_keeps(cluster: Cluster, namespace: str) -> None:
    class Slow(Cluster):
        """Whose answers to writes of the app `slow` come without what was told of its packages, as of an older CRD."""

        async def patch(self, resource: Resource, name: str, patch: Object, *rest: Any, **named: Any) -> Object:
            after = await super().patch(resource, name, patch, *rest, **named)
            if resource is KASPRAPPS and name == "slow":
                after["status"] = {"conditions": after["status"].get("conditions", [])}
            return after

    controller = Controller(Slow(cluster._api, field_manager="wheelwarden-test"), namespace)
    async with controller.running():
        await add_app(cluster, namespace, name="slow")
        await has(cluster, KASPRAPPS, "slow", namespace, DONE)
        await controller.rounds(4)
        await add_app(cluster, namespace)
        await has(cluster, KASPRAPPS, "demo", namespace, DONE)
        await controller.rounds(4)
        seen = [await cluster.get(KASPRAPPS, name, namespace) for name in ("demo", "slow")]
        await controller.rounds(8)
        assert [await cluster.get(KASPRAPPS, name, namespace) for name in ("demo", "slow")] == seen
    assert [app["status"]["wheelwarden"]["state"] for app in seen] == ["Ready", "Ready"]
    assert [app["status"]["pythonPackages"]["hash"] for app in seen] == [HASH, HASH]


async def keeps_unknown_fields(cluster: Cluster, namespace: str, wanted: bool) -> None:
    """Waits until the API server has taken up the definition: an object of ours tells."""

    async def look() -> bool:
        status = {"status": {"pythonPackages": {"state": "Ready"}}}
        await cluster.patch(KASPRAPPS, "witness", {"status": {"pythonPackages": None}}, namespace, subresource="status")
        after = await cluster.patch(KASPRAPPS, "witness", status, namespace, subresource="status")
        return bool(after["status"]["pythonPackages"]) is wanted

    await until(look)


async def test_a_crd_that_learns_our_fields_has_them_with_the_next_change(cluster: Cluster, namespace: str) -> None:
    definition = await cluster.get(DEFINITIONS, DEFINITION)
    before = copy.deepcopy(definition["spec"]["versions"])
    status = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]
    status["properties"]["pythonPackages"]["x-kubernetes-preserve-unknown-fields"] = True
    await cluster.create(KASPRAPPS, kaspr_app("witness"), namespace)
    controller = Controller(cluster, namespace)
    try:
        async with controller.running():
            await add_app(cluster, namespace)
            await has(cluster, KASPRAPPS, "demo", namespace, DONE)
            await cluster.patch(DEFINITIONS, DEFINITION, {"spec": {"versions": definition["spec"]["versions"]}})
            await keeps_unknown_fields(cluster, namespace, wanted=True)
            await controller.rounds(6)
            quiet = (await cluster.get(KASPRAPPS, "demo", namespace))["status"]
            assert (quiet["wheelwarden"]["state"], "state" in quiet["pythonPackages"]) == ("Ready", False)
            await cluster.patch(KASPRAPPS, "demo", {"spec": {"image": None}}, namespace)

            async def moved() -> Object | None:
                found: Object = (await cluster.get(KASPRAPPS, "demo", namespace))["status"]
                return found if "wheelwarden" not in found else None

            after = await until(moved)
        assert after["pythonPackages"] == {**quiet["wheelwarden"], "warnings": []}
    finally:
        await cluster.patch(DEFINITIONS, DEFINITION, {"spec": {"versions": before}})
        await keeps_unknown_fields(cluster, namespace, wanted=False)


async def test_conditions_that_are_refused_keep_nothing_else_from_going_on(cluster: Cluster, namespace: str) -> None:
    class Forgetful(Cluster):
        """Leaves observedGeneration out, so the API server itself refuses: what every condition met before."""

        wrong = True

        async def patch(self, resource: Resource, name: str, patch: Object, *rest: Any, **named: Any) -> Object:
            if resource is KASPRAPPS and self.wrong:
                patch = copy.deepcopy(patch)
                for entry in patch["status"].get("conditions", ()):
                    entry.pop("observedGeneration", None)
            return await super().patch(resource, name, patch, *rest, **named)

    forgetful = Forgetful(cluster._api, field_manager="wheelwarden-test")
    controller = Controller(forgetful, namespace)
    async with controller.running():
        await add_app(cluster, namespace, pods=2, hash_="older")
        await until(lambda: cluster.get(CLAIMS, CLAIM, namespace))

        async def replaced() -> bool:
            return len((await cluster.list(PODS, namespace)).items) == 1

        await until(replaced)  # the rollout goes on
        await cluster.create(PODS, pod("demo-app-1", APP_LABELS, claim=CLAIM), namespace)
        await report_by_kubelet(cluster, namespace, "demo-app-1", installer=result())
        await has(cluster, PODS, "demo-app-1", namespace, DONE)  # and so does the probe

        async def status_is_told() -> Object | None:
            found: Object = (await cluster.get(KASPRAPPS, "demo", namespace)).get("status") or {}
            return found if (found.get("wheelwarden") or {}).get("installedBy") else None

        assert "conditions" not in await until(status_is_told)
        (event,) = await told(cluster, namespace, REFUSED)
        assert event[:2] == ("KasprApp", "demo")
        assert "observedGeneration: Required value" in event[2]
        assert counted(controller, "wheelwarden_writes_refused_total", what="conditions") >= 1
        assert [controller.reconciles(kind) for kind in ("refused", "fault")] == [0, 0]
        forgetful.wrong = False
        controller.clock.ahead += 300

        async def written() -> Object | None:
            return said(await cluster.get(KASPRAPPS, "demo", namespace)) or None

        await until(written)


async def test_a_pod_whose_conditions_are_refused_does_not_keep_the_app_from_being_told(
    cluster: Cluster, namespace: str
) -> None:
    class Weak(Cluster):
        """Without the right to write the status of pods."""

        async def patch(self, resource: Resource, name: str, patch: Object, *rest: Any, **named: Any) -> Object:
            if resource is PODS:
                raise Forbidden(403, "Forbidden", 'cannot patch resource "pods/status"')
            return await super().patch(resource, name, patch, *rest, **named)

    controller = Controller(Weak(cluster._api, field_manager="wheelwarden-test"), namespace)
    async with controller.running():
        await add_app(cluster, namespace)
        await has(cluster, KASPRAPPS, "demo", namespace, DONE)
        await controller.rounds(6)
        assert controller.prober.started == ["demo-app-0"]
        assert [event[:2] for event in await told(cluster, namespace, REFUSED)] == [("KasprApp", "demo")]


async def test_what_a_stale_write_sets_back_is_right_again_at_once_and_never_in_a_war(
    cluster: Cluster, namespace: str
) -> None:
    theirs = {
        "type": "Ready", "status": "True", "reason": "AllPodsReady", "message": "1 of 1 pods ready",
        "lastTransitionTime": "2026-01-31T10:30:00Z", "observedGeneration": 1,
    }  # fmt: skip
    stale = {"status": {"conditions": [theirs]}}
    controller = Controller(cluster, namespace)
    async with controller.running():
        await add_app(cluster, namespace)
        before = await has(cluster, KASPRAPPS, "demo", namespace, DONE)
        await controller.rounds(4)
        for _ in range(10):
            await cluster.patch(KASPRAPPS, "demo", stale, namespace, subresource="status")
            after = await has(cluster, KASPRAPPS, "demo", namespace, DONE)
            assert (theirs in after["status"]["conditions"], ours(after)) == (True, ours(before))
        await cluster.patch(KASPRAPPS, "demo", stale, namespace, subresource="status")
        await controller.rounds(6)
        assert said(await cluster.get(KASPRAPPS, "demo", namespace)) == {}
        assert counted(controller, "wheelwarden_status_restored_total") == 10
        controller.clock.ahead += 20
        assert ours(await has(cluster, KASPRAPPS, "demo", namespace, DONE)) == ours(before)


async def test_in_a_stuck_rollout_the_cause_comes_first_and_good_pods_are_left_alone(
    cluster: Cluster, namespace: str
) -> None:
    async with Controller(cluster, namespace).running():
        for name, hash_ in (("demo-app-0", "older"), ("demo-app-1", HASH)):
            await cluster.create(PODS, pod(name, APP_LABELS, hash_=hash_, claim=CLAIM), namespace)
        error = {"class": "package_not_found", "message": "Package not found in index. Verify name and version."}
        await report_by_kubelet(cluster, namespace, "demo-app-1", installer=result("failed", error), ready=False)
        await report_by_kubelet(cluster, namespace, "demo-app-0", installer=result(hash_="older"))
        app = kaspr_app("demo", replicas=2, pythonPackages=SIX)
        app["metadata"]["annotations"] = {names.ROLLOUT_ANNOTATION: "manual"}
        await cluster.create(KASPRAPPS, app, namespace)
        wanted = {"PackagesInstalled": "PackageNotFound", "ImportsVerified": "WaitingForPackages"}
        app = await has(cluster, KASPRAPPS, "demo", namespace, wanted)
        kept = (
            "The packages changed after this pod was made; it runs on with those it was made with. Do not restart it: pod "
            "demo-app-1 was made with the new ones and fails. Correct that first."
        )

        async def is_told() -> bool:
            message = said(await cluster.get(PODS, "demo-app-0", namespace))[names.PACKAGES_INSTALLED][2]
            return message == kept

        await until(is_told)
    assert said(app)[names.PACKAGES_INSTALLED][2].startswith(
        "demo-app-1: Package not found in index. Verify name and version. 0 of 2 pods have their packages."
    )


async def test_packages_that_are_given_up_and_asked_for_again_are_counted_once(
    cluster: Cluster, namespace: str
) -> None:
    async def ask(*packages: str) -> None:
        await cluster.patch(KASPRAPPS, "demo", {"spec": {"pythonPackages": {"packages": list(packages)}}}, namespace)

    async def restart_required() -> bool:
        found = said(await cluster.get(PODS, "demo-app-0", namespace))
        return found[names.PACKAGES_INSTALLED][1] == "RestartRequired"

    manual = {"metadata": {"annotations": {names.ROLLOUT_ANNOTATION: "manual"}}}
    labels = {"app_name": "demo", "namespace": namespace, "result": "success"}
    controller = Controller(cluster, namespace)
    async with controller.running():
        await add_app(cluster, namespace)
        await cluster.patch(KASPRAPPS, "demo", manual, namespace)
        await has(cluster, KASPRAPPS, "demo", namespace, DONE)
        await ask("requests")
        await until(restart_required)
        await ask("six")
        await has(cluster, KASPRAPPS, "demo", namespace, DONE)
        await controller.rounds(4)
    assert counted(controller, "kasprop_package_install_total", **labels) == 1
    later = Controller(cluster, namespace)
    async with later.running():
        await ask("requests")
        await until(restart_required)
        await ask("six")
        await has(cluster, KASPRAPPS, "demo", namespace, DONE)
        await later.rounds(4)
    assert counted(later, "kasprop_package_install_total", **labels) == 0


async def test_what_a_claim_cannot_follow_is_told_in_status_and_conditions(cluster: Cluster, namespace: str) -> None:
    controller = Controller(cluster, namespace)
    async with controller.running():
        await add_app(cluster, namespace)
        await has(cluster, KASPRAPPS, "demo", namespace, DONE)
        bound = {"status": {"phase": "Bound"}}  # by hand, so not by a class that can grow its volumes
        await cluster.patch(CLAIMS, CLAIM, bound, namespace, subresource="status")
        cache = {"enabled": True, "size": "1Gi", "storageClass": "other"}
        await cluster.patch(KASPRAPPS, "demo", {"spec": {"pythonPackages": {"cache": cache}}}, namespace)

        async def warned() -> list[str] | None:
            status = (await cluster.get(KASPRAPPS, "demo", namespace))["status"]["wheelwarden"]
            warnings: list[str] = status["warnings"]
            return warnings if "keeps its size" in str(warnings) and "storage class" in str(warnings) else None

        warnings = await until(warned)

        async def noted() -> bool:
            message = said(await cluster.get(PODS, "demo-app-0", namespace))[names.PACKAGES_INSTALLED][2]
            return "keeps its size" in message and "storage class" in message

        await until(noted)
        await controller.rounds(4)
        version = (await cluster.get(CLAIMS, CLAIM, namespace))["metadata"]["resourceVersion"]
        await controller.rounds(6)
        assert (await cluster.get(CLAIMS, CLAIM, namespace))["metadata"]["resourceVersion"] == version
    assert len(warnings) == len(set(warnings))
    assert len(await told(cluster, namespace, "ClaimNotGrown")) == 1
