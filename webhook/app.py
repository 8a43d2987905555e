"""The HTTP edge: bodies are bounded in size and time, and every answer is JSON with a sentence in it.

Three different things: a malformed request gets a 4xx, a denied object gets a 200 that says so, and a fault of our own
gets an id in the log and what the endpoint says for it: a 500, or the object admitted as it is.
"""

import asyncio
import json
import logging
import secrets
import time
from typing import Any, Final, Protocol

from aiohttp import web

from webhook.endpoints import Answer
from webhook.metrics import Metrics
from webhook.review import Review, read_review
from wheelwarden.api.errors import MalformedRequest
from wheelwarden.api.objects import Object

LOGGER = logging.getLogger(__name__)
# An AdmissionReview holds two objects of up to 1.5 MiB as etcd takes them, more as JSON: some 7 MB at the most.
BODY_LIMIT_BYTES: Final = 8 << 20
BODY_TIMEOUT_SECONDS: Final = 10.0
JSON: Final = "application/json"
_ENCODE: Final = json.JSONEncoder(separators=(",", ":")).encode  # `json.dumps` would make an encoder for each answer


class Endpoint(Protocol):
    """One path: what it answers, and what it says where we failed ourselves (None: a 500)."""

    async def answer(self, review: Review) -> Answer:
        """The answer to one review."""
        ...

    def excuse(self, review: Review, fault: str) -> Object | None:
        """The answer after a fault of ours, which `fault` tells in a sentence."""
        ...


class AdmissionApp:
    """The application with /validate and /inject.

    Args:
        validate: judges objects.
        inject: changes pods.
        metrics: where answers are counted.
    """

    def __init__(self, *, validate: Endpoint, inject: Endpoint, metrics: Metrics) -> None:
        self._endpoints: dict[str, Endpoint] = {"validate": validate, "inject": inject}
        self._metrics = metrics
        self.closing = False
        """Whether each connection is closed after its next answer, so that clients turn to other replicas."""

    def application(self) -> web.Application:
        """What aiohttp serves."""
        app = web.Application(client_max_size=BODY_LIMIT_BYTES)
        for name, endpoint in self._endpoints.items():
            app.router.add_post(f"/{name}", self._handler(name, endpoint))
        app.router.add_route("*", "/{path:.*}", self._refuse_path)
        return app

    def _handler(self, name: str, endpoint: Endpoint) -> Any:
        async def handle(http: web.Request) -> web.Response:
            started = time.perf_counter()
            try:
                review = read_review(await _read_body(http))
                status, document, outcome = await self._answer(name, endpoint, review)
            except MalformedRequest as error:
                LOGGER.warning("/%s: a malformed request from %s: %s", name, http.remote, error)
                self._metrics.count(name, "malformed", time.perf_counter() - started)
                # The rest of its body may still be on the way.
                return self._respond(error.status, {"error": str(error)}, close=True)
            response = self._respond(status, document)
            self._metrics.count(name, outcome, time.perf_counter() - started)
            return response

        return handle

    async def _answer(self, name: str, endpoint: Endpoint, review: Review) -> tuple[int, Object, str]:
        try:
            answer = await endpoint.answer(review)
        except MalformedRequest:  # some of the body is read when it is looked at
            raise
        except Exception:
            fault = secrets.token_hex(4)
            LOGGER.exception(
                "fault %s in /%s, %s of %s %s/%s",
                *(fault, name, review.operation, review.kind, review.namespace, review.name),
            )
            text = f"Wheelwarden failed on this {review.kind}: look for fault {fault} in the log of its webhook"
            excuse = endpoint.excuse(review, text)
            return (500, {"error": text}, "error") if excuse is None else (200, excuse, "error")
        return 200, answer.document, answer.outcome

    async def _refuse_path(self, http: web.Request) -> web.Response:
        if http.path.removeprefix("/") in self._endpoints:
            text = f"{http.path} takes a POST with an AdmissionReview, and no {http.method}"
            return self._respond(405, {"error": text}, close=True, headers={"Allow": "POST"})
        paths = " and ".join(f"/{name}" for name in self._endpoints)
        return self._respond(404, {"error": f"there is nothing here; the webhook answers at {paths}"}, close=True)

    def _respond(
        self, status: int, document: Object, *, close: bool = False, headers: dict[str, str] | None = None
    ) -> web.Response:
        body = _ENCODE(document).encode()
        response = web.Response(status=status, body=body, content_type=JSON, headers=headers)
        if close or self.closing:
            response.force_close()
        return response


async def _read_body(http: web.Request) -> bytes:
    """The body of a request. Raises MalformedRequest."""
    if http.content_type != JSON:
        raise MalformedRequest(415, f'the Content-Type is "{http.content_type}"; send {JSON}')
    if http.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise MalformedRequest(415, "a compressed body is not accepted; send it without Content-Encoding")
    too_large = f"the body is larger than {BODY_LIMIT_BYTES >> 20} MiB"
    if (http.content_length or 0) > BODY_LIMIT_BYTES:
        raise MalformedRequest(413, too_large)
    try:
        if http.content.is_eof():  # nearly always: a clock costs more than the rest of this
            return await http.read()
        async with asyncio.timeout(BODY_TIMEOUT_SECONDS):
            return await http.read()
    except web.HTTPRequestEntityTooLarge:
        raise MalformedRequest(413, too_large) from None
    except TimeoutError:
        raise MalformedRequest(408, f"the body did not arrive within {BODY_TIMEOUT_SECONDS:g} s") from None
    except (web.RequestPayloadError, OSError):
        raise MalformedRequest(400, "the body was cut short or is not framed as HTTP says") from None
