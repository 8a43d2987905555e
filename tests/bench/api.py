"""The API server that some benches run against."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.cluster import artifacts, binaries
from tests.cluster.apiserver import ApiServer

CRDS: Final = artifacts.REPOSITORY / "tests" / "standins" / "crds"


@contextmanager
def running_api_server(folder: Path) -> Iterator[ApiServer]:
    """A real one, with both kinds, for as long as the block runs; `folder` is made."""
    folder.mkdir()
    server = ApiServer(binaries.prepare_api_server(artifacts.CACHE), folder)
    try:
        server.start()
        server.kubectl("apply", "-f", str(CRDS))
        server.kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", str(CRDS))
        yield server
    finally:
        server.stop()
