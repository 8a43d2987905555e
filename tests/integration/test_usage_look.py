"""How full a volume is, looked at again every ten minutes: on a real API server, with a clock that is put forward."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.integration.controller_world import SIX, Controller, pod, report_by_kubelet, result
from tests.integration.standin_objects import kaspr_app, make_namespace, until
from wheelwarden.api import names
from wheelwarden.api.objects import Object
from wheelwarden.kube import KASPRAPPS, NAMESPACES, PODS, Cluster
from wheelwarden.verify.results import Usage

TEN_MINUTES = 600
FULL = {"totalBytes": 1000, "usedBytes": 900, "availableBytes": 100, "usagePercent": 90.0}


@pytest.fixture
async def cluster(api: Any) -> AsyncIterator[Cluster]:
    async with await Cluster.connect(kubeconfig=api.kubeconfig, field_manager="wheelwarden-test") as connected:
        yield connected


@pytest.fixture
async def namespace(cluster: Cluster) -> AsyncIterator[str]:
    name = await make_namespace(cluster, "usage-")
    yield name
    await cluster.delete(KASPRAPPS, "demo", name)
    await cluster.delete(PODS, "demo-app-0", name)
    await cluster.delete(NAMESPACES, name)


async def test_a_volume_that_fills_while_nothing_else_happens_is_seen_within_ten_minutes(
    cluster: Cluster, namespace: str
) -> None:
    body = pod("demo-app-0", {names.KASPR_APP_LABEL: "demo"}, claim="demo-app-python-packages")

    async def usage() -> Object:
        app = await cluster.get(KASPRAPPS, "demo", namespace)
        found: Object = ((app.get("status") or {}).get("wheelwarden") or {}).get("cacheUsage") or {}
        return found

    async def full() -> bool:
        return await usage() == FULL

    controller = Controller(cluster, namespace)
    async with controller.running():
        await cluster.create(PODS, body, namespace)
        await report_by_kubelet(cluster, namespace, "demo-app-0", installer=result())
        await cluster.create(KASPRAPPS, kaspr_app("demo", replicas=1, pythonPackages=SIX), namespace)
        assert (await until(usage))["usedBytes"] == 250
        controller.clock.ahead += TEN_MINUTES / 2
        await controller.rounds(4)
        assert controller.prober.looked == []
        controller.clock.ahead += TEN_MINUTES / 2

        async def looked() -> list[str]:
            return controller.prober.looked

        assert await until(looked) == ["demo-app-0"]
        controller.prober.seen = Usage(total_bytes=1000, used_bytes=900, available_bytes=100)
        await until(full)
        await controller.rounds(4)
        assert controller.prober.looked == ["demo-app-0"]
    warnings = (await cluster.get(KASPRAPPS, "demo", namespace))["status"]["wheelwarden"]["warnings"]
    assert [warning for warning in warnings if warning.startswith("Package cache 90.0% full")] != []
