"""The client wrapper against a real API server: plain dicts, our own errors, watches that end and are told so."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from wheelwarden.api.errors import AlreadyExists, Conflict, Forbidden, Invalid, NotFound, Unreachable, UnusableInput
from wheelwarden.kube import CONFIG_MAPS, NAMESPACES, PODS, Cluster

Object = dict[str, Any]


@pytest.fixture
async def cluster(api: Any) -> AsyncIterator[Cluster]:
    async with await Cluster.connect(kubeconfig=api.kubeconfig, field_manager="wheelwarden-test") as connected:
        yield connected


@pytest.fixture
async def namespace(cluster: Cluster, request: pytest.FixtureRequest) -> AsyncIterator[str]:
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": "kube-client-"}}
    name: str = (await cluster.create(NAMESPACES, body))["metadata"]["name"]
    yield name
    await cluster.delete(NAMESPACES, name)


def config_map(name: str, **data: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


async def test_objects_are_made_read_changed_and_deleted_under_our_field_manager(
    cluster: Cluster, namespace: str
) -> None:
    made = await cluster.create(CONFIG_MAPS, config_map("one", colour="red"), namespace)
    assert made["data"] == {"colour": "red"}
    assert [field["manager"] for field in made["metadata"]["managedFields"]] == ["wheelwarden-test"]
    await cluster.patch(CONFIG_MAPS, "one", {"data": {"colour": "blue"}}, namespace)
    assert (await cluster.get(CONFIG_MAPS, "one", namespace))["data"] == {"colour": "blue"}
    with pytest.raises(AlreadyExists):
        await cluster.create(CONFIG_MAPS, config_map("one"), namespace)
    with pytest.raises(Conflict):
        await cluster.replace(CONFIG_MAPS, made, namespace)
    with pytest.raises(Conflict):
        await cluster.delete(CONFIG_MAPS, "one", namespace, uid="00000000-0000-0000-0000-000000000000")
    await cluster.delete(CONFIG_MAPS, "one", namespace, uid=made["metadata"]["uid"])
    with pytest.raises(NotFound):
        await cluster.get(CONFIG_MAPS, "one", namespace)


async def test_a_refused_object_carries_the_api_servers_own_words(cluster: Cluster, namespace: str) -> None:
    with pytest.raises(Invalid, match=r"metadata\.name"):
        await cluster.create(CONFIG_MAPS, config_map("Not_A_Name"), namespace)


async def test_lists_longer_than_a_page_are_complete(cluster: Cluster, namespace: str) -> None:
    wanted = {f"page-{number:04}" for number in range(520)}
    for name in sorted(wanted):
        await cluster.create(CONFIG_MAPS, config_map(name), namespace)
    listing = await cluster.list(CONFIG_MAPS, namespace)
    assert {item["metadata"]["name"] for item in listing.items} - {"kube-root-ca.crt"} == wanted
    pages = [page async for page in cluster.metadata_pages(CONFIG_MAPS, namespace)]
    assert [len(page.items) for page in pages][:1] == [500]
    assert {item["metadata"]["name"] for page in pages for item in page.items} - {"kube-root-ca.crt"} == wanted
    assert not [item for page in pages for item in page.items if "data" in item]


async def test_a_watch_gives_what_happens_after_the_list(cluster: Cluster, namespace: str) -> None:
    listing = await cluster.list(CONFIG_MAPS, namespace)
    await cluster.create(CONFIG_MAPS, config_map("seen"), namespace)
    await cluster.delete(CONFIG_MAPS, "seen", namespace)
    events = []
    watch = cluster.watch(CONFIG_MAPS, namespace, resource_version=listing.resource_version, timeout_seconds=20)
    async for event in watch:
        if event.object["metadata"]["name"] == "seen":
            events.append(event.type)
        if events[-1:] == ["DELETED"]:
            break
    assert events == ["ADDED", "DELETED"]


async def test_a_watch_of_metadata_tells_of_every_change_and_carries_no_content(
    cluster: Cluster, namespace: str
) -> None:
    made = await cluster.create(CONFIG_MAPS, {**config_map("seen"), "data": {"key": "one"}}, namespace)
    await cluster.patch(CONFIG_MAPS, "seen", {"data": {"key": "two"}}, namespace)
    version = made["metadata"]["resourceVersion"]
    async for event in cluster.watch(CONFIG_MAPS, namespace, resource_version=version, metadata_only=True):
        assert (event.type, event.object["metadata"]["name"]) == ("MODIFIED", "seen")
        assert "data" not in event.object
        break


async def test_exec_in_a_pod_that_is_not_there_is_not_found(cluster: Cluster, namespace: str) -> None:
    with pytest.raises(NotFound):
        await cluster.exec("nobody", namespace, "main", ["true"], timeout_seconds=10)


async def test_logs_of_a_pod_that_is_not_there_are_not_found(cluster: Cluster, namespace: str) -> None:
    with pytest.raises(NotFound):
        await cluster.logs("nobody", namespace, "main")
    assert (await cluster.list(PODS, namespace)).items == []


async def test_a_stranger_is_forbidden(api: Any, tmp_path: Path) -> None:
    config = yaml.safe_load(Path(api.kubeconfig).read_text())
    for user in config["users"]:
        user["user"] = {"token": "nobody-knows-it"}
    stranger = tmp_path / "kubeconfig"
    stranger.write_text(yaml.safe_dump(config))
    async with await Cluster.connect(kubeconfig=stranger, field_manager="wheelwarden-test") as cluster:
        with pytest.raises(Forbidden):
            await cluster.list(CONFIG_MAPS, "default")


async def test_no_server_is_unreachable_and_a_missing_kubeconfig_unusable(tmp_path: Path) -> None:
    nowhere = tmp_path / "kubeconfig"
    nowhere.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
        "clusters: [{name: c, cluster: {server: 'http://127.0.0.1:9'}}]\n"
        "contexts: [{name: c, context: {cluster: c, user: u}}]\nusers: [{name: u, user: {token: t}}]\n"
    )
    async with await Cluster.connect(kubeconfig=nowhere, field_manager="wheelwarden-test") as cluster:
        with pytest.raises(Unreachable):
            await cluster.get(CONFIG_MAPS, "one", "default")
    with pytest.raises(UnusableInput, match="nowhere-at-all"):
        await Cluster.connect(kubeconfig=tmp_path / "nowhere-at-all", field_manager="wheelwarden-test")
