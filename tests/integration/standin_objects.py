"""Objects, CRDs and the waiting that the tests of the stand-ins and of the chart share."""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import yaml

from wheelwarden.api.errors import AlreadyExists, NotFound
from wheelwarden.api.objects import Object
from wheelwarden.kube import NAMESPACES, Cluster, Resource

ROOT = Path(__file__).parents[2]
CRDS = ROOT / "tests" / "standins" / "crds"
DEFINITIONS = Resource(
    group="apiextensions.k8s.io",
    version="v1",
    plural="customresourcedefinitions",
    kind="CustomResourceDefinition",
    namespaced=False,
)
SERVICE_ACCOUNTS = Resource(group="", version="v1", plural="serviceaccounts", kind="ServiceAccount")
WAIT_SECONDS = 60.0
POLL_SECONDS = 0.05

CONDITION = {
    "type": "wheelwarden.dev/ImportsVerified",
    "status": "False",
    "reason": "ImportFailed",
    "message": "ww_broken cannot be imported",
    "lastProbeTime": "2026-01-31T10:30:00Z",
    "lastTransitionTime": "2026-01-31T10:30:00Z",
}
# The same on a KasprApp: its kind wants the generation in each condition, and knows no time of a probe.
APP_CONDITION = {key: value for key, value in CONDITION.items() if key != "lastProbeTime"} | {"observedGeneration": 1}

Found = TypeVar("Found")


@contextlib.contextmanager
def running_standins(kubeconfig: Path, *options: str) -> Iterator[None]:
    """`python -m tests.standins` while the block runs; it must end well, and without a word, when told to."""
    command = [sys.executable, "-m", "tests.standins", "--kubeconfig", str(kubeconfig), *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            yield
        finally:
            process.terminate()
            output, _ = process.communicate()
    if process.returncode or output:
        raise AssertionError(f"the stand-ins ended with exit code {process.returncode} and said: {output}")


async def until(look: Callable[[], Awaitable[Found | None]]) -> Found:
    """What `look` finds, as soon as it finds something; a thing that is not there yet counts as nothing."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            try:
                found = await look()
            except NotFound:
                found = None
            if found:
                return found
            await asyncio.sleep(POLL_SECONDS)


async def apply_crds(cluster: Cluster) -> None:
    for path in sorted(CRDS.glob("*.yaml")):
        await establish(cluster, yaml.safe_load(path.read_text()))


async def establish(cluster: Cluster, definition: Object) -> None:
    """Applies a CustomResourceDefinition, and waits until it is served."""
    name = definition["metadata"]["name"]
    await cluster.patch(DEFINITIONS, name, definition, style="apply")

    async def established() -> bool:
        found = await cluster.get(DEFINITIONS, name)
        conditions = (found.get("status") or {}).get("conditions") or []
        return any(item["type"] == "Established" and item["status"] == "True" for item in conditions)

    await until(established)


async def make_namespace(cluster: Cluster, prefix: str) -> str:
    """A namespace in which pods can be made, also where no controller-manager makes the service account."""
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": prefix}}
    name: str = (await cluster.create(NAMESPACES, body))["metadata"]["name"]
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    with contextlib.suppress(AlreadyExists):
        await cluster.create(SERVICE_ACCOUNTS, account, name)
    return name


def notebook(name: str, *, metadata: Object | None = None, **pod_spec: Any) -> Object:
    return {
        "apiVersion": "kubeflow.org/v1",
        "kind": "Notebook",
        "metadata": {"name": name, **(metadata or {})},
        "spec": {
            "template": {
                "spec": {"containers": [{"name": name, "image": "registry.example.com/notebook:1"}], **pod_spec}
            }
        },
    }


def kaspr_app(name: str, **spec: Any) -> Object:
    return {
        "apiVersion": "kaspr.io/v1alpha1",
        "kind": "KasprApp",
        "metadata": {"name": name},
        "spec": {
            "bootstrapServers": "kafka.example.com:9092",
            "authentication": {"type": "plain"},
            "replicas": 2,
            "storage": {"type": "ephemeral", "class": "standard", "size": "1Gi"},
            "image": "registry.example.com/orders:1",
            **spec,
        },
    }
