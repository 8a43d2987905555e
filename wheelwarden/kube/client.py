"""A thin asynchronous client: plain dicts in and out, our own errors, nothing else.

kubernetes-asyncio loads the configuration (service account, kubeconfig, exec plugins, token refresh) and owns the HTTP
session. Its models are not used: they cost memory and drop unknown fields. Its exceptions stop here; their headers and
bodies, which may hold secrets, are never passed on.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import aiohttp
import yaml
from kubernetes_asyncio import client as kubernetes_client
from kubernetes_asyncio import config as kubernetes_config

from wheelwarden.api.errors import (
    AlreadyExists,
    Blocked,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    KubeError,
    NotFound,
    Unreachable,
    UnusableInput,
)
from wheelwarden.api.objects import Object
from wheelwarden.kube.exec import ExecResult, run_in_container
from wheelwarden.kube.resources import PODS, Resource

TYPE_OF_PATCH: Final = {
    "merge": "application/merge-patch+json",  # RFC 7386
    "strategic": "application/strategic-merge-patch+json",
    "json": "application/json-patch+json",  # RFC 6902
    "apply": "application/apply-patch+yaml",  # server-side apply; JSON is YAML
}

PAGE_SIZE: Final = 500  # objects a list call returns at once, as client-go's reflector asks for
REQUEST_TIMEOUT_SECONDS: Final = 30.0
GOODBYE_SECONDS: Final = 0.05  # see "Graceful Shutdown" in aiohttp's documentation
# A list or a watch that gives objects without spec and status (meta.k8s.io/v1, "Retrieving metadata only").
JSON: Final = "application/json"
METADATA_LIST: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
METADATA: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
NO_LOG: Final = "unable to retrieve container logs for "
LOG_LIMIT_BYTES: Final = 1 << 20  # of a log: its lines may be as long as a container likes
LOG_PAUSES_SECONDS: Final = (0.3, 0.6, 1.2)
MESSAGE_LIMIT: Final = 2000  # characters of an API server's message that are kept


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


# What the client's loader raises for a kubeconfig that it cannot read or understand.
UNUSABLE_CONFIGURATION: Final = (
    kubernetes_config.ConfigException, yaml.YAMLError, OSError, ValueError, TypeError, KeyError,
)  # fmt: skip


def default_namespace(kubeconfig: Path | None = None, context: str | None = None) -> str:
    """The namespace that kubectl would use: the context's, else `default`; also where there is no configuration."""
    if _missing_configuration(kubeconfig):
        return "default"
    try:
        contexts, active = kubernetes_config.list_kube_config_contexts(
            config_file=str(kubeconfig) if kubeconfig else None
        )
    except UNUSABLE_CONFIGURATION:
        return "default"
    found = next((one for one in contexts if one["name"] == context), None) if context else active
    return str(((found or {}).get("context") or {}).get("namespace") or "default")


def _missing_configuration(kubeconfig: Path | None) -> str:
    """Where no kubeconfig is, and what to do; empty where there is one. The client's loader would talk of other things."""
    if kubeconfig is not None:
        there = os.path.isfile(kubeconfig)  # noqa: PTH113 - never raises
        return "" if there else f"{kubeconfig}: there is no such file"
    named = os.environ.get("KUBECONFIG") or "~/.kube/config"
    if any(os.path.exists(os.path.expanduser(path)) for path in named.split(os.pathsep) if path):  # noqa: PTH110, PTH111
        return ""
    return f"{named}: there is no such file; name one by KUBECONFIG or --kubeconfig"


def _problem_of(error: Exception) -> str:
    """What is wrong with a kubeconfig, on one line."""
    if isinstance(error, OSError) and error.strerror:
        return f"it cannot be read: {error.strerror}"
    if isinstance(error, TypeError | KeyError):
        return "it holds no configuration"
    return " ".join(str(error).split())


