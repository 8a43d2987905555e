"""Runs inside a cluster that `python -m tests.cluster run` made: a real node with the chart and the stand-ins."""

import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.e2e.workspace import Workspace, run_kubectl

VARIABLES = (
    "KUBECONFIG", "INDEX_URL", "PRIVATE_INDEX_URL", "PRIVATE_INDEX_USER", "PRIVATE_INDEX_PASSWORD", "PYTHON_IMAGE",
    "WHEELWARDEN_IMAGE",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Indexes:
    """The package indexes of the cluster."""

    open_url: str
    private_url: str
    user: str
    password: str


@pytest.fixture(scope="session", autouse=True)
def cluster_is_there() -> None:
    """Fails at once where the tests are run outside such a cluster."""
    missing = [name for name in VARIABLES if not os.environ.get(name)]
    if missing:
        pytest.fail(
            f"{', '.join(missing)} not set: run `make e2e`, which makes a cluster for these tests", pytrace=False
        )


@pytest.fixture(scope="session")
def indexes() -> Indexes:
    return Indexes(
        open_url=os.environ["INDEX_URL"],
        private_url=os.environ["PRIVATE_INDEX_URL"],
        user=os.environ["PRIVATE_INDEX_USER"],
        password=os.environ["PRIVATE_INDEX_PASSWORD"],
    )


@pytest.fixture
def make_workspace() -> Iterator[Callable[[], Workspace]]:
    yield from _make_workspaces()


@pytest.fixture(scope="module")
def make_module_workspace() -> Iterator[Callable[[], Workspace]]:
    """As `make_workspace`, for what all tests of a module share."""
    yield from _make_workspaces()


def _make_workspaces() -> Iterator[Callable[[], Workspace]]:
    made: list[Workspace] = []

    def make() -> Workspace:
        name = f"e2e-{uuid.uuid4().hex[:8]}"
        run_kubectl("create", "namespace", name)
        made.append(Workspace(namespace=name, image=os.environ["PYTHON_IMAGE"]))
        return made[-1]

    yield make
    for workspace in made:
        # The workloads first, while their controllers run; the namespace then goes by itself.
        workspace.kubectl("delete", "notebooks,kasprapps", "--all", "--wait=false")
        run_kubectl("delete", "namespace", workspace.namespace, "--wait=false")


@pytest.fixture
def workspace(make_workspace: Callable[[], Workspace]) -> Workspace:
    """A fresh namespace."""
    return make_workspace()
