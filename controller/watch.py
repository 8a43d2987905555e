"""Watching one resource: list, mark, watch, and list again when the version is gone.

Gives metadata, from which keys are made, and keeps no objects: ten thousand pods in full would be gigabytes for a moment.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from controller.backoff import Backoff
from wheelwarden.api.errors import Gone, KubeError, NotFound
from wheelwarden.kube import Cluster, Resource

LOGGER = logging.getLogger(__name__)
WATCH_SECONDS: Final = 290
PAUSE_SECONDS: Final = 0.2  # between the end of a watch and the next: a server that ends them at once is not stormed


class Watcher:
    """Calls `seen` with the metadata of every object that is there at a list, and of every one that changes.

    Args:
        cluster: the client.
        resource: what to watch.
        namespace: where; None for everywhere.
        labels: a label selector.
        seen: gets each object, without spec and status; must not block.
        sleep: waits.
    """

    def __init__(
        self,
        cluster: Cluster,
        resource: Resource,
        namespace: str | None,
        labels: str,
        seen: Callable[[Mapping[str, Any]], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._cluster = cluster
        self._resource = resource
        self._namespace = namespace
        self._labels = labels
        self._seen = seen
        self._sleep = sleep
        self._absent = False

    async def run(self) -> None:
        """Watches until cancelled, whatever the API server does."""
        backoff: Backoff[str] = Backoff()
        version = ""
        while True:
            try:
                if not version:
                    version = await self._list()
                version = await self._watch(version)
                backoff.forget("")
                await self._sleep(PAUSE_SECONDS)
            except Gone:
                version = ""
                await self._sleep(PAUSE_SECONDS)
            except NotFound:
                if not self._absent:
                    LOGGER.info("%s is not installed in this cluster; looking again", self._resource.plural)
                self._absent = True
                version = ""
                await self._sleep(min(30.0, backoff.next("", random.random())))  # noqa: S311 - jitter
            except KubeError as error:
                seconds = min(30.0, backoff.next("", random.random()))  # noqa: S311 - jitter
                LOGGER.warning("watching %s: %s; again in %.1f s", self._resource.plural, error, seconds)
                version = ""
                await self._sleep(seconds)

    async def list_once(self) -> None:
        """Calls `seen` with every object that there is: the periodic look that makes up for whatever was missed.

        Where the kind is not installed there is nothing to see; `run` has said so.
        """
        with contextlib.suppress(NotFound):
            await self._list()

    async def _list(self) -> str:
        version = ""
        async for page in self._cluster.metadata_pages(self._resource, self._namespace, labels=self._labels):
            for obj in page.items:
                self._seen(obj)
            version = page.resource_version
        if self._absent:
            LOGGER.info("%s is installed now", self._resource.plural)
            self._absent = False
        return version

    async def _watch(self, version: str) -> str:
        events = self._cluster.watch(
            self._resource,
            self._namespace,
            labels=self._labels,
            resource_version=version,
            timeout_seconds=WATCH_SECONDS,
            metadata_only=True,
        )
        async for event in events:
            version = event.object["metadata"]["resourceVersion"]
            if event.type != "BOOKMARK":
                self._seen(event.object)
        return version
