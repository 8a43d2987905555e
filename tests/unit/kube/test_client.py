"""What the client makes of answers that a real API server gives seldom: scripted here, over real HTTP."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web

from wheelwarden.api.errors import Gone, KubeError, Unreachable
from wheelwarden.kube import PODS, Cluster

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Handler], Awaitable[Cluster]]


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Serve]:
    """Starts an API server that answers everything by one handler, and gives a client of it."""
    runners: list[web.AppRunner] = []
    clusters: list[Cluster] = []

    async def start(handler: Handler) -> Cluster:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handler)
        runner = web.AppRunner(app)
        await runner.setup()
        runners.append(runner)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
        }
        path = tmp_path / "kubeconfig"
        path.write_text(json.dumps(config))
        cluster = await Cluster.connect(kubeconfig=path, field_manager="wheelwarden-test")
        clusters.append(cluster)
        return cluster

    yield start
    for cluster in clusters:
        await cluster.close()
    for runner in runners:
        await runner.cleanup()


async def read(cluster: Cluster) -> list[str]:
    return [event.type async for event in cluster.watch(PODS, resource_version="5")]


async def test_an_expired_version_inside_a_watch_is_gone(serve: Serve) -> None:
    async def expired(_: web.Request) -> web.Response:
        status = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version: 5 (9)"}
        return web.Response(text=json.dumps({"type": "ERROR", "object": status}) + "\n")

    with pytest.raises(Gone, match=r"too old resource version: 5 \(9\)"):
        await read(await serve(expired))


async def test_an_expired_version_at_the_start_of_a_watch_is_gone(serve: Serve) -> None:
    async def expired(_: web.Request) -> web.Response:
        return web.json_response({"code": 410, "reason": "Expired", "message": "too old"}, status=410)

    with pytest.raises(Gone):
        await read(await serve(expired))


async def test_a_watch_that_the_server_ends_just_ends(serve: Serve) -> None:
    async def one_event(_: web.Request) -> web.Response:
        return web.Response(text=json.dumps({"type": "BOOKMARK", "object": {"metadata": {}}}) + "\n")

    assert await read(await serve(one_event)) == ["BOOKMARK"]


async def test_a_watch_cut_within_a_line_is_unreachable(serve: Serve) -> None:
    async def cut(_: web.Request) -> web.Response:
        return web.Response(text='{"type": "ADDED", "obj')

    with pytest.raises(Unreachable):
        await read(await serve(cut))


async def test_a_proxys_page_instead_of_a_status_is_an_error_without_the_page(serve: Serve) -> None:
    async def page(_: web.Request) -> web.Response:
        return web.Response(text="<html>password=hunter2</html>", status=502, content_type="text/html")

    with pytest.raises(KubeError) as raised:
        await (await serve(page)).get(PODS, "x", "y")
    assert (raised.value.status, raised.value.message) == (502, "the API server answered 502")


@pytest.mark.parametrize(("misses", "log"), [(0, "last words\n"), (2, "last words\n"), (9, "")])
async def test_kubelets_word_that_a_log_is_gone_is_not_the_log(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, misses: int, log: str
) -> None:
    monkeypatch.setattr("wheelwarden.kube.client.LOG_PAUSES_SECONDS", (0, 0, 0))
    answers = iter(["unable to retrieve container logs for containerd://dacf44"] * misses + ["last words\n"])

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=next(answers))

    assert await (await serve(answer)).logs("lab-0", "team", "lab") == log


async def test_a_log_that_is_cut_is_unreachable_and_none_is_read_without_end(serve: Serve) -> None:
    queries: list[dict[str, str]] = []

    async def cut(request: web.Request) -> web.StreamResponse:
        queries.append(dict(request.query))
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"half a li")
        assert request.transport is not None
        request.transport.abort()
        return response

    with pytest.raises(Unreachable, match="the log was cut: ClientPayloadError"):
        await (await serve(cut)).logs("lab-0", "team", "lab", tail_lines=7)
    assert queries == [{"container": "lab", "tailLines": "7", "limitBytes": "1048576"}]