class Cluster:
    """One Kubernetes API server, under one identity and one field manager.

    Use `connect`; close it with `close` or `async with`.
    """

    def __init__(self, api: kubernetes_client.ApiClient, *, field_manager: str) -> None:
        self._api = api
        self._field_manager = field_manager

    @classmethod
    async def connect(
        cls, *, kubeconfig: Path | None = None, context: str | None = None, field_manager: str
    ) -> "Cluster":
        """Connects by the pod's service account where there is one and no kubeconfig is named, else by a kubeconfig.

        Raises:
            UnusableInput: no configuration was found, or it cannot be used.
        """
        configuration = kubernetes_client.Configuration()
        in_cluster = kubeconfig is None and context is None and "KUBERNETES_SERVICE_HOST" in os.environ
        if not in_cluster and (problem := _missing_configuration(kubeconfig)):
            raise UnusableInput(f"no usable Kubernetes configuration in {problem}")
        try:
            if in_cluster:
                kubernetes_config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
            else:
                await kubernetes_config.load_kube_config(
                    config_file=str(kubeconfig) if kubeconfig else None,
                    context=context,
                    client_configuration=configuration,
                )
        except UNUSABLE_CONFIGURATION as error:
            where = "the pod's service account" if in_cluster else str(kubeconfig or "KUBECONFIG or ~/.kube/config")
            raise UnusableInput(f"no usable Kubernetes configuration in {where}: {_problem_of(error)}") from error
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
        return await self._call("GET", resource.path(namespace, name))

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
            page = await self._call("GET", resource.path(namespace), query, accept=accept)
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
        response = await self._request("GET", path, query, timeout=timeout, accept=METADATA if metadata_only else JSON)
        try:
            await _raise_for_status(response)
            async for line in _lines(response):
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise _error_of_status(event["object"].get("code", 500), event["object"])
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
        return await self._call("POST", resource.path(namespace), self._writing(), body)

    async def replace(
        self, resource: Resource, body: Mapping[str, Any], namespace: str | None = None, *, subresource: str = ""
    ) -> Object:
        """Replaces an object; with a resourceVersion in it, only if it is unchanged. Raises Conflict."""
        path = resource.path(namespace, body["metadata"]["name"], subresource)
        return await self._call("PUT", path, self._writing(), body)

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
        return await self._call("PATCH", path, query, patch, content_type=TYPE_OF_PATCH[style])

    async def delete(
        self, resource: Resource, name: str, namespace: str | None = None, *, uid: str | None = None
    ) -> None:
        """Deletes an object; with a uid, only that very one. Raises NotFound, Conflict."""
        body = {"preconditions": {"uid": uid}} if uid else {}
        await self._call("DELETE", resource.path(namespace, name), None, body)

    async def evict(self, pod: str, namespace: str, *, uid: str) -> None:
        """Asks for the eviction of that very pod, as drains do. Raises Blocked where a budget forbids it."""
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod, "namespace": namespace},
            "deleteOptions": {"preconditions": {"uid": uid}},
        }
        await self._call("POST", PODS.path(namespace, pod, "eviction"), self._writing(), body)

    async def logs(self, pod: str, namespace: str, container: str, *, tail_lines: int = 100) -> str:
        """The last lines of a container's log; empty where there are none.

        While a container is recreated, kubelet may look for the log of one that it has just removed, and says so as if
        that were the log: it is asked again.
        """
        query = {"container": container, "tailLines": str(tail_lines), "limitBytes": str(LOG_LIMIT_BYTES)}
        for pause in (*LOG_PAUSES_SECONDS, None):
            response = await self._request("GET", PODS.path(namespace, pod, "log"), query)
            try:
                async with response:
                    await _raise_for_status(response)
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
            self._server + PODS.path(namespace, pod),
            await self._authorization(),
            container,
            argv,
            timeout_seconds=timeout_seconds,
            output_limit_bytes=output_limit_bytes,
        )

    async def raw(self, path: str) -> Object:
        """A GET of any path that answers with JSON, such as `/version` or a group's discovery document."""
        return await self._call("GET", path)

    def _writing(self) -> dict[str, str]:
        return {"fieldManager": self._field_manager}

    async def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        *,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> Object:
        response = await self._request(method, path, query, body, content_type=content_type, accept=accept)
        try:
            async with response:
                await _raise_for_status(response)
                answer: Object = json.loads(await response.read())
                return answer
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise Unreachable(0, "AnswerCut", f"{method} {path}: {type(error).__name__}: {error}"[:500]) from error

    async def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        *,
        content_type: str = JSON,
        accept: str = JSON,
        timeout: aiohttp.ClientTimeout | None = None,  # noqa: ASYNC109 - aiohttp's own timeouts, not a deadline
    ) -> aiohttp.ClientResponse:
        headers = await self._authorization()
        headers |= {"Accept": accept, "Content-Type": content_type}
        parameters = {name: value for name, value in (query or {}).items() if value}
        try:
            response: aiohttp.ClientResponse = await self._api.rest_client.request(
                method,
                self._server + path,
                query_params=parameters,
                headers=headers,
                body=body,
                _preload_content=False,
                _request_timeout=timeout or aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_SECONDS),
            )
        except (aiohttp.ClientError, TimeoutError, OSError, asyncio.IncompleteReadError) as error:
            raise Unreachable(0, "Unreachable", f"{method} {path}: {type(error).__name__}: {error}"[:500]) from error
        return response

    @property
    def _server(self) -> str:
        return str(self._api.configuration.host).rstrip("/")

    async def _authorization(self) -> dict[str, str]:
        headers: dict[str, str] = {"User-Agent": self._field_manager}
        await self._api.update_params_for_auth(headers, [], ["BearerToken"])  # reads a refreshed token
        return headers


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """The lines of a stream; aiohttp's own reader gives up on lines longer than its buffer, and objects may be."""
    rest = bytearray()
    async for chunk in response.content.iter_any():
        rest += chunk
        while (end := rest.find(b"\n")) >= 0:
            yield bytes(rest[:end])
            del rest[: end + 1]
    if rest:
        yield bytes(rest)


async def _raise_for_status(response: aiohttp.ClientResponse) -> None:
    if response.status < 400:
        return
    text = (await response.read())[:100_000].decode(errors="replace")
    try:
        status = json.loads(text)
    except ValueError:
        status = {}
    raise _error_of_status(response.status, status if isinstance(status, dict) else {})


def _error_of_status(code: int, status: Mapping[str, Any]) -> KubeError:
    reason = str(status.get("reason") or "")
    message = str(status.get("message") or f"the API server answered {code}")[:MESSAGE_LIMIT]
    by_code: dict[int, type[KubeError]] = {
        400: Invalid,
        401: Forbidden,
        403: Forbidden,
        404: NotFound,
        409: AlreadyExists if reason == "AlreadyExists" else Conflict,
        410: Gone,
        422: Invalid,
        429: Blocked,
    }
    return by_code.get(code, Unreachable if code >= 500 else KubeError)(code, reason, message)
