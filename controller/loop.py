"""The running controller: watchers feed the queue, workers empty it, while we hold the Lease."""

import asyncio
import logging
import random
from collections.abc import Mapping, Sequence
from typing import Any

from controller.backoff import Backoff
from controller.metrics import Metrics
from controller.queue import Queue
from controller.reconcile import Reconciler
from controller.state import Key
from controller.watch import Watcher
from wheelwarden.api import names
from wheelwarden.api.errors import Conflict, KubeError
from wheelwarden.api.kinds import WorkloadKind
from wheelwarden.kube import CLAIMS, PODS, Cluster, resource_for

LOGGER = logging.getLogger(__name__)


class Loop:
    """Watches what concerns the kinds in the namespaces (none: everywhere) and reconciles every key that it sees."""

    def __init__(
        self,
        cluster: Cluster,
        queue: Queue[Key],
        reconciler: Reconciler,
        metrics: Metrics,
        *,
        kinds: Sequence[WorkloadKind],
        namespaces: Sequence[str],
        workers: int,
        resync_seconds: float,
    ) -> None:
        self._cluster = cluster
        self._queue = queue
        self._reconciler = reconciler
        self._metrics = metrics
        self._kinds = kinds
        self._namespaces: Sequence[str | None] = namespaces or (None,)
        self._workers = workers
        self._resync_seconds = resync_seconds
        self._backoff: Backoff[Key] = Backoff()

    async def run(self) -> None:
        """Works until cancelled."""
        objects = [watcher for kind in self._kinds for watcher in self._object_watchers(kind)]
        watchers = objects + [watcher for kind in self._kinds for watcher in self._part_watchers(kind)]
        async with asyncio.TaskGroup() as group:
            for watcher in watchers:
                group.create_task(watcher.run())
            for _ in range(self._workers):
                group.create_task(self._work())
            group.create_task(self._resync(objects))

    def _object_watchers(self, kind: WorkloadKind) -> list[Watcher]:

        def seen(obj: Mapping[str, Any]) -> None:
            self._queue.add(Key(kind.name, obj["metadata"]["namespace"], obj["metadata"]["name"]))

        return [Watcher(self._cluster, resource_for(kind), namespace, "", seen) for namespace in self._namespaces]

    def _part_watchers(self, kind: WorkloadKind) -> list[Watcher]:
        """Watchers of pods and claims: what changes there is work on the object they belong to."""

        def pod_seen(pod: Mapping[str, Any]) -> None:
            name = kind.owner_of(pod["metadata"]["labels"])
            self._queue.add(Key(kind.name, pod["metadata"]["namespace"], name))

        def claim_seen(claim: Mapping[str, Any]) -> None:
            name = claim["metadata"]["labels"].get(names.WORKLOAD_NAME_LABEL)
            if name:
                self._queue.add(Key(kind.name, claim["metadata"]["namespace"], name))

        claims = f"{names.MANAGED_BY_LABEL}={names.MANAGED_BY},{names.WORKLOAD_KIND_LABEL}={kind.name}"
        return [
            watcher
            for namespace in self._namespaces
            for watcher in (
                Watcher(self._cluster, PODS, namespace, kind.pod_label, pod_seen),
                Watcher(self._cluster, CLAIMS, namespace, claims, claim_seen),
            )
        ]

    async def _work(self) -> None:
        while True:
            key = await self._queue.get()
            self._metrics.queue_depth.set(len(self._queue))
            try:
                await self._reconciler.reconcile(key)
            except Conflict:
                self._metrics.reconciles.labels("conflict").inc()
                self._queue.add_after(key, self._backoff.next(key, random.random()))  # noqa: S311 - jitter
            except KubeError as error:
                self._metrics.reconciles.labels("refused").inc()
                LOGGER.warning("%s %s/%s: %s; trying again", *key, error)
                self._queue.add_after(key, self._backoff.next(key, random.random()))  # noqa: S311 - jitter
            except Exception:  # one object's fault must not stop the work on the others
                self._metrics.reconciles.labels("fault").inc()
                LOGGER.exception("%s %s/%s", *key)
                self._queue.add_after(key, self._backoff.next(key, random.random()))  # noqa: S311 - jitter
            else:
                self._metrics.reconciles.labels("done").inc()
                self._backoff.forget(key)
            finally:
                self._queue.done(key)

    async def _resync(self, watchers: Sequence[Watcher]) -> None:
        while True:
            await asyncio.sleep(self._resync_seconds * random.uniform(0.9, 1.1))  # noqa: S311 - jitter
            for watcher in watchers:
                try:
                    await watcher.list_once()
                except KubeError as error:
                    LOGGER.info("resync: %s", error)
