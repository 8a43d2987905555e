"""The loop that both stand-ins run: watch, map every object to a key, reconcile each key once at a time.

A lost watch, a missing kind or a restarting API server is no error: the loop lists again until it gets through.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from wheelwarden.api.errors import Conflict, KubeError, NotFound, Unreachable
from wheelwarden.api.objects import Object
from wheelwarden.kube import Cluster, Resource

RETRY_SECONDS = 0.5
LONGEST_RETRY_SECONDS = 10.0

Key = tuple[str, str]  # namespace and name


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """What is watched, and to which key an object of it belongs; None for objects of other people."""

    resource: Resource
    key_of: Callable[[Object], Key | None]
    labels: str = ""


class Loop:
    """Calls `reconcile` for every key that a watched object points to, again later where it failed."""

    def __init__(
        self, cluster: Cluster, name: str, sources: Sequence[Source], reconcile: Callable[[Key], Awaitable[None]]
    ) -> None:
        self._cluster = cluster
        self._name = name
        self._sources = sources
        self._reconcile = reconcile
        self._due: dict[Key, None] = {}  # a dict keeps the order of arrival
        self._delays: dict[Key, float] = {}
        self._changed = asyncio.Event()

    def add(self, key: Key) -> None:
        self._due[key] = None
        self._changed.set()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for source in self._sources:
                tasks.create_task(self._follow(source))
            tasks.create_task(self._work())

    async def _work(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            while self._due:
                key = next(iter(self._due))
                del self._due[key]
                await self._attempt(key)

    async def _attempt(self, key: Key) -> None:
        try:
            await self._reconcile(key)
        except KubeError as error:
            delay = self._delays.get(key, RETRY_SECONDS)
            self._delays[key] = min(delay * 2, LONGEST_RETRY_SECONDS)
            # A namespace on its way out takes nothing new, and the object goes with it.
            quiet = isinstance(error, Conflict | NotFound | Unreachable) or "being terminated" in error.message
            if not quiet:
                print(f"{self._name}: {'/'.join(key)}: {error}; again in {delay:g} s", file=sys.stderr, flush=True)
            asyncio.get_running_loop().call_later(delay, self.add, key)
        else:
            self._delays.pop(key, None)

    async def _follow(self, source: Source) -> None:
        while True:
            try:
                listing = await self._cluster.list(source.resource, labels=source.labels)
                for item in listing.items:
                    self._point(source, item)
                await self._watch(source, listing.resource_version)
            except KubeError as error:
                # 410: list again; 429: the API server is making room for a kind that was changed.
                if not isinstance(error, Unreachable | NotFound) and error.status not in (410, 429):
                    print(f"{self._name}: {source.resource.plural}: {error}", file=sys.stderr, flush=True)
                await asyncio.sleep(RETRY_SECONDS)

    async def _watch(self, source: Source, version: str) -> None:
        while True:
            started = version
            async for event in self._cluster.watch(source.resource, labels=source.labels, resource_version=version):
                version = event.object["metadata"]["resourceVersion"]
                if event.type != "BOOKMARK":
                    self._point(source, event.object)
            if version == started:  # a server that ends every stream at once must not be hammered
                await asyncio.sleep(RETRY_SECONDS)

    def _point(self, source: Source, item: Object) -> None:
        key = source.key_of(item)
        if key is not None:
            self.add(key)


def key_by_label(label: str) -> Callable[[Object], Key | None]:
    """The key of whatever carries the owner's name in a label."""

    def key_of(item: Object) -> Key | None:
        metadata = item["metadata"]
        name = (metadata.get("labels") or {}).get(label)
        return (metadata["namespace"], name) if name else None

    return key_of


def own_key(item: Object) -> Key:
    return item["metadata"]["namespace"], item["metadata"]["name"]


def owner_reference(owner: Object) -> Object:
    metadata = owner["metadata"]
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def is_owned_by(item: Object, owner: Object) -> bool:
    references = item["metadata"].get("ownerReferences") or []
    return any(reference["uid"] == owner["metadata"]["uid"] for reference in references)
