"""Which requests the chart's registration lets through to the webhook, judged by a real API server.

No webhook runs here. The registration points to a port where nobody listens and fails closed, so whatever reaches it is
refused, and what is not refused would never wait for a webhook that is down.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import pytest

from tests.chart.helm import Helm, find_helm
from tests.integration.standin_objects import CONDITION, apply_crds, kaspr_app, make_namespace, notebook, until
from wheelwarden.api.errors import KubeError
from wheelwarden.api.objects import Object
from wheelwarden.kube import KASPRAPPS, NAMESPACES, NOTEBOOKS, VALIDATING_WEBHOOKS, Cluster, Resource

NOBODY = "https://127.0.0.1:1/validate"
PACKAGES = {"metadata": {"annotations": {"wheelwarden.dev/python-packages": "packages: [six]"}}}
FINALIZER = "test.example.com/hold"

Register = Callable[..., Awaitable[None]]


@pytest.fixture
async def cluster(api: Any) -> AsyncIterator[Cluster]:
    async with await Cluster.connect(kubeconfig=api.kubeconfig, field_manager="wheelwarden-test") as connected:
        await apply_crds(connected)
        yield connected


@pytest.fixture
async def namespace(cluster: Cluster) -> AsyncIterator[str]:
    name = await make_namespace(cluster, "guarded-")
    yield name
    for resource in (NOTEBOOKS, KASPRAPPS):
        for item in (await cluster.list(resource, name)).items:
            await cluster.delete(resource, item["metadata"]["name"], name)
    await cluster.delete(NAMESPACES, name)


@pytest.fixture
async def register(cluster: Cluster, namespace: str) -> AsyncIterator[Register]:
    """Puts the chart's registration in force: from then on, what reaches the webhook is refused."""
    helm = Helm(binary=find_helm())
    registered = []

    async def held() -> bool:
        probe = notebook("probe", metadata=PACKAGES["metadata"])
        if await is_held(cluster.create(NOTEBOOKS, probe, namespace)):
            return True
        await cluster.delete(NOTEBOOKS, "probe", namespace)
        return False

    async def put_in_force(values: Mapping[str, Any] | None = None) -> None:
        configuration = helm.render(values).one("ValidatingWebhookConfiguration")
        for hook in configuration["webhooks"]:
            hook["clientConfig"] = {"url": NOBODY}
        await cluster.create(VALIDATING_WEBHOOKS, configuration)
        registered.append(configuration["metadata"]["name"])
        await until(held)

    yield put_in_force
    for name in registered:
        await cluster.delete(VALIDATING_WEBHOOKS, name)


async def is_held(request: Awaitable[Any]) -> bool:
    """Whether the webhook was asked, which nobody answered; any other refusal is an error of the test."""
    try:
        await request
    except KubeError as error:
        if 'failed calling webhook "validate.wheelwarden.dev"' not in error.message:
            raise
        return True
    return False


NEW = {
    "a Notebook without packages": (NOTEBOOKS, notebook("one"), False),
    "a Notebook with our own result only": (
        NOTEBOOKS,
        notebook("one", metadata={"annotations": {"notebooks.wheelwarden.dev/last-result": "{}"}}),
        False,
    ),
    "a Notebook with packages": (NOTEBOOKS, notebook("one", metadata=PACKAGES["metadata"]), True),
    "a Notebook with a misspelt annotation": (
        NOTEBOOKS,
        notebook("one", metadata={"annotations": {"wheelwarden.dev/packages": "six"}}),
        True,
    ),
    "a KasprApp without packages": (KASPRAPPS, kaspr_app("one"), False),
    "a KasprApp with packages": (KASPRAPPS, kaspr_app("one", pythonPackages={"packages": ["six"]}), True),
    "a KasprApp with imports to prove": (
        KASPRAPPS,
        {**kaspr_app("one"), "metadata": {"name": "one", "annotations": {"wheelwarden.dev/verify-imports": "json"}}},
        True,
    ),
}


async def test_a_new_object_reaches_the_webhook_only_if_it_asks_for_something(
    cluster: Cluster, register: Register, namespace: str
) -> None:
    await register()
    held = {}
    for case, (resource, body, _) in NEW.items():
        held[case] = await is_held(cluster.create(resource, body, namespace))
        if not held[case]:
            await cluster.delete(resource, "one", namespace)
    assert held == {case: expected for case, (_, _, expected) in NEW.items()}


