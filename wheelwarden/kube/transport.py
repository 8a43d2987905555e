"""HTTP to one API server: a request, its answer as a plain dict, and refusals as our own errors.

The library's exceptions stop here; their headers and bodies, which may hold secrets, are never passed on.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import aiohttp
from kubernetes_asyncio import client as kubernetes_client

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
)
from wheelwarden.api.objects import Object

JSON: Final = "application/json"
REQUEST_TIMEOUT_SECONDS: Final = 30.0
MESSAGE_LIMIT: Final = 2000  # characters of an API server's message that are kept


class Transport:
    """Requests over the session, the address and the token that kubernetes-asyncio keeps.

    Args:
        api: the library's client.
        user_agent: what the API server is told of us.
    """

    def __init__(self, api: kubernetes_client.ApiClient, *, user_agent: str) -> None:
        self._api = api
        self._user_agent = user_agent

    async def call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        *,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> Object:
        """A request, and its answer's JSON. Raises KubeError: the answer is none, or says what is wrong."""
        response = await self.request(method, path, query, body, content_type=content_type, accept=accept)
        try:
            async with response:
                await raise_for_status(response)
                answer: Object = json.loads(await response.read())
                return answer
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise Unreachable(0, "AnswerCut", f"{method} {path}: {type(error).__name__}: {error}"[:500]) from error

    async def request(
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
        """A request, and its answer, whatever it says; to be released by the caller. Raises Unreachable."""
        headers = await self.authorization()
        headers |= {"Accept": accept, "Content-Type": content_type}
        parameters = {name: value for name, value in (query or {}).items() if value}
        try:
            response: aiohttp.ClientResponse = await self._api.rest_client.request(
                method,
                self.server + path,
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
    def server(self) -> str:
        """The API server's address, without a slash at the end."""
        return str(self._api.configuration.host).rstrip("/")

    async def authorization(self) -> dict[str, str]:
        """The headers that say who we are."""
        headers: dict[str, str] = {"User-Agent": self._user_agent}
        await self._api.update_params_for_auth(headers, [], ["BearerToken"])  # reads a refreshed token
        return headers


async def lines_of(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """The lines of a stream; aiohttp's own reader gives up on lines longer than its buffer, and objects may be."""
    rest = bytearray()
    async for chunk in response.content.iter_any():
        rest += chunk
        while (end := rest.find(b"\n")) >= 0:
            yield bytes(rest[:end])
            del rest[: end + 1]
    if rest:
        yield bytes(rest)


async def raise_for_status(response: aiohttp.ClientResponse) -> None:
    """Raises our own error for an answer that is one."""
    if response.status < 400:
        return
    text = (await response.read())[:100_000].decode(errors="replace")
    try:
        status = json.loads(text)
    except ValueError:
        status = {}
    raise error_of_status(response.status, status if isinstance(status, dict) else {})


def error_of_status(code: int, status: Mapping[str, Any]) -> KubeError:
    """Our own error for a Status object; only its reason and its message, cut, are kept."""
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
