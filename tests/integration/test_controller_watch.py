"""Watchers against a real API server: a version that it no longer knows, and a kind that is installed later."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from controller.watch import Watcher
from tests.integration.standin_objects import DEFINITIONS, make_namespace, until
from wheelwarden.kube import CONFIG_MAPS, NAMESPACES, Cluster, Listing, Resource


class Watched:
    """A watcher that runs while the block does; `names` are those it saw."""

    def __init__(self, cluster: Cluster, resource: Resource, namespace: str | None) -> None:
        self.names: list[str] = []
        self._watcher = Watcher(cluster, resource, namespace, "", self._see)

    def _see(self, obj: Mapping[str, Any]) -> None:
        self.names.append(obj["metadata"]["name"])

    async def __aenter__(self) -> "Watched":
        self._task = asyncio.ensure_future(self._watcher.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert not self._task.done()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def sees(self, name: str) -> None:
        async def seen() -> bool:
            return name in self.names

        await until(seen)


@pytest.fixture
async def cluster(api: Any) -> AsyncIterator[Cluster]:
    async with await Cluster.connect(kubeconfig=api.kubeconfig, field_manager="wheelwarden-test") as connected:
        yield connected


@pytest.fixture
async def namespace(cluster: Cluster) -> AsyncIterator[str]:
    name = await make_namespace(cluster, "watch-")
    yield name
    await cluster.delete(NAMESPACES, name)


def config_map(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}


async def test_a_version_that_the_server_no_longer_knows_means_listing_again(
    cluster: Cluster, namespace: str
) -> None:  # fmt: skip
    class Old(Cluster):
        """Gives the first list a version from before the server's memory, as after a long sleep."""

        lists = 0

        async def list(
            self, resource: Resource, namespace: str | None = None, *, labels: str = "", fields: str = ""
        ) -> Listing:
            listing = await super().list(resource, namespace, labels=labels, fields=fields)
            self.lists += 1
            version = "1" if self.lists == 1 else listing.resource_version
            return Listing(items=listing.items, resource_version=version)

    old = Old(cluster._api, field_manager="wheelwarden-test")
    await cluster.create(CONFIG_MAPS, config_map("first"), namespace)
    async with Watched(old, CONFIG_MAPS, namespace) as watched:

        async def listed_again() -> bool:
            return old.lists == 2

        await until(listed_again)
        await cluster.create(CONFIG_MAPS, config_map("second"), namespace)
        await watched.sees("second")
    assert old.lists == 2


async def test_a_kind_that_is_installed_later_is_picked_up(cluster: Cluster, namespace: str) -> None:
    plural = f"widgets{uuid.uuid4().hex[:8]}"
    widgets = Resource(group="test.example.com", version="v1", plural=plural, kind=plural.title())
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{widgets.group}"},
        "spec": {
            "group": widgets.group,
            "names": {"plural": plural, "kind": widgets.kind},
            "scope": "Namespaced",
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }
    widget = {"apiVersion": "test.example.com/v1", "kind": widgets.kind, "metadata": {"name": "first"}}
    async with Watched(cluster, widgets, namespace) as watched:
        await cluster.create(DEFINITIONS, definition)
        try:

            async def served() -> bool:
                await cluster.list(widgets, namespace)
                return True

            await until(served)
            await cluster.create(widgets, widget, namespace)
            await watched.sees("first")
        finally:
            await cluster.delete(DEFINITIONS, f"{plural}.{widgets.group}")
