"""The controller beside an operator, on a real API server: who installs, and claims that pods wait for."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from controller.state import Key
from tests.integration.controller_world import (
    HASH,
    SIX,
    Controller,
    clear_namespace,
    pod,
    reasons,
    report_by_kubelet,
    result,
    said,
    stateful_set,
)
from tests.integration.standin_objects import kaspr_app, make_namespace, notebook, until
from wheelwarden.api import names
from wheelwarden.api.errors import Invalid
from wheelwarden.api.objects import Object
from wheelwarden.kube import CLAIMS, EVENTS, KASPRAPPS, NOTEBOOKS, PODS, STATEFUL_SETS, Cluster, Listing, Resource

APP = "demo"
CLAIM = "demo-app-python-packages"
POLICIES, BINDINGS = (
    Resource(group="admissionregistration.k8s.io", version="v1", plural=plural, kind=kind, namespaced=False)
    for kind, plural in (
        ("ValidatingAdmissionPolicy", "validatingadmissionpolicies"),
        ("ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings"),
    )
)
LABELS = {names.KASPR_APP_LABEL: APP}


@pytest.fixture
async def cluster(api: Any) -> AsyncIterator[Cluster]:
    async with await Cluster.connect(kubeconfig=api.kubeconfig, field_manager="wheelwarden-controller") as connected:
        yield connected


@pytest.fixture
async def namespace(cluster: Cluster) -> AsyncIterator[str]:
    name = await make_namespace(cluster, "owner-")
    yield name
    await clear_namespace(cluster, name, KASPRAPPS, NOTEBOOKS, STATEFUL_SETS, PODS)


def foreign_pod(claim: str = "") -> Object:
    """A pod with the operator's own installer."""
    made = pod("demo-app-0", LABELS, claim=claim)
    del made["metadata"]["annotations"]
    return made


async def told(cluster: Cluster, namespace: str) -> list[str]:
    return [event["reason"] for event in (await cluster.list(EVENTS, namespace)).items]


class Counting(Cluster):
    """Counts the patches of claims and the lists of events."""

    patches = 0
    looks = 0

    async def list(self, resource: Resource, *args: Any, **kwargs: Any) -> Listing:
        self.looks += resource is EVENTS
        return await super().list(resource, *args, **kwargs)

    async def patch(self, resource: Resource, *args: Any, **kwargs: Any) -> Object:
        self.patches += resource is CLAIMS
        return await super().patch(resource, *args, **kwargs)


async def test_nothing_is_made_as_the_owner_before_the_operator_has_shown_itself(
    cluster: Cluster, namespace: str
) -> None:
    controller = Controller(cluster, namespace)
    async with controller.running():
        app = await cluster.create(KASPRAPPS, kaspr_app(APP, replicas=1, pythonPackages=SIX), namespace)
        controller.clock.ahead += 3600  # however slow it is
        await controller.rounds(6)
        app = await cluster.get(KASPRAPPS, APP, namespace)
        assert set(app["status"]) == {"conditions"}
        assert (await cluster.list(CLAIMS, namespace)).items == []

        await cluster.create(STATEFUL_SETS, stateful_set(installer=True, claim=CLAIM), namespace)
        await cluster.create(PODS, foreign_pod(), namespace)
        await report_by_kubelet(cluster, namespace, "demo-app-0")

        async def observed() -> bool:
            found = await cluster.get(KASPRAPPS, APP, namespace)
            return reasons(found).get("PackagesInstalled") == "Observed" and "wheelwarden" in found["status"]

        await until(observed)
        app = await cluster.get(KASPRAPPS, APP, namespace)
    assert "pythonPackages" not in app["status"]
    assert (await cluster.list(CLAIMS, namespace)).items == []


