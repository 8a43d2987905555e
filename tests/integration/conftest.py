"""A real API server for the whole session, with the stand-ins' CRDs; and the webhook installed on it by the chart."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.cluster.apiserver import ApiServer, running_api_server
from tests.integration.standin_objects import make_namespace
from tests.integration.webhook_installation import Installation, Process, installed
from wheelwarden.kube import KASPRAPPS, NAMESPACES, NOTEBOOKS, Cluster


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """The running API server; `kubeconfig`, `kubectl(…)`, `stop_server()` and `start_server()` are what tests use."""
    with running_api_server(tmp_path_factory.mktemp("api") / "state") as server:
        yield server


@pytest.fixture
async def installation(api: ApiServer, tmp_path: Path) -> AsyncIterator[Installation]:
    async with installed(api, tmp_path) as made:
        yield made


@pytest.fixture
async def process(installation: Installation, tmp_path: Path) -> AsyncIterator[Process]:
    async with installation.running(tmp_path) as running:
        yield running


@pytest.fixture
def cluster(installation: Installation) -> Cluster:
    return installation.cluster


@pytest.fixture
async def shop(cluster: Cluster) -> AsyncIterator[str]:
    name = await make_namespace(cluster, "shop-")
    yield name
    for resource in (NOTEBOOKS, KASPRAPPS):
        for item in (await cluster.list(resource, name)).items:
            await cluster.delete(resource, item["metadata"]["name"], name)
    await cluster.delete(NAMESPACES, name)
