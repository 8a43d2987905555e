"""The HTTP edge: whatever is sent, the answer is JSON with a sentence, in bounded time and memory."""

import asyncio
import gzip
import io
import json
import logging
import re
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from webhook import app as edge
from webhook.app import BODY_LIMIT_BYTES, AdmissionApp
from webhook.endpoints import Answer
from webhook.health import make_health_application
from webhook.metrics import Metrics
from webhook.review import Review, allow
from webhook.server import SERVING

Object = dict[str, Any]

REVIEW = {
    "apiVersion": "admission.k8s.io/v1",
    "kind": "AdmissionReview",
    "request": {
        "uid": "u-1",
        "operation": "CREATE",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "namespace": "shop",
        "name": "one",
        "object": {"metadata": {"name": "one"}},
    },
}
JSON = {"Content-Type": "application/json"}


class Plain:
    """Admits everything, or fails; `excused` is what it says for a fault."""

    def __init__(self, *, excused: bool = False) -> None:
        self.excused = excused
        self.failing = False

    async def answer(self, review: Review) -> Answer:
        if self.failing:
            raise RuntimeError("a secret detail")
        return Answer(document=allow(review), outcome="allowed")

    def excuse(self, review: Review, fault: str) -> Object | None:
        return allow(review, warnings=[fault]) if self.excused else None


