"""`python -m tests.standins` as it is run beside a cluster: it survives a lost API server, and stops when told."""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from tests.integration.standin_objects import (
    ROOT,
    apply_crds,
    kaspr_app,
    make_namespace,
    notebook,
    running_standins,
    until,
)
from wheelwarden.kube import KASPRAPPS, NAMESPACES, NOTEBOOKS, STATEFUL_SETS, Cluster


class Door:
    """A TCP port in front of the API server that can be shut, as if the server were restarted."""

    def __init__(self, host: str, port: int) -> None:
        self._behind = (host, port)
        self._port = 0
        self._ends: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def open(self) -> int:
        self._server = await asyncio.start_server(self._enter, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]
        return self._port

    def shut(self) -> None:
        assert self._server is not None
        self._server.close()
        for end in list(self._ends):
            end.transport.abort()

    async def _enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection(*self._behind)
        ends = {writer, inner_writer}
        self._ends |= ends
        await asyncio.gather(_carry(reader, inner_writer), _carry(inner_reader, writer))
        self._ends -= ends


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):  # one side went away
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()


@pytest.fixture
async def cluster(api: Any) -> AsyncIterator[Cluster]:
    async with await Cluster.connect(kubeconfig=api.kubeconfig, field_manager="wheelwarden-test") as connected:
        await apply_crds(connected)
        yield connected


async def test_both_controllers_outlive_a_lost_api_server_and_stop_without_a_word(
    api: Any, cluster: Cluster, tmp_path: Path
) -> None:
    config = yaml.safe_load(Path(api.kubeconfig).read_text())
    behind = urlsplit(config["clusters"][0]["cluster"]["server"])
    door = Door(behind.hostname or "127.0.0.1", behind.port or 443)
    config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{await door.open()}"
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(config))
    namespace = await make_namespace(cluster, "standins-")
    with running_standins(kubeconfig):
        await cluster.create(NOTEBOOKS, notebook("before"), namespace)
        await until(lambda: cluster.get(STATEFUL_SETS, "before", namespace))
        door.shut()
        await cluster.create(NOTEBOOKS, notebook("meanwhile"), namespace)
        await cluster.create(KASPRAPPS, kaspr_app("meanwhile"), namespace)
        await door.open()
        await until(lambda: cluster.get(STATEFUL_SETS, "meanwhile", namespace))
        await until(lambda: cluster.get(STATEFUL_SETS, "meanwhile-app", namespace))
    door.shut()
    await cluster.delete(NOTEBOOKS, "before", namespace)
    await cluster.delete(NOTEBOOKS, "meanwhile", namespace)
    await cluster.delete(KASPRAPPS, "meanwhile", namespace)
    await cluster.delete(NAMESPACES, namespace)


def test_a_kubeconfig_that_is_not_there_is_named_and_is_no_stack_trace(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.standins", "--kubeconfig", str(tmp_path / "nowhere")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"no usable Kubernetes configuration in {tmp_path / 'nowhere'}" in done.stderr
    assert "Traceback" not in done.stderr
