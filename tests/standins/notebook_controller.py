"""The stand-in notebook controller: reads, lets `notebook` decide, writes."""

import asyncio
from datetime import UTC, datetime

from tests.standins import notebook as decide
from tests.standins.loop import Key, Loop, Source, is_owned_by, key_by_label, own_key
from wheelwarden.api.errors import AlreadyExists, NotFound
from wheelwarden.api.objects import Object
from wheelwarden.kube import EVENTS, NOTEBOOKS, PODS, SERVICES, STATEFUL_SETS, Cluster

FIELD_MANAGER = "manager"  # what controller-runtime makes of the real one's program name


class NotebookController:
    """Makes a StatefulSet and a Service for each Notebook, and mirrors its Pod's conditions and Events."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        by_label = key_by_label(decide.NOTEBOOK_LABEL)
        self._loop = Loop(
            cluster,
            "notebook controller",
            [
                Source(resource=NOTEBOOKS, key_of=own_key),
                Source(resource=STATEFUL_SETS, key_of=by_label, labels=decide.NOTEBOOK_LABEL),
                Source(resource=PODS, key_of=by_label, labels=decide.NOTEBOOK_LABEL),
            ],
            self._reconcile,
        )
        self._events = Loop(
            cluster, "notebook controller", [Source(resource=EVENTS, key_of=_key_of_pod_event)], self._reissue
        )

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._loop.run())
            tasks.create_task(self._events.run())

    async def _reconcile(self, key: Key) -> None:
        namespace, name = key
        try:
            notebook = await self._cluster.get(NOTEBOOKS, name, namespace)
        except NotFound:
            return
        if notebook["metadata"].get("deletionTimestamp"):
            return
        statefulset = await self._put_statefulset(notebook)
        await self._put_service(notebook)
        pod = await self._find_pod(statefulset)
        status = decide.build_status(notebook, statefulset, pod, now=_now())
        if status != notebook.get("status"):
            await self._cluster.replace(NOTEBOOKS, {**notebook, "status": status}, namespace, subresource="status")

    async def _put_statefulset(self, notebook: Object) -> Object:
        namespace, name = own_key(notebook)
        listing = await self._cluster.list(STATEFUL_SETS, namespace, labels=f"{decide.NOTEBOOK_LABEL}={name}")
        for live in listing.items:
            if is_owned_by(live, notebook):
                live = {"apiVersion": "apps/v1", "kind": "StatefulSet", **live}
                return await self._cluster.replace(
                    STATEFUL_SETS, decide.overwrite_statefulset(live, notebook), namespace
                )
        return await self._cluster.create(STATEFUL_SETS, decide.build_statefulset(notebook), namespace)

    async def _put_service(self, notebook: Object) -> None:
        namespace, name = own_key(notebook)
        try:
            await self._cluster.get(SERVICES, name, namespace)
        except NotFound:
            await self._cluster.create(SERVICES, decide.build_service(notebook), namespace)

    async def _find_pod(self, statefulset: Object) -> Object | None:
        namespace, name = own_key(statefulset)
        try:
            return await self._cluster.get(PODS, f"{name}-0", namespace)
        except NotFound:
            return None

    async def _reissue(self, key: Key) -> None:
        namespace, name = key
        try:
            event = await self._cluster.get(EVENTS, name, namespace)
            pod = await self._cluster.get(PODS, event["involvedObject"]["name"], namespace)
            owner = (pod["metadata"].get("labels") or {}).get(decide.NOTEBOOK_LABEL)
            if owner is None:
                return
            notebook = await self._cluster.get(NOTEBOOKS, owner, namespace)
        except NotFound:
            return
        copied = decide.reissue_event(event, notebook)
        try:
            await self._cluster.create(EVENTS, copied, namespace)
        except AlreadyExists:  # it happened again
            again = {field: copied[field] for field in ("count", "lastTimestamp", "message")}
            await self._cluster.patch(EVENTS, copied["metadata"]["name"], again, namespace)


def _key_of_pod_event(event: Object) -> Key | None:
    return own_key(event) if event["involvedObject"].get("kind") == "Pod" else None


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