class Edge:
    """A served application and its parts."""

    def __init__(self, port: int, client: aiohttp.ClientSession, parts: AdmissionApp, metrics: Metrics) -> None:
        self.port = port
        self.client = client
        self.parts = parts
        self.metrics = metrics

    async def post(self, path: str = "/validate", **options: Any) -> tuple[int, Any]:
        options = {"data": json.dumps(REVIEW), "headers": JSON} | options
        async with self.client.post(f"http://127.0.0.1:{self.port}{path}", **options) as response:
            assert response.content_type == "application/json"
            return response.status, await response.json()

    async def raw(self, data: bytes) -> bytes:
        """Everything that comes back for some bytes, until the server closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer

    def count(self, endpoint: str, outcome: str) -> float | None:
        labels = {"endpoint": endpoint, "outcome": outcome}
        return self.metrics.registry.get_sample_value("wheelwarden_admission_reviews_total", labels)


@pytest.fixture
def validate() -> Plain:
    return Plain()


@pytest.fixture
def inject() -> Plain:
    return Plain(excused=True)


@pytest.fixture
async def served(validate: Plain, inject: Plain) -> AsyncIterator[Edge]:
    metrics = Metrics()
    parts = AdmissionApp(validate=validate, inject=inject, metrics=metrics)
    runner = web.AppRunner(parts.application(), access_log=None, **SERVING)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with aiohttp.ClientSession() as client:
        yield Edge(runner.addresses[0][1], client, parts, metrics)
    await runner.cleanup()


async def test_a_review_is_answered_and_counted(served: Edge) -> None:
    expected = {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": {"uid": "u-1", "allowed": True},
    }
    assert await served.post() == (200, expected)
    assert await served.post("/inject") == (200, expected)
    assert (served.count("validate", "allowed"), served.count("inject", "allowed")) == (1.0, 1.0)


async def test_a_content_type_may_carry_a_charset(served: Edge) -> None:
    status, _ = await served.post(headers={"Content-Type": "application/json; charset=utf-8"})
    assert status == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/json-patch+json", ""])
async def test_another_content_type_is_refused(served: Edge, kind: str) -> None:
    status, answer = await served.post(headers={"Content-Type": kind})
    assert (status, answer) == (
        415,
        {"error": f'the Content-Type is "{kind or "application/octet-stream"}"; send application/json'},
    )


async def test_a_compressed_body_is_refused_and_never_inflated(served: Edge) -> None:
    bomb = gzip.compress(b" " * (64 << 20))
    status, answer = await served.post(data=bomb, headers={**JSON, "Content-Encoding": "gzip"})
    assert (status, answer) == (
        415,
        {"error": "a compressed body is not accepted; send it without Content-Encoding"},
    )


async def test_a_body_that_says_it_is_too_large_is_refused_before_it_is_sent(served: Edge) -> None:
    head = f"POST /validate HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: {1 << 40}\r\n\r\n"
    answer = await served.raw(head.encode())
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert answer.endswith(b'{"error":"the body is larger than 8 MiB"}')


async def test_a_body_that_turns_out_too_large_is_refused_on_the_way(served: Edge) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range((BODY_LIMIT_BYTES >> 20) + 2):
            yield b" " * (1 << 20)

    status, answer = await served.post(data=chunks())
    assert (status, answer) == (413, {"error": "the body is larger than 8 MiB"})


async def test_the_largest_review_there_may_be_is_answered(served: Edge) -> None:
    text = json.dumps(REVIEW)
    status, _ = await served.post(data=io.BytesIO(text.encode().ljust(BODY_LIMIT_BYTES)))
    assert status == 200


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("", "the body is empty; send an AdmissionReview as JSON"),
        ("{", "the body is not JSON: Expecting property name enclosed in double quotes in line 1, column 2"),
        ("[" * 200_000, "the body is nested too deeply to be an AdmissionReview"),
        ("{}", "the body is JSON but no AdmissionReview: its kind has to be AdmissionReview"),
    ],
    ids=["empty", "cut", "deep", "other"],
)
@pytest.mark.parametrize("path", ["/validate", "/inject"])
async def test_what_is_no_review_is_refused(served: Edge, path: str, data: str, message: str) -> None:
    assert await served.post(path, data=data) == (400, {"error": message})
    assert served.count(path[1:], "malformed") == 1.0


async def test_a_body_that_does_not_come_is_not_waited_for(served: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "BODY_TIMEOUT_SECONDS", 0.2)
    head = b"POST /validate HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
    answer = await served.raw(head)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert answer.endswith(b'{"error":"the body did not arrive within 0.2 s"}')


async def test_a_body_with_broken_framing_is_refused(served: Edge) -> None:
    head = b"POST /validate HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = await served.raw(head + b"nonsense\r\n")
    assert answer.startswith(b"HTTP/1.0 400 ")
    assert b"Traceback" not in answer


async def test_what_is_no_http_is_refused_without_a_trace(served: Edge) -> None:
    answer = await served.raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 nonsense\r\n\r\n")
    assert answer.startswith(b"HTTP/1.0 400 ")
    assert b"Traceback" not in answer


async def test_other_methods_and_paths_say_what_there_is(served: Edge) -> None:
    url = f"http://127.0.0.1:{served.port}"
    async with served.client.get(f"{url}/validate") as response:
        assert (response.status, response.headers["Allow"], await response.json()) == (
            405,
            "POST",
            {"error": "/validate takes a POST with an AdmissionReview, and no GET"},
        )
    async with served.client.post(f"{url}/elsewhere/") as response:
        assert (response.status, await response.json()) == (
            404,
            {"error": "there is nothing here; the webhook answers at /validate and /inject"},
        )


async def test_a_fault_of_ours_is_logged_with_an_id_and_left_to_the_failure_policy(
    served: Edge, validate: Plain, caplog: pytest.LogCaptureFixture
) -> None:
    validate.failing = True
    status, answer = await served.post()
    fault = re.findall("fault ([0-9a-f]{8}) ", answer["error"])[0]
    assert (status, answer) == (
        500,
        {"error": f"Wheelwarden failed on this Pod: look for fault {fault} in the log of its webhook"},
    )
    assert f"fault {fault} in /validate, CREATE of Pod shop/one" in caplog.text
    assert served.count("validate", "error") == 1.0


async def test_a_fault_of_ours_never_stops_a_pod(served: Edge, inject: Plain, caplog: pytest.LogCaptureFixture) -> None:
    inject.failing = True
    with caplog.at_level(logging.CRITICAL):
        status, answer = await served.post("/inject")
    assert (status, answer["response"]["allowed"], answer["response"]["uid"]) == (200, True, "u-1")
    assert "secret detail" not in json.dumps(answer)
    assert served.count("inject", "error") == 1.0


async def test_connections_stay_open_until_we_close(served: Edge) -> None:
    url = f"http://127.0.0.1:{served.port}/validate"
    async with served.client.post(url, data=json.dumps(REVIEW), headers=JSON) as response:
        assert response.headers.get("Connection") is None
    served.parts.closing = True
    async with served.client.post(url, data=json.dumps(REVIEW), headers=JSON) as response:
        assert (response.status, response.headers["Connection"]) == (200, "close")


async def test_health_readiness_and_metrics() -> None:
    metrics, missing = Metrics(), "no certificate yet"
    runner = web.AppRunner(make_health_application(metrics, lambda: missing), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    metrics.count("validate", "denied", 0.002)
    metrics.certificate_expiry.labels("leaf").set(1.0)
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"

    async def get(path: str) -> tuple[int, str]:
        async with client.get(url + path) as response:
            return response.status, await response.text()

    async with aiohttp.ClientSession() as client:
        assert await get("/healthz") == (200, "ok\n")
        assert await get("/readyz") == (503, "not ready: no certificate yet\n")
        missing = ""
        assert await get("/readyz") == (200, "ok\n")
        status, text = await get("/metrics")
    await runner.cleanup()
    assert status == 200
    assert 'wheelwarden_admission_reviews_total{endpoint="validate",outcome="denied"} 1.0' in text
    assert 'wheelwarden_admission_duration_seconds_bucket{endpoint="validate",le="0.0025"} 1.0' in text
    assert 'wheelwarden_certificate_expiry_timestamp_seconds{certificate="leaf"} 1.0' in text
    assert "wheelwarden_certificate_failures_total 0.0" in text
    assert "process_resident_memory_bytes" in text


def test_two_instances_do_not_share_their_counters() -> None:
    one, other = Metrics(), Metrics()
    one.count("inject", "injected", 0.001)
    assert isinstance(one.registry, CollectorRegistry)
    assert b'outcome="injected"' in one.render()
    assert b'outcome="injected"' not in other.render()
