"""The stand-in notebook controller does to us what the real one was seen to do."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tests.integration.standin_objects import CONDITION, apply_crds, make_namespace, notebook, running_standins, until
from wheelwarden.api.errors import AlreadyExists, NotFound
from wheelwarden.api.objects import Object
from wheelwarden.kube import EVENTS, NAMESPACES, NOTEBOOKS, PODS, SERVICES, STATEFUL_SETS, Cluster


@pytest.fixture
async def cluster(api: Any) -> AsyncIterator[Cluster]:
    async with await Cluster.connect(kubeconfig=api.kubeconfig, field_manager="wheelwarden-test") as connected:
        await apply_crds(connected)
        yield connected


@pytest.fixture(scope="module")
def controller(api: Any) -> Iterator[None]:
    with running_standins(api.kubeconfig):
        yield


@pytest.fixture
async def namespace(cluster: Cluster, controller: None) -> AsyncIterator[str]:
    name = await make_namespace(cluster, "notebooks-")
    yield name
    for item in (await cluster.list(NOTEBOOKS, name)).items:
        await cluster.delete(NOTEBOOKS, item["metadata"]["name"], name)
    await cluster.delete(NAMESPACES, name)


async def make_pod(cluster: Cluster, statefulset: Object) -> Object:
    """The pod that the StatefulSet's controller makes, made here where none runs."""
    metadata = statefulset["metadata"]
    name, namespace = f"{metadata['name']}-0", metadata["namespace"]
    template = statefulset["spec"]["template"]
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {**template["metadata"], "name": name}}
    try:
        return await cluster.create(PODS, {**body, "spec": template["spec"]}, namespace)
    except AlreadyExists:
        return await cluster.get(PODS, name, namespace)


async def start(cluster: Cluster, namespace: str, body: Object) -> tuple[Object, Object]:
    """A Notebook is made; its StatefulSet and pod."""
    await cluster.create(NOTEBOOKS, body, namespace)
    statefulset = await until(lambda: cluster.get(STATEFUL_SETS, body["metadata"]["name"], namespace))
    return statefulset, await make_pod(cluster, statefulset)


async def test_a_notebook_gets_a_statefulset_and_a_service(cluster: Cluster, namespace: str) -> None:
    metadata = {
        "labels": {"team": "red"},
        "annotations": {
            "wheelwarden.dev/python-packages": "packages: [six]",
            "notebooks.wheelwarden.dev/last-result": "{}",
            "kubectl.kubernetes.io/anything": "x",
        },
    }
    statefulset, _ = await start(cluster, namespace, notebook("analysis", metadata=metadata))
    template = statefulset["spec"]["template"]
    assert statefulset["spec"]["replicas"] == 1
    assert template["metadata"]["labels"] == {"statefulset": "analysis", "notebook-name": "analysis", "team": "red"}
    assert template["metadata"]["annotations"] == {"wheelwarden.dev/python-packages": "packages: [six]"}
    assert template["spec"]["securityContext"] == {"fsGroup": 100}
    prefix = {"name": "NB_PREFIX", "value": f"/notebook/{namespace}/analysis"}
    assert template["spec"]["containers"][0]["env"] == [prefix]
    service = await until(lambda: cluster.get(SERVICES, "analysis", namespace))
    assert service["spec"]["selector"] == {"statefulset": "analysis"}


async def test_a_pod_that_brings_a_security_context_gets_no_group(cluster: Cluster, namespace: str) -> None:
    body = notebook("analysis", securityContext={"runAsUser": 1001})
    statefulset, _ = await start(cluster, namespace, body)
    assert statefulset["spec"]["template"]["spec"]["securityContext"] == {"runAsUser": 1001}


async def test_an_annotation_added_later_does_not_reach_the_pod_template(cluster: Cluster, namespace: str) -> None:
    await start(cluster, namespace, notebook("analysis"))
    changed = {"metadata": {"annotations": {"wheelwarden.dev/rollout": "auto"}, "labels": {"team": "red"}}}
    await cluster.patch(NOTEBOOKS, "analysis", changed, namespace)

    async def labelled() -> Object | None:
        template = (await cluster.get(STATEFUL_SETS, "analysis", namespace))["spec"]["template"]
        return template["metadata"] if template["metadata"]["labels"].get("team") == "red" else None

    assert "annotations" not in await until(labelled)


async def test_an_init_container_patched_into_the_statefulset_is_taken_out(cluster: Cluster, namespace: str) -> None:
    before, _ = await start(cluster, namespace, notebook("analysis"))
    init = {"name": "install-packages", "image": "registry.example.com/notebook:1"}
    patch = {"spec": {"template": {"spec": {"initContainers": [init]}}}}
    patched = await cluster.patch(STATEFUL_SETS, "analysis", patch, namespace, style="strategic")
    assert [item["name"] for item in patched["spec"]["template"]["spec"]["initContainers"]] == ["install-packages"]

    async def overwritten() -> Object | None:
        spec: Object = (await cluster.get(STATEFUL_SETS, "analysis", namespace))["spec"]["template"]["spec"]
        return None if "initContainers" in spec else spec

    assert await until(overwritten) == before["spec"]["template"]["spec"]


