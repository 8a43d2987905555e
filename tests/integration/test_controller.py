"""The controller on a real API server: claims, conditions and status, written once; pods and kubelet played by hand."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from controller.state import Key
from tests.integration.controller_world import (
    APP_LABELS,
    BROKEN,
    CLAIM,
    DONE,
    GOOD,
    HASH,
    INSTALLED_AT,
    SIX,
    Controller,
    add_app,
    clear_namespace,
    has,
    pod,
    reasons,
    report_by_kubelet,
    result,
    said,
    stateful_set,
)  # fmt: skip
from tests.integration.standin_objects import kaspr_app, make_namespace, notebook, until
from wheelwarden.api import names
from wheelwarden.api.objects import Object
from wheelwarden.kube import (
    CLAIMS,
    EVENTS,
    KASPRAPPS,
    NOTEBOOKS,
    PODS,
    STATEFUL_SETS,
    Cluster,
    Listing,
    Resource,
)
from wheelwarden.rules.installation import IMAGE_AND_PACKAGES

QUOTAS = Resource(group="", version="v1", plural="resourcequotas", kind="ResourceQuota")
BUDGETS = Resource(group="policy", version="v1", plural="poddisruptionbudgets", kind="PodDisruptionBudget")


@pytest.fixture
async def cluster(api: Any) -> AsyncIterator[Cluster]:
    async with await Cluster.connect(kubeconfig=api.kubeconfig, field_manager="wheelwarden-test") as connected:
        yield connected


@pytest.fixture
async def namespace(cluster: Cluster) -> AsyncIterator[str]:
    name = await make_namespace(cluster, "controller-")
    yield name
    await clear_namespace(cluster, name, NOTEBOOKS, KASPRAPPS, STATEFUL_SETS, PODS)


async def made_anew(cluster: Cluster, namespace: str, name: str) -> None:
    """Waits until a pod is gone."""

    async def gone() -> bool:
        return name not in [item["metadata"]["name"] for item in (await cluster.list(PODS, namespace)).items]

    await until(gone)


async def with_the_whole(cluster: Cluster, name: str, namespace: str) -> Object | None:
    """The app, as soon as the whole of its packages stands in `status.wheelwarden`."""
    app = await cluster.get(KASPRAPPS, name, namespace)
    return app if app["status"].get("wheelwarden") else None


async def test_an_app_gets_its_claim_and_is_unknown_before_it_has_pods(cluster: Cluster, namespace: str) -> None:
    async with Controller(cluster, namespace).running():
        app = await cluster.create(KASPRAPPS, kaspr_app("demo", pythonPackages=SIX), namespace)
        await cluster.create(STATEFUL_SETS, stateful_set(), namespace)
        claim = await until(lambda: cluster.get(CLAIMS, CLAIM, namespace))
        waiting = {"PackagesInstalled": "WaitingForPod", "ImportsVerified": "WaitingForPod"}
        seen = await has(cluster, KASPRAPPS, "demo", namespace, waiting)
    assert claim["metadata"]["labels"] == {
        "app.kubernetes.io/managed-by": "wheelwarden", "wheelwarden.dev/workload-kind": "KasprApp",
        "wheelwarden.dev/workload-name": "demo", "kaspr.io/component": "python-packages", "kaspr.io/app": "demo",
        "kaspr.io/cluster": "demo",
    }  # fmt: skip
    assert [owner["uid"] for owner in claim["metadata"]["ownerReferences"]] == [app["metadata"]["uid"]]
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    assert claim["spec"]["resources"]["requests"] == {"storage": "256Mi"}
    assert {status for status, _, _ in said(seen).values()} == {"Unknown"}


async def test_an_apps_story_is_told_on_its_pods_and_its_status(cluster: Cluster, namespace: str) -> None:
    async with Controller(cluster, namespace).running():
        app = await add_app(cluster, namespace, pods=2)
        seen = await has(cluster, KASPRAPPS, "demo", namespace, DONE)
        first = await has(cluster, PODS, "demo-app-0", namespace, DONE)
    assert seen["status"]["wheelwarden"] == {
        "state": "Ready", "hash": HASH, "installed": ["six==1.17.0"], "cacheMode": "shared-pvc",
        "warnings": [IMAGE_AND_PACKAGES], "authentication": {"enabled": False},
        "lastInstallTime": INSTALLED_AT, "installDuration": "3s", "installedBy": "demo-app-0",
        "cacheUsage": {"totalBytes": 1000, "usedBytes": 250, "availableBytes": 750, "usagePercent": 25},
    }  # fmt: skip
    assert said(seen)[names.PACKAGES_INSTALLED][2].startswith("2 of 2 pods have their packages.")
    assert seen["status"]["pythonPackages"] == {
        "hash": HASH, "installed": ["six==1.17.0"], "cacheMode": "shared-pvc", "warnings": [IMAGE_AND_PACKAGES],
        "lastInstallTime": INSTALLED_AT, "installDuration": "3s", "installedBy": "demo-app-0",
    }  # fmt: skip
    mine = [entry for entry in first["status"]["conditions"] if entry["type"].startswith(names.DOMAIN)]
    assert all(entry["lastProbeTime"] and entry["lastTransitionTime"] for entry in mine)
    assert [entry["type"] for entry in first["status"]["conditions"] if entry not in mine] == ["Ready"]
    assert names.POD_PROBED_ANNOTATION in first["metadata"]["annotations"]
    events = (await cluster.list(EVENTS, namespace)).items
    told = sorted(
        (event["involvedObject"]["kind"], event["involvedObject"]["name"], event["reason"]) for event in events
    )
    assert told == sorted(
        ("KasprApp", "demo", reason) if kind == "KasprApp" else ("Pod", f"demo-app-{index}", reason)
        for kind in ("KasprApp", "Pod")
        for index in range(2)
        for reason in ("Installed", "ImportsSucceeded")
    )
    about = {event["involvedObject"]["uid"] for event in events if event["involvedObject"]["kind"] == "KasprApp"}
    assert about == {app["metadata"]["uid"]}
    assert {event["reportingComponent"] for event in events} == {"wheelwarden-controller"}


async def test_nothing_is_written_and_nothing_probed_when_nothing_changes(cluster: Cluster, namespace: str) -> None:
    async def versions() -> list[str]:
        found = [
            await cluster.get(KASPRAPPS, "demo", namespace), await cluster.get(NOTEBOOKS, "lab", namespace),
            await cluster.get(CLAIMS, CLAIM, namespace), *(await cluster.list(PODS, namespace)).items,
        ]  # fmt: skip
        return [item["metadata"]["resourceVersion"] for item in found]

    first = Controller(cluster, namespace)
    async with first.running():
        await add_app(cluster, namespace, pods=2)
        annotations = {names.PACKAGES_ANNOTATION: "packages: [six]"}
        await cluster.create(NOTEBOOKS, notebook("lab", metadata={"annotations": annotations}), namespace)
        await cluster.create(PODS, pod("lab-0", {names.NOTEBOOK_NAME_LABEL: "lab"}, main="lab"), namespace)
        await report_by_kubelet(cluster, namespace, "lab-0", installer=result())
        await has(cluster, KASPRAPPS, "demo", namespace, DONE)
        await has(cluster, PODS, "lab-0", namespace, DONE)
        await first.rounds(4)
        before, events = await versions(), len((await cluster.list(EVENTS, namespace)).items)
        await first.rounds(12)
        assert await versions() == before
    assert sorted(first.prober.started) == ["demo-app-0", "demo-app-1", "lab-0"]
    second = Controller(cluster, namespace)  # a restart: it must find out again what was done
    async with second.running():
        await second.rounds(12)
    assert await versions() == before
    assert second.prober.started == []
    assert len((await cluster.list(EVENTS, namespace)).items) == events
    assert [second.reconciles(result) for result in ("conflict", "refused", "fault")] == [0, 0, 0]


async def test_a_notebook_keeps_its_last_result_and_its_status_is_left_alone(cluster: Cluster, namespace: str) -> None:
    controller = Controller(cluster, namespace)
    controller.prober.report = BROKEN
    async with controller.running():
        annotations = {names.PACKAGES_ANNOTATION: "packages: [six]"}
        await cluster.create(NOTEBOOKS, notebook("lab", metadata={"annotations": annotations}), namespace)
        await until(lambda: cluster.get(CLAIMS, "lab-python-packages", namespace))
        await cluster.create(PODS, pod("lab-0", {names.NOTEBOOK_NAME_LABEL: "lab"}, main="lab"), namespace)
        await report_by_kubelet(cluster, namespace, "lab-0", installer=result())
        failed = {"PackagesInstalled": "Installed", "ImportsVerified": "ImportFailed"}
        proven = await has(cluster, PODS, "lab-0", namespace, failed)
        lab = await cluster.get(NOTEBOOKS, "lab", namespace)
    assert said(proven)[names.IMPORTS_VERIFIED] == (
        "False",
        "ImportFailed",
        "1 of 1 imports failed. six: ValueError: made to fail. Pin a working version of the package, or fix the module.",
    )
    assert "status" not in lab
    last = json.loads(lab["metadata"]["annotations"][names.LAST_RESULT_ANNOTATION])
    assert {**last, "time": None} == {
        "hash": HASH, "installed": ["six==1.17.0"], "time": None,
        "imports": [{"module": "six", "ok": False, "reason": "ImportFailed", "error": "ValueError: made to fail"}],
    }  # fmt: skip


async def test_a_failed_installation_is_told_with_its_class(cluster: Cluster, namespace: str) -> None:
    async with Controller(cluster, namespace).running():
        await cluster.create(KASPRAPPS, kaspr_app("demo", replicas=1, pythonPackages=SIX), namespace)
        await cluster.create(PODS, pod("demo-app-0", APP_LABELS, claim=CLAIM), namespace)
        error = {"class": "package_not_found", "message": "There is no six in version 99. Name another version."}
        await report_by_kubelet(cluster, namespace, "demo-app-0", installer=result("failed", error), ready=False)
        wanted = {"PackagesInstalled": "PackageNotFound", "ImportsVerified": "WaitingForPackages"}
        app = await has(cluster, KASPRAPPS, "demo", namespace, wanted)
    assert app["status"]["wheelwarden"] == {
        "state": "Failed", "hash": HASH, "cacheMode": "shared-pvc", "warnings": [IMAGE_AND_PACKAGES],
        "authentication": {"enabled": False}, "errorType": "package_not_found",
        "error": "There is no six in version 99. Name another version.",
        "cacheUsage": {"totalBytes": 1000, "usedBytes": 250, "availableBytes": 750, "usagePercent": 25},
    }  # fmt: skip


async def test_outdated_pods_are_evicted_one_at_a_time_and_not_past_one_that_fails(
    cluster: Cluster, namespace: str
) -> None:
    controller = Controller(cluster, namespace)
    async with controller.running():
        await add_app(cluster, namespace, pods=2, hash_="older")
        await made_anew(cluster, namespace, "demo-app-1")
        await cluster.create(PODS, pod("demo-app-1", APP_LABELS), namespace)
        controller.prober.report = BROKEN
        await report_by_kubelet(cluster, namespace, "demo-app-1", installer=result())
        failed = {"PackagesInstalled": "Installed", "ImportsVerified": "ImportFailed"}
        await has(cluster, PODS, "demo-app-1", namespace, failed)
        await controller.rounds(6)
        kept = await cluster.get(PODS, "demo-app-0", namespace)
        assert reasons(kept)["PackagesInstalled"] == "RolloutPending"
        assert kept["metadata"]["annotations"][names.POD_HASH_ANNOTATION] == "older"
        controller.prober.report = GOOD  # a mend: the rollout goes on
        await report_by_kubelet(cluster, namespace, "demo-app-1", installer=result(), restarts=1)
        await made_anew(cluster, namespace, "demo-app-0")


async def test_a_disruption_budget_delays_the_eviction(cluster: Cluster, namespace: str) -> None:
    # Nobody fills this budget's status here, so it allows no disruption.
    budget = {"metadata": {"name": "demo"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": APP_LABELS}}}
    await cluster.create(BUDGETS, budget, namespace)
    controller = Controller(cluster, namespace)
    async with controller.running():
        await add_app(cluster, namespace, hash_="older")
        await has(
            cluster, KASPRAPPS, "demo", namespace,
            {"PackagesInstalled": "RolloutPending", "ImportsVerified": "RolloutPending"},
        )  # fmt: skip
        await controller.rounds(6)
        await cluster.get(PODS, "demo-app-0", namespace)
        assert controller.reconciles("refused") == 0
        await cluster.delete(BUDGETS, "demo", namespace)
        await made_anew(cluster, namespace, "demo-app-0")


async def test_a_claim_of_somebody_else_is_left_alone_and_told(
    cluster: Cluster, namespace: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
    foreign = await cluster.create(CLAIMS, {"metadata": {"name": CLAIM}, "spec": spec}, namespace)
    controller = Controller(cluster, namespace)
    async with controller.running():
        await cluster.create(KASPRAPPS, kaspr_app("demo", replicas=1, pythonPackages=SIX), namespace)
        await cluster.create(PODS, pod("demo-app-0", APP_LABELS, claim=CLAIM), namespace)

        async def made_anew() -> bool:  # without the claim: the webhook sees whose it is
            told = [event["reason"] for event in (await cluster.list(EVENTS, namespace)).items]
            return {"ClaimConflict", "PodReplaced"} <= set(told) and not (await cluster.list(PODS, namespace)).items

        await until(made_anew)
        app = await cluster.get(KASPRAPPS, "demo", namespace)
        assert app["status"]["pythonPackages"]["cacheMode"] == "emptyDir"
        assert "belongs to somebody else" in app["status"]["pythonPackages"]["warnings"][0]
        await controller.rounds(6)
    said = [record for record in caplog.records if "belongs to somebody else" in record.getMessage()]
    assert [record.name for record in said] == ["controller.refusals", "controller.status_report"]  # once each
    after = await cluster.get(CLAIMS, CLAIM, namespace)
    assert after["metadata"]["resourceVersion"] == foreign["metadata"]["resourceVersion"]


async def test_a_claim_that_the_api_server_refuses_is_told_without_a_pod(
    cluster: Cluster, namespace: str, caplog: pytest.LogCaptureFixture
) -> None:
    none = {"persistentvolumeclaims": "0"}
    await cluster.create(QUOTAS, {"metadata": {"name": "none"}, "spec": {"hard": none}}, namespace)
    status = {"status": {"hard": none, "used": none}}  # as the controller-manager would
    await cluster.patch(QUOTAS, "none", status, namespace, subresource="status")
    controller = Controller(cluster, namespace)
    async with controller.running():
        await cluster.create(STATEFUL_SETS, stateful_set(), namespace)
        await cluster.create(KASPRAPPS, kaspr_app("demo", replicas=1, pythonPackages=SIX), namespace)
        wanted = {"PackagesInstalled": "ClaimRefused", "ImportsVerified": "WaitingForPod"}
        await has(cluster, KASPRAPPS, "demo", namespace, wanted)
        # A second write, when the first has shown what the CRD prunes.
        app = await until(lambda: with_the_whole(cluster, "demo", namespace))
        await controller.rounds(6)
        events = [event["reason"] for event in (await cluster.list(EVENTS, namespace)).items]
    assert events.count("ClaimRefused") == 1
    assert [record.name for record in caplog.records if "cannot be made" in record.getMessage()] == [
        "controller.refusals"
    ]
    assert "quota" in said(app)[names.PACKAGES_INSTALLED][2]
    assert app["status"]["wheelwarden"]["state"] == "Failed"


async def test_a_claim_that_cannot_grow_stops_nothing(cluster: Cluster, namespace: str) -> None:
    controller = Controller(cluster, namespace)
    async with controller.running():
        await add_app(cluster, namespace)
        await has(cluster, KASPRAPPS, "demo", namespace, DONE)
        bound = {"status": {"phase": "Bound"}}  # by hand, so not by a class that can grow its volumes
        await cluster.patch(CLAIMS, CLAIM, bound, namespace, subresource="status")
        larger = {"spec": {"pythonPackages": {"cache": {"enabled": True, "size": "1Gi"}}}}
        await cluster.patch(KASPRAPPS, "demo", larger, namespace)
        await report_by_kubelet(cluster, namespace, "demo-app-0", installer=result(), restarts=1)

        async def told() -> bool:
            events = (await cluster.list(EVENTS, namespace)).items
            return "ClaimNotGrown" in [event["reason"] for event in events]

        await until(told)
        await controller.rounds(4)
        claim = await cluster.get(CLAIMS, CLAIM, namespace)
        assert claim["spec"]["resources"]["requests"] == {"storage": "256Mi"}
        assert reasons(await cluster.get(KASPRAPPS, "demo", namespace)) == DONE
    assert controller.reconciles("refused") == 0
    assert controller.prober.started == ["demo-app-0", "demo-app-0"]


async def test_what_the_operator_installs_itself_is_left_to_it(cluster: Cluster, namespace: str) -> None:
    theirs = {"hash": "theirs", "installed": ["six==1.16.0"]}
    controller = Controller(cluster, namespace)
    app = kaspr_app("demo", replicas=1, pythonPackages=SIX)
    app["metadata"]["annotations"] = {names.INSTALL_ANNOTATION: "observe"}
    await cluster.create(KASPRAPPS, app, namespace)
    await cluster.patch(KASPRAPPS, "demo", {"status": {"pythonPackages": theirs}}, namespace, subresource="status")
    own = pod("demo-app-0", APP_LABELS)
    del own["metadata"]["annotations"]
    await cluster.create(PODS, own, namespace)
    async with controller.running():
        waiting = {"PackagesInstalled": "Observed", "ImportsVerified": "WaitingForPod"}
        seen = await has(cluster, KASPRAPPS, "demo", namespace, waiting)
        await controller.rounds(4)
    assert seen["status"]["pythonPackages"] == theirs
    assert seen["status"]["wheelwarden"]["state"] == "Installing"
    assert (await cluster.list(CLAIMS, namespace)).items == []


async def test_a_report_never_reaches_another_pod_of_the_same_name(cluster: Cluster, namespace: str) -> None:
    class Late(Cluster):
        """Lists the pods, and before it answers the pod is recreated: as if the controller had been slow."""

        async def list(
            self, resource: Resource, namespace: str | None = None, *, labels: str = "", fields: str = ""
        ) -> Listing:
            listing = await super().list(resource, namespace, labels=labels, fields=fields)
            if resource is PODS and replacements:
                await cluster.delete(PODS, "demo-app-0", namespace)
                await cluster.create(PODS, replacements.pop(), namespace)
            return listing

    await add_app(cluster, namespace)
    replacements = [pod("demo-app-0", APP_LABELS)]
    controller = Controller(Late(cluster._api, field_manager="wheelwarden-test"), namespace)
    await controller.reconciler.reconcile(Key("KasprApp", namespace, "demo"))
    assert replacements == []
    assert reasons(await cluster.get(PODS, "demo-app-0", namespace)) == {}
    await controller.reconciler.reconcile(Key("KasprApp", namespace, "demo"))
    assert reasons(await cluster.get(PODS, "demo-app-0", namespace))["PackagesInstalled"] == "WaitingForPod"


async def test_a_restart_of_the_api_server_is_survived(api: Any, cluster: Cluster, namespace: str) -> None:
    controller = Controller(cluster, namespace)
    async with controller.running():
        await add_app(cluster, namespace)
        await has(cluster, KASPRAPPS, "demo", namespace, DONE)
        api.stop_server()
        api.start_server()
        await cluster.create(STATEFUL_SETS, stateful_set("later"), namespace)
        await cluster.create(KASPRAPPS, kaspr_app("later", pythonPackages=SIX), namespace)
        await until(lambda: cluster.get(CLAIMS, "later-app-python-packages", namespace))
        await report_by_kubelet(cluster, namespace, "demo-app-0", installer=result(), restarts=1)

        async def probed_again() -> bool:
            return controller.prober.started == ["demo-app-0", "demo-app-0"]

        await until(probed_again)
    assert controller.reconciles("fault") == 0
