"""A real API server for the whole session, with the stand-ins' CRDs; and the webhook installed on it by the chart."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.cluster import artifacts, binaries
from tests.cluster.apiserver import ApiServer
from tests.integration.standin_objects import make_namespace
from tests.integration.webhook_installation import Installation, Process, installed
from wheelwarden.kube import KASPRAPPS, NAMESPACES, NOTEBOOKS, Cluster

CRDS = artifacts.REPOSITORY / "tests" / "standins" / "crds"


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """The running API server; `kubeconfig`, `kubectl(…)`, `stop_server()` and `start_server()` are what tests use."""
    server = ApiServer(binaries.prepare_api_server(artifacts.CACHE), Path(tmp_path_factory.mktemp("api")))
    try:
        server.start()
        server.kubectl("apply", "-f", str(CRDS))
        server.kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", str(CRDS))
        yield server
    finally:
        server.stop()


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