async def test_a_condition_written_to_the_notebook_is_gone_and_one_written_to_its_pod_is_mirrored(
    cluster: Cluster, namespace: str
) -> None:
    await start(cluster, namespace, notebook("analysis"))
    status = {"conditions": [{**CONDITION, "type": "Written"}], "containerState": {}, "readyReplicas": 0}
    written = await cluster.patch(NOTEBOOKS, "analysis", {"status": status}, namespace, subresource="status")
    assert [item["type"] for item in written["status"]["conditions"]] == ["Written"]
    on_pod = {"status": {"conditions": [{**CONDITION, "observedGeneration": 1}]}}
    await cluster.patch(PODS, "analysis-0", on_pod, namespace, subresource="status")

    async def mirrored() -> list[Object] | None:
        conditions: list[Object] = (await cluster.get(NOTEBOOKS, "analysis", namespace))["status"]["conditions"]
        types = [item["type"] for item in conditions]
        return conditions if CONDITION["type"] in types and "Written" not in types else None

    assert [item for item in await until(mirrored) if item["type"] == CONDITION["type"]] == [CONDITION]


async def test_the_state_of_the_container_named_like_the_notebook_is_shown(cluster: Cluster, namespace: str) -> None:
    await start(cluster, namespace, notebook("analysis"))
    running = {"running": {"startedAt": "2026-01-31T10:30:00Z"}}
    common = {"image": "x", "imageID": "x", "restartCount": 0, "ready": True}
    statuses = [{**common, "name": "proxy", "state": {}}, {**common, "name": "analysis", "state": running}]
    patch = {"status": {"containerStatuses": statuses}}
    await cluster.patch(PODS, "analysis-0", patch, namespace, subresource="status")

    async def shown() -> Object | None:
        status = (await cluster.get(NOTEBOOKS, "analysis", namespace)).get("status") or {}
        return status.get("containerState") or None

    assert await until(shown) == running


async def test_a_stopped_notebook_has_no_replica_and_an_empty_status(cluster: Cluster, namespace: str) -> None:
    await start(cluster, namespace, notebook("analysis"))
    on_pod = {"status": {"conditions": [CONDITION]}}
    await cluster.patch(PODS, "analysis-0", on_pod, namespace, subresource="status")
    stop = {"metadata": {"annotations": {"kubeflow-resource-stopped": "2026-01-31T10:30:00Z"}}}
    await cluster.patch(NOTEBOOKS, "analysis", stop, namespace)

    async def scaled_down() -> bool:
        return bool((await cluster.get(STATEFUL_SETS, "analysis", namespace))["spec"]["replicas"] == 0)

    await until(scaled_down)
    with contextlib.suppress(NotFound):  # where a controller-manager runs, it was quicker
        await cluster.delete(PODS, "analysis-0", namespace)

    async def emptied() -> Object | None:
        status: Object = (await cluster.get(NOTEBOOKS, "analysis", namespace))["status"]
        return status if status["conditions"] == [] else None

    assert await until(emptied) == {"conditions": [], "containerState": {}, "readyReplicas": 0}


async def test_an_event_on_the_pod_is_reissued_on_the_notebook(cluster: Cluster, namespace: str) -> None:
    _, pod = await start(cluster, namespace, notebook("analysis"))
    involved = {"apiVersion": "v1", "kind": "Pod", "name": "analysis-0", "namespace": namespace}
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "analysis-0.1"},
        "involvedObject": {**involved, "uid": pod["metadata"]["uid"]},
        "type": "Warning",
        "reason": "BackOff",
        "message": "Back-off restarting failed container",
    }
    await cluster.create(EVENTS, event, namespace)
    owner = await cluster.get(NOTEBOOKS, "analysis", namespace)
    fields = f"involvedObject.kind=Notebook,involvedObject.uid={owner['metadata']['uid']}"

    async def reissued() -> list[Object]:
        return (await cluster.list(EVENTS, namespace, fields=fields)).items

    [copied] = await until(reissued)
    assert [copied["type"], copied["reason"], copied["message"]] == [
        "Warning",
        "BackOff",
        "Reissued from pod/analysis-0: Back-off restarting failed container",
    ]


async def test_a_notebook_with_a_long_name_gets_a_generated_one_and_is_found_by_its_label(
    cluster: Cluster, namespace: str
) -> None:
    name = "n" * 60
    await cluster.create(NOTEBOOKS, notebook(name), namespace)

    async def found() -> list[Object]:
        return (await cluster.list(STATEFUL_SETS, namespace, labels=f"notebook-name={name}")).items

    [statefulset] = await until(found)
    assert statefulset["metadata"]["name"].startswith("nb-")
