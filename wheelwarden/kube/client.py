"""A thin asynchronous client: plain dicts in and out, our own errors, nothing else.

kubernetes-asyncio loads the configuration (service account, kubeconfig, exec plugins, token refresh) and owns the HTTP
session (`configuration`, `transport`). Its models are not used: they cost memory and drop unknown fields.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import aiohttp
from kubernetes_asyncio import client as kubernetes_client

from wheelwarden.api.errors import Unreachable
from wheelwarden.api.objects import Object
from wheelwarden.kube.configuration import load_configuration
from wheelwarden.kube.exec import ExecResult, run_in_container
from wheelwarden.kube.resources import PODS, Resource
from wheelwarden.kube.transport import (
    JSON,
    REQUEST_TIMEOUT_SECONDS,
    Transport,
    error_of_status,
    lines_of,
    raise_for_status,
)

TYPE_OF_PATCH: Final = {
    "merge": "application/merge-patch+json",  # RFC 7386
    "strategic": "application/strategic-merge-patch+json",
    "json": "application/json-patch+json",  # RFC 6902
    "apply": "application/apply-patch+yaml",  # server-side apply; JSON is YAML
}

PAGE_SIZE: Final = 500  # objects a list call returns at once, as client-go's reflector asks for
GOODBYE_SECONDS: Final = 0.05  # see "Graceful Shutdown" in aiohttp's documentation
# A list or a watch that gives objects without spec and status (meta.k8s.io/v1, "Retrieving metadata only").
METADATA_LIST: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
METADATA: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
NO_LOG: Final = "unable to retrieve container logs for "
LOG_LIMIT_BYTES: Final = 1 << 20  # of a log: its lines may be as long as a container likes
LOG_PAUSES_SECONDS: Final = (0.3, 0.6, 1.2)


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """A list, or a page of one, and the resource version to watch from."""

    items: list[Object]
    resource_version: str


@dataclass(frozen=True, kw_only=True, slots=True)
class WatchEvent:
    """One event of a watch: `type` is ADDED, MODIFIED, DELETED or BOOKMARK."""

    type: str
    object: Object


class Cluster:
    """One Kubernetes API server, under one identity and one field manager.

    Use `connect`; close it with `close` or `async with`.
    """

    def __init__(self, api: kubernetes_client.ApiClient, *, field_manager: str) -> None:
        self._api = api
        self._field_manager = field_manager
        self._transport = Transport(api, user_agent=field_manager)

    @classmethod
    async def connect(
        cls, *, kubeconfig: Path | None = None, context: str | None = None, field_manager: str
    ) -> "Cluster":
        """Connects by the pod's service account where there is one and no kubeconfig is named, else by a kubeconfig.

        Raises:
            UnusableInput: no configuration was found, or it cannot be used.
        """
        configuration = await load_configuration(kubeconfig, context)
        api = kubernetes_client.ApiClient(configuration)
        api.user_agent = field_manager
        return cls(api, field_manager=field_manager)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections, and gives those that were closed midway a moment for their TLS goodbye."""
        await self._api.close()
        await asyncio.sleep(GOODBYE_SECONDS)

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object:
        """One object, read from the API server (never from a cache). Raises NotFound."""
        return await self._transport.call("GET", resource.path(namespace, name))

    async def list(
        self, resource: Resource, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> Listing:
        """All objects of a namespace, or of the cluster, that match; read in pages."""
        items: list[Object] = []
        version = ""
        async for page in self._pages(resource, namespace, labels, fields, accept=JSON):
            items += page.items
            version = page.resource_version
        return Listing(items=items, resource_version=version)

    async def pages(
        self, resource: Resource, namespace: str | None = None, *, labels: str = ""
    ) -> AsyncIterator[Listing]:
        """All objects that match, page by page, as `list` gives them."""
        async for page in self._pages(resource, namespace, labels, "", accept=JSON):
            yield page

    async def metadata_pages(
        self, resource: Resource, namespace: str | None = None, *, labels: str = ""
    ) -> AsyncIterator[Listing]:
        """The metadata alone of all objects that match, page by page: many of them never are in memory at once.

        Raises:
            Gone: somebody else changed so much in between that the rest cannot be had: begin again.
        """
        async for page in self._pages(resource, namespace, labels, "", accept=METADATA_LIST):
            yield page

    async def _pages(
        self, resource: Resource, namespace: str | None, labels: str, fields: str, *, accept: str
    ) -> AsyncIterator[Listing]:
        token = ""
        while True:
            query = {"limit": str(PAGE_SIZE), "labelSelector": labels, "fieldSelector": fields, "continue": token}
            page = await self._transport.call("GET", resource.path(namespace), query, accept=accept)
            metadata = page.get("metadata") or {}
            yield Listing(items=page.get("items") or [], resource_version=metadata.get("resourceVersion", ""))
            token = metadata.get("continue") or ""
            if not token:
                return

    async def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        labels: str = "",
        resource_version: str,
        timeout_seconds: int = 300,
        metadata_only: bool = False,
    ) -> AsyncIterator[WatchEvent]:
        """Events after `resource_version`, bookmarks included, until the server ends the stream.

        Args:
            resource: what to watch.
            namespace: where; None for everywhere.
            labels: a label selector.
            resource_version: of a list.
            timeout_seconds: after which the server ends the stream.
            metadata_only: the objects come without spec and status.

        Raises:
            Gone: the version is too old: list again.
            Unreachable: the stream was cut.
        """
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "labelSelector": labels,
            "timeoutSeconds": str(timeout_seconds),
        }
        path = resource.path(namespace)
        timeout = aiohttp.ClientTimeout(sock_connect=REQUEST_TIMEOUT_SECONDS, sock_read=timeout_seconds + 30)
        response = await self._transport.request(
            "GET", path, query, timeout=timeout, accept=METADATA if metadata_only else JSON
        )
        try:
            await raise_for_status(response)
            async for line in lines_of(response):
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise error_of_status(event["object"].get("code", 500), event["object"])
                yield WatchEvent(type=event["type"], object=event["object"])
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise Unreachable(0, "WatchCut", f"the watch on {path} was cut: {type(error).__name__}") from error
        finally:
            # A stream that is left midway must not wait for a TLS goodbye that nobody reads.
            if response.connection is not None and response.connection.transport is not None:
                response.connection.transport.abort()
            response.close()

    async def create(self, resource: Resource, body: Mapping[str, Any], namespace: str | None = None) -> Object:
        """Creates an object. Raises AlreadyExists."""
        return await self._transport.call("POST", resource.path(namespace), self._writing(), body)

    async def replace(
        self, resource: Resource, body: Mapping[str, Any], namespace: str | None = None, *, subresource: str = ""
    ) -> Object:
        """Replaces an object; with a resourceVersion in it, only if it is unchanged. Raises Conflict."""
        path = resource.path(namespace, body["metadata"]["name"], subresource)
        return await self._transport.call("PUT", path, self._writing(), body)

    async def patch(
        self,
        resource: Resource,
        name: str,
        patch: Any,
        namespace: str | None = None,
        *,
        subresource: str = "",
        style: str = "merge",
    ) -> Object:
        """Patches an object; `style` is merge, strategic, json or apply."""
        query = self._writing() | ({"force": "true"} if style == "apply" else {})
        path = resource.path(namespace, name, subresource)
        return await self._transport.call("PATCH", path, query, patch, content_type=TYPE_OF_PATCH[style])

    async def delete(
        self, resource: Resource, name: str, namespace: str | None = None, *, uid: str | None = None
    ) -> None:
        """Deletes an object; with a uid, only that very one. Raises NotFound, Conflict."""
        body = {"preconditions": {"uid": uid}} if uid else {}
        await self._transport.call("DELETE", resource.path(namespace, name), None, body)

    async def evict(self, pod: str, namespace: str, *, uid: str) -> None:
        """Asks for the eviction of that very pod, as drains do. Raises Blocked where a budget forbids it."""
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod, "namespace": namespace},
            "deleteOptions": {"preconditions": {"uid": uid}},
        }
        await self._transport.call("POST", PODS.path(namespace, pod, "eviction"), self._writing(), body)

    async def logs(self, pod: str, namespace: str, container: str, *, tail_lines: int = 100) -> str:
        """The last lines of a container's log; empty where there are none.

        While a container is recreated, kubelet may look for the log of one that it has just removed, and says so as if
        that were the log: it is asked again.
        """
        query = {"container": container, "tailLines": str(tail_lines), "limitBytes": str(LOG_LIMIT_BYTES)}
        for pause in (*LOG_PAUSES_SECONDS, None):
            response = await self._transport.request("GET", PODS.path(namespace, pod, "log"), query)
            try:
                async with response:
                    await raise_for_status(response)
                    text = (await response.read()).decode(errors="replace")
            except (aiohttp.ClientError, TimeoutError) as error:
                raise Unreachable(0, "AnswerCut", f"the log was cut: {type(error).__name__}: {error}"[:500]) from error
            if not text.startswith(NO_LOG):
                return text
            if pause is not None:
                await asyncio.sleep(pause)
        return ""

    async def exec(
        self,
        pod: str,
        namespace: str,
        container: str,
        argv: Sequence[str],
        *,
        timeout_seconds: float,
        output_limit_bytes: int = 1 << 20,
    ) -> ExecResult:
        """Runs a command in a container, without a shell; see `run_in_container` for what it raises."""
        return await run_in_container(
            self._api.rest_client.pool_manager,
            self._transport.server + PODS.path(namespace, pod),
            await self._transport.authorization(),
            container,
            argv,
            timeout_seconds=timeout_seconds,
            output_limit_bytes=output_limit_bytes,
        )

    async def raw(self, path: str) -> Object:
        """A GET of any path that answers with JSON, such as `/version` or a group's discovery document."""
        return await self._transport.call("GET", path)

    def _writing(self) -> dict[str, str]:
        return {"fieldManager": self._field_manager}