async def test_what_was_made_as_the_owner_is_taken_back_when_the_operator_shows_itself_late(
    cluster: Cluster, namespace: str
) -> None:
    controller = Controller(cluster, namespace)
    async with controller.running():
        await cluster.create(STATEFUL_SETS, stateful_set(), namespace)
        await cluster.create(KASPRAPPS, kaspr_app(APP, replicas=1, pythonPackages=SIX), namespace)

        async def wrote() -> bool:
            status = (await cluster.get(KASPRAPPS, APP, namespace)).get("status") or {}
            return "pythonPackages" in status and bool((await cluster.list(CLAIMS, namespace)).items)

        await until(wrote)
        # The packages change, so the hash in the status is an older one: that it is ours, the API server knows.
        changed = {"spec": {"pythonPackages": {"packages": ["idna"]}}}
        await cluster.delete(STATEFUL_SETS, "demo-app", namespace)
        await cluster.create(STATEFUL_SETS, stateful_set(installer=True), namespace)
        await cluster.patch(KASPRAPPS, APP, changed, namespace)

        async def corrected() -> bool:
            status = (await cluster.get(KASPRAPPS, APP, namespace))["status"]
            claims = (await cluster.list(CLAIMS, namespace)).items
            gone = all("deletionTimestamp" in claim["metadata"] for claim in claims)
            return "pythonPackages" not in status and gone

        await until(corrected)
        await controller.rounds(4)
        assert (await told(cluster, namespace)).count("InstallOwnerCorrected") == 1


async def test_a_claim_that_the_operators_template_mounts_becomes_the_operators(
    cluster: Cluster, namespace: str
) -> None:
    async with Controller(cluster, namespace).running():
        await cluster.create(STATEFUL_SETS, stateful_set(), namespace)
        await cluster.create(KASPRAPPS, kaspr_app(APP, replicas=1, pythonPackages=SIX), namespace)
        made = await until(lambda: cluster.get(CLAIMS, CLAIM, namespace))
        await cluster.delete(STATEFUL_SETS, "demo-app", namespace)
        await cluster.create(STATEFUL_SETS, stateful_set(installer=True, claim=CLAIM), namespace)

        async def handed_over() -> Object | None:
            claim = await cluster.get(CLAIMS, CLAIM, namespace)
            return claim if names.MANAGED_BY_LABEL not in claim["metadata"]["labels"] else None

        claim = await until(handed_over)
    assert claim["metadata"]["uid"] == made["metadata"]["uid"]
    assert "deletionTimestamp" not in claim["metadata"]


@pytest.mark.parametrize("observed", [True, False])
async def test_a_pod_that_waits_for_its_claim_is_told_why(cluster: Cluster, namespace: str, *, observed: bool) -> None:
    async with Controller(cluster, namespace).running():
        await cluster.create(STATEFUL_SETS, stateful_set(installer=observed), namespace)
        app = kaspr_app(APP, replicas=1, pythonPackages=SIX)
        if observed:
            spec = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Mi"}}}
            await cluster.create(CLAIMS, {"metadata": {"name": CLAIM}, "spec": spec}, namespace)
        await cluster.create(KASPRAPPS, app, namespace)
        waiting = foreign_pod(claim=CLAIM) if observed else pod("demo-app-0", LABELS, claim=CLAIM)
        await cluster.create(PODS, waiting, namespace)

        async def says(part: str) -> bool:
            found = said(await cluster.get(PODS, "demo-app-0", namespace)).get(names.PACKAGES_INSTALLED)
            return found is not None and found[:2] == ("Unknown", "ClaimPending") and part in found[2]

        await until(lambda: says(f"The claim {CLAIM} is Pending since "))
        claim = await cluster.get(CLAIMS, CLAIM, namespace)
        event = {
            "metadata": {"generateName": "claim."}, "type": "Warning", "reason": "ProvisioningFailed",
            "message": "storage class nowhere is not known",
            "involvedObject": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": CLAIM,
                               "namespace": namespace, "uid": claim["metadata"]["uid"]},
        }  # fmt: skip
        await cluster.create(EVENTS, event, namespace)
        await cluster.patch(KASPRAPPS, APP, {"metadata": {"annotations": {"touched": "yes"}}}, namespace)
        await until(lambda: says("storage class nowhere is not known"))


