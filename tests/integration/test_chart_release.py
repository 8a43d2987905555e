"""The chart on a real API server: what an upgrade leaves alone, and what an uninstall leaves behind."""

import base64
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import yaml

from tests.chart.helm import CHART, Helm, find_helm
from tests.integration.standin_objects import make_namespace
from wheelwarden.api.errors import NotFound
from wheelwarden.api.objects import Object
from wheelwarden.kube import LEASES, MUTATING_WEBHOOKS, NAMESPACES, SECRETS, VALIDATING_WEBHOOKS, Cluster, Resource

RELEASE = "guard"
NAME = "guard-wheelwarden"
SECRET = "guard-wheelwarden-certificate"
LEASE = "guard-wheelwarden-controller"


@pytest.fixture
async def cluster(api: Any) -> AsyncIterator[Cluster]:
    async with await Cluster.connect(kubeconfig=api.kubeconfig, field_manager="wheelwarden-test") as connected:
        yield connected


@pytest.fixture
def helm(api: Any) -> Helm:
    return Helm(binary=find_helm(), kubeconfig=api.kubeconfig)


@pytest.fixture
async def home(cluster: Cluster) -> AsyncIterator[str]:
    """Where the chart is installed."""
    name = await make_namespace(cluster, "guarding-")
    yield name
    await cluster.delete(NAMESPACES, name)


@pytest.fixture
def release(helm: Helm, home: str) -> Iterator[None]:
    helm.run("install", RELEASE, str(CHART), "--namespace", home, values={})
    yield
    helm.run("uninstall", RELEASE, "--namespace", home, "--ignore-not-found", "--no-hooks")


async def test_an_upgrade_keeps_certificate_authority_and_leader(
    cluster: Cluster, helm: Helm, home: str, release: None
) -> None:
    bundle = base64.b64encode(b"-----BEGIN CERTIFICATE-----\n").decode()
    for resource, hooks in ((VALIDATING_WEBHOOKS, 1), (MUTATING_WEBHOOKS, 2)):
        paths = [f"/webhooks/{number}/clientConfig/caBundle" for number in range(hooks)]
        fill = [{"op": "add", "path": path, "value": bundle} for path in paths]
        await cluster.patch(resource, NAME, fill, style="json")
    await cluster.patch(SECRETS, SECRET, {"data": {"ca.crt": bundle}}, home)
    await cluster.patch(LEASES, LEASE, {"spec": {"holderIdentity": "guard-0"}}, home)
    helm.run("upgrade", RELEASE, str(CHART), "--namespace", home, values={"webhook": {"timeoutSeconds": 7}})
    [judging] = (await cluster.get(VALIDATING_WEBHOOKS, NAME))["webhooks"]
    injecting = (await cluster.get(MUTATING_WEBHOOKS, NAME))["webhooks"]
    assert judging["timeoutSeconds"] == 7
    assert [hook["clientConfig"].get("caBundle") for hook in (judging, *injecting)] == 3 * [bundle]
    assert (await cluster.get(SECRETS, SECRET, home))["data"] == {"ca.crt": bundle}
    assert (await cluster.get(LEASES, LEASE, home))["spec"] == {"holderIdentity": "guard-0"}


async def test_an_uninstall_leaves_nothing(cluster: Cluster, helm: Helm, home: str, release: None) -> None:
    manifest = helm.run("get", "manifest", RELEASE, "--namespace", home)
    objects = [item for item in yaml.safe_load_all(manifest) if item]
    helm.run("uninstall", RELEASE, "--namespace", home, "--no-hooks")  # nobody runs Jobs here; see test_uninstall.py
    left = [item["kind"] for item in objects if await is_there(cluster, item)]
    assert [len(objects), left] == [13, []]


async def is_there(cluster: Cluster, item: Object) -> bool:
    group, _, version = item["apiVersion"].rpartition("/")
    namespace = item["metadata"].get("namespace")
    resource = Resource(
        group=group,
        version=version,
        plural=f"{item['kind'].lower()}s",
        kind=item["kind"],
        namespaced=namespace is not None,
    )
    try:
        await cluster.get(resource, item["metadata"]["name"], namespace)
    except NotFound:
        return False
    return True