@pytest.mark.parametrize("version", ["v1", "v1beta1", "v1alpha1"])
async def test_every_version_of_a_notebook_reaches_the_webhook(
    cluster: Cluster, register: Register, namespace: str, version: str
) -> None:
    await register()
    resource = Resource(group="kubeflow.org", version=version, plural="notebooks", kind="Notebook")
    body = {**notebook("one", metadata=PACKAGES["metadata"]), "apiVersion": resource.api_version}
    assert await is_held(cluster.create(resource, body, namespace))


def annotate(key: str, value: str | None) -> Object:
    return {"metadata": {"annotations": {key: value}}}


CHANGES: dict[str, tuple[Resource, Object, bool]] = {
    "a Notebook is stopped": (NOTEBOOKS, annotate("kubeflow-resource-stopped", "2026-01-31T10:30:00Z"), False),
    "a Notebook gets a label": (NOTEBOOKS, {"metadata": {"labels": {"team": "red"}}}, False),
    "a Notebook's result is kept": (NOTEBOOKS, annotate("notebooks.wheelwarden.dev/last-result", "{}"), False),
    "a Notebook's pod spec is changed": (NOTEBOOKS, {"spec": {"template": {"spec": {"nodeName": "one"}}}}, False),
    "a Notebook's packages are changed": (
        NOTEBOOKS,
        annotate("wheelwarden.dev/python-packages", "packages: [seven]"),
        True,
    ),
    "a Notebook gets a second annotation of ours": (NOTEBOOKS, annotate("wheelwarden.dev/rollout", "auto"), True),
    "a Notebook's packages are taken away": (NOTEBOOKS, annotate("wheelwarden.dev/python-packages", None), True),
    "a KasprApp is scaled": (KASPRAPPS, {"spec": {"replicas": 5}}, False),
    "a KasprApp gets another image": (KASPRAPPS, {"spec": {"image": "registry.example.com/orders:2"}}, False),
    "a KasprApp's packages are changed": (KASPRAPPS, {"spec": {"pythonPackages": {"packages": ["seven"]}}}, True),
    "a KasprApp's packages are taken away": (KASPRAPPS, {"spec": {"pythonPackages": None}}, True),
}


async def test_a_change_reaches_the_webhook_only_if_it_is_one_of_the_packages(
    cluster: Cluster, register: Register, namespace: str
) -> None:
    held = {}
    await cluster.create(NOTEBOOKS, notebook("one", metadata=PACKAGES["metadata"]), namespace)
    await cluster.create(KASPRAPPS, kaspr_app("one", pythonPackages={"packages": ["six"]}), namespace)
    await register()
    for case, (resource, patch, _) in CHANGES.items():
        held[case] = await is_held(cluster.patch(resource, "one", patch, namespace))
    assert held == {case: expected for case, (_, _, expected) in CHANGES.items()}


async def test_packages_added_to_an_object_that_had_none_reach_the_webhook(
    cluster: Cluster, register: Register, namespace: str
) -> None:
    await register()
    await cluster.create(NOTEBOOKS, notebook("one"), namespace)
    assert await is_held(cluster.patch(NOTEBOOKS, "one", PACKAGES, namespace))
    await cluster.create(KASPRAPPS, kaspr_app("one"), namespace)
    asked = {"spec": {"pythonPackages": {"packages": ["six"]}}}
    assert await is_held(cluster.patch(KASPRAPPS, "one", asked, namespace))


async def test_status_deletion_and_what_is_being_deleted_never_wait_for_the_webhook(
    cluster: Cluster, register: Register, namespace: str
) -> None:
    held_up = {**PACKAGES["metadata"], "finalizers": [FINALIZER]}
    await cluster.create(NOTEBOOKS, notebook("one", metadata=held_up), namespace)
    await register()
    status = {"conditions": [CONDITION], "containerState": {}, "readyReplicas": 0}
    await cluster.patch(NOTEBOOKS, "one", {"status": status}, namespace, subresource="status")
    await cluster.delete(NOTEBOOKS, "one", namespace)
    both = {"metadata": {"finalizers": None, "annotations": {"wheelwarden.dev/python-packages": None}}}
    await cluster.patch(NOTEBOOKS, "one", both, namespace)
    assert (await cluster.list(NOTEBOOKS, namespace)).items == []


async def test_a_namespace_left_out_is_not_judged(cluster: Cluster, register: Register) -> None:
    elsewhere = await make_namespace(cluster, "elsewhere-")
    await register({"excludeNamespaces": [elsewhere]})
    assert not await is_held(cluster.create(NOTEBOOKS, notebook("one", metadata=PACKAGES["metadata"]), elsewhere))
    await cluster.delete(NOTEBOOKS, "one", elsewhere)
    await cluster.delete(NAMESPACES, elsewhere)