async def test_a_notebook_without_pods_costs_nothing_whose_claim_is_not_bound(cluster: Cluster, namespace: str) -> None:
    counting = Counting(cluster._api, field_manager="wheelwarden-controller")
    controller = Controller(counting, namespace)
    async with controller.running():
        await cluster.create(
            NOTEBOOKS,
            notebook("lab", metadata={"annotations": {names.PACKAGES_ANNOTATION: "packages: [six]"}}),
            namespace,
        )
        await until(lambda: cluster.get(CLAIMS, "lab-python-packages", namespace))
        await controller.rounds(4)
        assert counting.looks > 0
        controller.clock.ahead += 601
        await controller.rounds(2)
        counting.looks = 0
        await controller.rounds(6)
        assert counting.looks == 0
        labels = {names.NOTEBOOK_NAME_LABEL: "lab"}
        await cluster.create(PODS, pod("lab-0", labels, claim="lab-python-packages", main="lab"), namespace)

        async def told_why() -> bool:
            found = said(await cluster.get(PODS, "lab-0", namespace)).get(names.PACKAGES_INSTALLED)
            return found is not None and found[1] == "ClaimPending"

        await until(told_why)
    assert counting.looks > 0


async def test_a_pod_that_missed_its_claim_is_recreated(cluster: Cluster, namespace: str) -> None:
    controller = Controller(cluster, namespace)
    async with controller.running():
        await cluster.create(STATEFUL_SETS, stateful_set(), namespace)
        made = await cluster.create(PODS, pod("demo-app-0", LABELS, claim=CLAIM), namespace)
        await cluster.create(KASPRAPPS, kaspr_app(APP, replicas=1, pythonPackages=SIX), namespace)
        await until(lambda: cluster.get(CLAIMS, CLAIM, namespace))
        bound = {"status": {"phase": "Bound"}}
        await cluster.patch(CLAIMS, CLAIM, bound, namespace, subresource="status")
        missed = {
            "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
            "message": f'persistentvolumeclaim "{CLAIM}" not found',
        }  # fmt: skip
        await cluster.patch(
            PODS, "demo-app-0", {"status": {"conditions": [missed]}}, namespace, subresource="status", style="strategic"
        )
        await controller.rounds(3)
        assert (await cluster.get(PODS, "demo-app-0", namespace))["metadata"]["uid"] == made["metadata"]["uid"]
        controller.clock.ahead += 61

        async def recreated() -> bool:
            return not (await cluster.list(PODS, namespace)).items and "PodReplaced" in await told(cluster, namespace)

        await until(recreated)


async def test_growing_that_was_refused_is_not_asked_for_at_each_look(cluster: Cluster, namespace: str) -> None:
    counting = Counting(cluster._api, field_manager="wheelwarden-controller")
    controller = Controller(counting, namespace)
    key = Key("KasprApp", namespace, APP)
    await cluster.create(STATEFUL_SETS, stateful_set(), namespace)
    await cluster.create(KASPRAPPS, kaspr_app(APP, replicas=1, pythonPackages=SIX), namespace)
    await cluster.create(PODS, pod("demo-app-0", LABELS, claim=CLAIM), namespace)
    await report_by_kubelet(cluster, namespace, "demo-app-0", installer=result())
    await controller.reconciler.reconcile(key)
    bound = {"status": {"phase": "Bound"}}  # by hand, so not by a class that can grow its volumes
    await cluster.patch(CLAIMS, CLAIM, bound, namespace, subresource="status")
    await cluster.patch(
        KASPRAPPS, APP, {"spec": {"pythonPackages": {"cache": {"enabled": True, "size": "1Gi"}}}}, namespace
    )
    for _ in range(5):
        await controller.reconciler.reconcile(key)
    assert counting.patches == 1
    assert (await told(cluster, namespace)).count("ClaimNotGrown") == 1
    refused = controller.metrics.registry.get_sample_value("wheelwarden_writes_refused_total", {"what": "claim"})
    assert refused == 1


