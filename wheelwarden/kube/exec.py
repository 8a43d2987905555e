"""Commands in a running container, over the websocket of the exec subresource.

The library's own exec drops the exit code once it preloads the output, so the channels are read here: 1 is stdout, 2
stderr, 3 the final Status object (protocol `v4.channel.k8s.io`, k8s.io/apimachinery/pkg/util/remotecommand).
"""

import asyncio
import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

import aiohttp

from wheelwarden.api.errors import ExecCut, ExecTimeout, Forbidden, KubeError, NotFound, Unreachable

STDOUT: Final = 1
STDERR: Final = 2
STATUS: Final = 3
PROTOCOL: Final = "v4.channel.k8s.io"
HEARTBEAT_SECONDS: Final = 10.0
GOODBYE: Final = aiohttp.ClientWSTimeout(ws_close=0.5)  # seconds that a peer has to answer our goodbye


@dataclass(frozen=True, kw_only=True, slots=True)
class ExecResult:
    """What a command in a container gave; `truncated` where an output passed the limit and its rest was dropped."""

    stdout: str
    stderr: str
    exit_code: int
    truncated: bool = False


async def run_in_container(
    session: aiohttp.ClientSession,
    pod_url: str,
    headers: Mapping[str, str],
    container: str,
    argv: Sequence[str],
    *,
    timeout_seconds: float,
    output_limit_bytes: int,
) -> ExecResult:
    """Runs `argv` (no shell) in a container of the pod at `pod_url` and waits for its end.

    Its standard input gets nothing, and ends when the connection does: that is all a command hears of our going away.

    Raises:
        ExecTimeout: no exit status within `timeout_seconds`. The remote process may live on: it has the end of its
            standard input to go by, and should have a deadline of its own.
        ExecCut: the connection was cut before the exit status came.
        NotFound: the pod or container is not there. Forbidden: our account may not exec.
        Unreachable: the connection could not be made.
    """
    query = [("command", word) for word in argv]
    query += [("container", container), ("stdout", "true"), ("stderr", "true"), ("stdin", "true"), ("tty", "false")]
    url = pod_url.replace("http", "ws", 1) + "/exec?" + urlencode(query)
    outputs = _Outputs(output_limit_bytes)
    transport: asyncio.BaseTransport | None = None
    what = f"exec in container {container} of pod {pod_url.rpartition('/')[2]}"
    try:
        async with (
            asyncio.timeout(timeout_seconds),
            session.ws_connect(
                url,
                headers=headers,
                protocols=(PROTOCOL,),
                heartbeat=HEARTBEAT_SECONDS,
                max_msg_size=0,
                timeout=GOODBYE,
            ) as socket,
        ):
            connection = socket._response.connection  # aiohttp has no public way to it
            transport = connection.transport if connection is not None else None
            status = await outputs.read(socket)
    except TimeoutError as error:
        message = f"{what} gave no answer within {timeout_seconds:g} s"
        raise ExecTimeout(0, "ExecTimeout", message, stdout=outputs.text(STDOUT)) from error
    except aiohttp.WSServerHandshakeError as error:
        raise _handshake_error(error, what) from error
    except (aiohttp.ClientError, OSError) as error:
        message = f"{what}: {type(error).__name__}: {error}"[:500]
        if transport is None:
            raise Unreachable(0, "Unreachable", message) from error
        raise ExecCut(0, "ExecCut", message, stdout=outputs.text(STDOUT)) from error
    finally:
        end_connection(transport)
    if status is None:
        message = f"{what}: the connection ended before the exit status came"
        raise ExecCut(0, "ExecCut", message, stdout=outputs.text(STDOUT))
    return ExecResult(
        stdout=outputs.text(STDOUT),
        stderr=outputs.text(STDERR),
        exit_code=_exit_code(status, what),
        truncated=outputs.truncated,
    )


class _Outputs:
    """The two outputs of a command, each up to the limit."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._kept = {STDOUT: bytearray(), STDERR: bytearray()}
        self.truncated = False

    async def read(self, socket: aiohttp.ClientWebSocketResponse) -> bytes | None:
        """Reads up to the final Status, and returns it; None where the connection ended before."""
        async for message in socket:
            if message.type is not aiohttp.WSMsgType.BINARY or len(message.data) < 2:
                continue
            channel, data = message.data[0], message.data[1:]
            if channel == STATUS:
                return bytes(data)
            if channel in self._kept:
                room = self._limit - len(self._kept[channel])
                self._kept[channel] += data[:room]
                self.truncated = self.truncated or len(data) > room
        return None

    def text(self, channel: int) -> str:
        """What was kept of an output."""
        return self._kept[channel].decode(errors="replace")


def end_connection(transport: asyncio.BaseTransport | None) -> None:
    """Ends a connection whose websocket has said goodbye: a TLS goodbye on top of it could outlive our event loop."""
    if isinstance(transport, asyncio.WriteTransport):
        # One that was closed twice has forgotten its protocol, and Python 3.11.2 asks it all the same.
        with contextlib.suppress(AttributeError):
            transport.abort()


def _exit_code(data: bytes, what: str) -> int:
    status = json.loads(data)
    if status.get("status") == "Success":
        return 0
    causes = (status.get("details") or {}).get("causes") or []
    for cause in causes:
        if cause.get("reason") == "ExitCode":
            return int(cause["message"])
    raise KubeError(int(status.get("code") or 500), "ExecFailed", f"{what}: {status.get('message', 'no reason given')}")


def _handshake_error(error: aiohttp.WSServerHandshakeError, what: str) -> KubeError:
    # The API server's reason stands in the body, which the websocket client does not keep: the status has to do.
    if error.status in (401, 403):
        return Forbidden(error.status, "Forbidden", f"{what}: our account may not create pods/exec there")
    if error.status == 404:
        return NotFound(404, "NotFound", f"{what}: no such pod or container")
    return Unreachable(error.status, "ExecRefused", f"{what}: the API server answered {error.status}")
