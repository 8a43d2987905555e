"""The program itself: one leader, a follower that is ready to take over, and an end that is told by the exit code."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.integration.controller_world import SIX, stateful_set
from tests.integration.standin_objects import ROOT, WAIT_SECONDS, kaspr_app, make_namespace, until
from wheelwarden.kube import CLAIMS, KASPRAPPS, LEASES, NAMESPACES, STATEFUL_SETS, Cluster


class Program:
    """One running controller: its health port, and what it wrote."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process = process
        self._port = port
        self._log = log

    async def get(self, path: str) -> tuple[int, str] | None:
        """Status and text, None while it does not listen yet."""
        with contextlib.suppress(aiohttp.ClientConnectionError):
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"http://127.0.0.1:{self._port}{path}") as answer,
            ):
                return answer.status, await answer.text()
        return None

    async def leads(self) -> bool:
        answer = await self.get("/metrics")
        return answer is not None and "wheelwarden_leader 1.0" in answer[1]

    async def end(self) -> tuple[int, str]:
        """The exit code and the log, when it has ended."""
        code = await asyncio.to_thread(self.process.wait, WAIT_SECONDS)
        return code, self._log.read_text()


@contextlib.contextmanager
def running(api: Any, namespace: str, identity: str, folder: Path, **more: str) -> Iterator[Program]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "WHEELWARDEN_NAMESPACE": namespace,
        "WHEELWARDEN_WATCH_NAMESPACES": namespace,
        "WHEELWARDEN_LEASE": "controller",
        "WHEELWARDEN_POD_NAME": identity,
        "WHEELWARDEN_KUBECONFIG": str(api.kubeconfig),
        "WHEELWARDEN_HEALTH_LISTEN": f"127.0.0.1:{port}",
        **more,
    }
    log = folder / f"{identity}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "controller"],
            cwd=ROOT, env=os.environ | settings, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        yield Program(process, port, log)
    finally:
        process.kill()
        process.wait()


@pytest.fixture
async def cluster(api: Any) -> AsyncIterator[Cluster]:
    async with await Cluster.connect(kubeconfig=api.kubeconfig, field_manager="wheelwarden-test") as connected:
        yield connected


@pytest.fixture
async def namespace(cluster: Cluster) -> AsyncIterator[str]:
    name = await make_namespace(cluster, "program-")
    yield name
    for item in (await cluster.list(KASPRAPPS, name)).items:
        await cluster.delete(KASPRAPPS, item["metadata"]["name"], name)
    await cluster.delete(NAMESPACES, name)


async def test_one_leads_and_the_other_takes_over_when_it_ends(
    api: Any, cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    with running(api, namespace, "one", tmp_path) as first:
        await until(first.leads)
        with running(api, namespace, "two", tmp_path) as second:
            assert await until(lambda: second.get("/readyz")) == (200, "ok")
            assert not await second.leads()
            first.process.terminate()
            code, log = await first.end()
            assert (code, "Traceback" in log) == (0, False)
            await until(second.leads)
            lease = await cluster.get(LEASES, "controller", namespace)
            assert lease["spec"]["holderIdentity"] == "two"
            await cluster.create(STATEFUL_SETS, stateful_set(), namespace)
            await cluster.create(KASPRAPPS, kaspr_app("demo", pythonPackages=SIX), namespace)
            await until(lambda: cluster.get(CLAIMS, "demo-app-python-packages", namespace))
            second.process.terminate()
            code, log = await second.end()
            assert (code, "Traceback" in log) == (0, False)


async def test_a_leader_whose_lease_was_taken_ends_with_a_failure(
    api: Any, cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    with running(api, namespace, "one", tmp_path) as program:
        await until(program.leads)
        taken = {"spec": {"holderIdentity": "other", "renewTime": "2026-01-31T10:30:00.000000Z"}}
        await cluster.patch(LEASES, "controller", taken, namespace)
        code, log = await program.end()
    assert code == 1
    assert "no longer the leader" in log
    assert (await cluster.get(LEASES, "controller", namespace))["spec"]["holderIdentity"] == "other"


async def test_a_candidate_that_is_told_to_end_while_it_waits_ends_well(
    api: Any, cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    with running(api, namespace, "one", tmp_path) as first, running(api, namespace, "two", tmp_path) as second:
        await until(lambda: first.get("/readyz"))
        await until(lambda: second.get("/readyz"))

        async def decided() -> Program | None:
            return first if await first.leads() else second if await second.leads() else None

        leader = await until(decided)
        follower = second if leader is first else first
        follower.process.terminate()
        code, log = await follower.end()
        assert (code, log.count("Traceback")) == (0, 0)
        assert await leader.leads()