async def test_a_status_that_may_not_be_cleared_is_told_once_and_keeps_nothing_else(
    cluster: Cluster, namespace: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    expression = (
        "!has(oldObject.status) || !has(oldObject.status.pythonPackages) || "
        "has(object.status) && has(object.status.pythonPackages)"
    )
    rule = {
        "apiGroups": ["kaspr.io"],
        "apiVersions": ["*"],
        "operations": ["UPDATE"],
        "resources": ["kasprapps/status"],
    }
    here = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
    policy = {
        "metadata": {"name": namespace},
        "spec": {
            "matchConstraints": {"resourceRules": [rule]},
            "validations": [{"expression": expression, "message": "what is installed may not be forgotten"}],
        },
    }
    binding = {
        "metadata": {"name": namespace},
        "spec": {"policyName": namespace, "validationActions": ["Deny"], "matchResources": here},
    }
    await cluster.create(POLICIES, policy)
    await cluster.create(BINDINGS, binding)
    controller = Controller(cluster, namespace)
    annotations = {"annotations": {names.INSTALL_ANNOTATION: "observe"}}
    try:
        await cluster.create(KASPRAPPS, kaspr_app(APP, replicas=1, pythonPackages=SIX), namespace)
        ours = {"status": {"pythonPackages": {"hash": HASH}}}
        await cluster.patch(KASPRAPPS, APP, ours, namespace, subresource="status")
        cleared = {"status": {"pythonPackages": None}}

        async def denied() -> bool:  # a policy is in force some time after it is there
            try:
                await cluster.patch(KASPRAPPS, APP, cleared, namespace, subresource="status")
            except Invalid:
                return True
            await cluster.patch(KASPRAPPS, APP, ours, namespace, subresource="status")
            return False

        await until(denied)
        await cluster.patch(KASPRAPPS, APP, {"metadata": annotations}, namespace)
        async with controller.running():
            await controller.rounds(8)
            found = await cluster.get(KASPRAPPS, APP, namespace)
    finally:
        await cluster.delete(BINDINGS, namespace)
        await cluster.delete(POLICIES, namespace)
    assert found["status"]["pythonPackages"] == {"hash": HASH}
    assert reasons(found) == {"PackagesInstalled": "WaitingForPod", "ImportsVerified": "WaitingForPod"}
    assert (await told(cluster, namespace)).count("WriteRefused") == 1
    said = [record.getMessage() for record in caplog.records if "status.pythonPackages" in record.getMessage()]
    assert len(said) == 1
    assert "what is installed may not be forgotten" in said[0]


async def test_a_claim_that_came_in_the_place_of_the_one_we_read_is_not_patched(
    cluster: Cluster, namespace: str
) -> None:
    class Late(Cluster):
        """Gives claims as they were before they were recreated."""

        async def get(self, resource: Resource, *args: Any) -> Object:
            found = await super().get(resource, *args)
            if resource is CLAIMS:
                found["metadata"]["uid"] = "00000000-0000-0000-0000-000000000000"
            return found

    key = Key("KasprApp", namespace, APP)
    await cluster.create(STATEFUL_SETS, stateful_set(), namespace)
    await cluster.create(KASPRAPPS, kaspr_app(APP, replicas=1, pythonPackages=SIX), namespace)
    await Controller(cluster, namespace).reconciler.reconcile(key)
    bound = {"status": {"phase": "Bound"}}
    await cluster.patch(CLAIMS, CLAIM, bound, namespace, subresource="status")
    before = await cluster.get(CLAIMS, CLAIM, namespace)
    changed = {"spec": {"pythonPackages": {"cache": {"size": "1Gi", "deleteClaim": False}}}}
    await cluster.patch(KASPRAPPS, APP, changed, namespace)
    late = Late(cluster._api, field_manager="wheelwarden-controller")
    await Controller(late, namespace).reconciler.reconcile(key)
    assert await cluster.get(CLAIMS, CLAIM, namespace) == before
    assert "ClaimNotGrown" not in await told(cluster, namespace)
