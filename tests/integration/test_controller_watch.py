"""Watchers against a real API server: a version that it no longer knows, and a kind that is installed later."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from controller.watch import Watcher
from tests.integration.standin_objects import DEFINITIONS, make_namespace, until
from wheelwarden.kube import NAMESPACES, Cluster, Listing, Resource


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


@dataclass(frozen=True)
class Widgets:
    """A kind of its own: what the API server remembers of it begins when it is installed."""

    cluster: Cluster
    resource: Resource

    async def install(self, namespace: str) -> None:
        """Returns once the kind is served."""
        one = self.resource
        schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        definition = {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{one.plural}.{one.group}"},
            "spec": {
                "group": one.group,
                "names": {"plural": one.plural, "kind": one.kind},
                "scope": "Namespaced",
                "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
            },
        }
        await self.cluster.create(DEFINITIONS, definition)

        async def served() -> bool:
            await self.cluster.list(one, namespace)
            return True

        await until(served)

    async def add(self, name: str, namespace: str) -> None:
        widget = {"apiVersion": f"{self.resource.group}/v1", "kind": self.resource.kind, "metadata": {"name": name}}
        await self.cluster.create(self.resource, widget, namespace)


@pytest.fixture
async def widgets(cluster: Cluster) -> AsyncIterator[Widgets]:
    plural = f"widgets{uuid.uuid4().hex[:8]}"
    resource = Resource(group="test.example.com", version="v1", plural=plural, kind=plural.title())
    yield Widgets(cluster, resource)
    await cluster.delete(DEFINITIONS, f"{plural}.{resource.group}")


async def test_a_version_that_the_server_no_longer_knows_means_listing_again(
    cluster: Cluster, namespace: str, widgets: Widgets
) -> None:  # fmt: skip
    class Old(Cluster):
        """Gives the first list a version from before the server's memory, as after a long sleep."""

        lists = 0

        async def metadata_pages(
            self, resource: Resource, namespace: str | None = None, *, labels: str = ""
        ) -> AsyncIterator[Listing]:
            self.lists += 1
            async for page in super().metadata_pages(resource, namespace, labels=labels):
                version = "1" if self.lists == 1 else page.resource_version
                yield Listing(items=page.items, resource_version=version)

    old = Old(cluster._api, field_manager="wheelwarden-test")
    await widgets.install(namespace)
    await widgets.add("first", namespace)
    async with Watched(old, widgets.resource, namespace) as watched:

        async def listed_again() -> bool:
            return old.lists == 2

        await until(listed_again)
        await widgets.add("second", namespace)
        await watched.sees("second")
    assert old.lists == 2


async def test_a_kind_that_is_installed_later_is_picked_up(cluster: Cluster, namespace: str, widgets: Widgets) -> None:
    async with Watched(cluster, widgets.resource, namespace) as watched:
        await widgets.install(namespace)
        await widgets.add("first", namespace)
        await watched.sees("first")
