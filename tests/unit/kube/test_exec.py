"""Commands over a websocket: what came is not lost, however the connection ends."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web

from wheelwarden.api.errors import ExecCut, ExecTimeout, Unreachable
from wheelwarden.kube.exec import PROTOCOL, ExecResult, end_connection, run_in_container

Play = Callable[[web.WebSocketResponse, asyncio.Event], Awaitable[None]]
NONZERO = {"status": "Failure", "details": {"causes": [{"reason": "ExitCode", "message": "3"}]}}


async def run(play: Play, *, timeout: float = 60, limit: int = 100) -> ExecResult:
    """The result of a command that an API server plays, which hears when it is done with."""
    over = asyncio.Event()

    async def serve(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=(PROTOCOL,))
        await socket.prepare(request)
        await play(socket, over)
        return socket

    app = web.Application()
    app.router.add_get("/pods/lab/exec", serve)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/pods/lab"
    try:
        async with aiohttp.ClientSession() as session:
            return await run_in_container(
                session, url, {}, "main", ["true"], timeout_seconds=timeout, output_limit_bytes=limit
            )
    finally:
        over.set()
        await runner.cleanup()


async def test_streams_and_exit_code_are_kept_apart_up_to_the_limit() -> None:
    async def play(socket: web.WebSocketResponse, over: asyncio.Event) -> None:
        for frame in (
            b"\x01",
            b"\x01" + b"o" * 70,
            b"\x02err",
            b"\x01" + b"p" * 70,
            b"\x03" + json.dumps(NONZERO).encode(),
        ):
            await socket.send_bytes(frame)

    assert await run(play) == ExecResult(stdout="o" * 70 + "p" * 30, stderr="err", exit_code=3, truncated=True)


async def test_a_connection_that_is_cut_tells_what_came() -> None:
    async def close(socket: web.WebSocketResponse, over: asyncio.Event) -> None:
        await socket.send_bytes(b"\x01half")

    async def break_off(socket: web.WebSocketResponse, over: asyncio.Event) -> None:
        await socket.send_bytes(b"\x01half")
        assert socket._req is not None
        transport = socket._req.transport
        assert transport is not None
        transport.abort()

    for play in (close, break_off):
        with pytest.raises(ExecCut, match="in container main of pod lab: ") as raised:
            await run(play)
        assert raised.value.stdout == "half"


async def test_a_command_that_takes_too_long_tells_what_came() -> None:
    async def play(socket: web.WebSocketResponse, over: asyncio.Event) -> None:
        await socket.send_bytes(b"\x01half")
        await over.wait()  # and does not answer a goodbye either

    with pytest.raises(ExecTimeout, match=r"gave no answer within 0\.2 s") as raised:
        await run(play, timeout=0.2)
    assert raised.value.stdout == "half"


async def test_a_server_that_is_not_there_is_unreachable() -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(Unreachable) as raised:
            await run_in_container(
                session, "http://127.0.0.1:1/pods/lab", {}, "main", ["true"], timeout_seconds=9, output_limit_bytes=9
            )
    assert not isinstance(raised.value, ExecCut)


class Closed(asyncio.WriteTransport):
    """A TLS transport that was closed twice, as Python 3.11.2 has it."""

    _ssl_protocol = None

    def abort(self) -> None:
        self._ssl_protocol._abort()  # type: ignore[attr-defined]


class Open(asyncio.WriteTransport):
    aborted = False

    def abort(self) -> None:
        self.aborted = True


def test_an_open_connection_is_aborted() -> None:
    transport = Open()
    end_connection(transport)
    assert transport.aborted


def test_one_that_is_closed_already_or_never_was_is_no_error() -> None:
    end_connection(Closed())
    end_connection(None)
