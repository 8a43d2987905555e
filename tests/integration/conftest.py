"""A real API server for the whole session: etcd and kube-apiserver on loopback, with the stand-ins' CRDs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import artifacts, binaries
from tests.cluster.apiserver import ApiServer

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
