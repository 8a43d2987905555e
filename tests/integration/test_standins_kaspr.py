"""The stand-in Kaspr operator does to us what the real one was seen to do."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tests.integration.standin_objects import (
    APP_CONDITION,
    apply_crds,
    kaspr_app,
    make_namespace,
    running_standins,
    until,
)
from tests.standins import kaspr
from wheelwarden.api.errors import NotFound
from wheelwarden.api.objects import Object
from wheelwarden.kube import CLAIMS, KASPRAPPS, NAMESPACES, SERVICES, STATEFUL_SETS, Cluster

LABELS = {
    "kaspr.io/cluster": "demo",
    "kaspr.io/name": "demo-app",
    "kaspr.io/kind": "KasprApp",
    "kaspr.io/app": "demo",
}
READY = {
    "type": "Ready", "status": "True", "reason": "Healthy", "message": "The app is ready", "observedGeneration": 1,
}  # fmt: skip
PROGRESSING = {
    "type": "Progressing", "status": "False", "reason": "ReconcileComplete", "message": "0 of 0 members are ready",
    "observedGeneration": 1,
}  # fmt: skip
QUIET_SECONDS = 5  # ten times what the operator of these tests waits between two rewrites
THEN, NOW = "2026-01-31T10:00:00Z", "2026-01-31T10:30:00Z"


@pytest.fixture
async def cluster(api: Any) -> AsyncIterator[Cluster]:
    async with await Cluster.connect(kubeconfig=api.kubeconfig, field_manager="wheelwarden-test") as connected:
        await apply_crds(connected)
        yield connected


@pytest.fixture(scope="module")
def operator(api: Any) -> Iterator[None]:
    with running_standins(api.kubeconfig, "--replace-seconds=0.2", "--stale-seconds=0.5"):
        yield


@pytest.fixture
async def namespace(cluster: Cluster, operator: None) -> AsyncIterator[str]:
    name = await make_namespace(cluster, "kaspr-")
    yield name
    for item in (await cluster.list(KASPRAPPS, name)).items:
        await cluster.delete(KASPRAPPS, item["metadata"]["name"], name)
    await cluster.delete(NAMESPACES, name)


async def start(cluster: Cluster, namespace: str, **spec: Any) -> Object:
    """A KasprApp `demo` is made; its StatefulSet."""
    await cluster.create(KASPRAPPS, kaspr_app("demo", **spec), namespace)
    return await until(lambda: cluster.get(STATEFUL_SETS, "demo-app", namespace))


async def test_an_app_gets_a_parallel_statefulset_and_a_headless_service(cluster: Cluster, namespace: str) -> None:
    statefulset = await start(cluster, namespace)
    spec = statefulset["spec"]
    assert [spec["podManagementPolicy"], spec["updateStrategy"], spec["replicas"]] == [
        "Parallel",
        {"type": "RollingUpdate"},
        2,
    ]
    assert spec["template"]["metadata"]["labels"] == LABELS
    main = spec["template"]["spec"]["containers"][0]
    assert [main["name"], main["image"], main["command"]] == [
        "kaspr",
        "registry.example.com/orders:1",
        ["sleep", "infinity"],
    ]
    assert statefulset["metadata"]["managedFields"][0]["manager"] == "OpenAPI-Generator"
    service = await until(lambda: cluster.get(SERVICES, "demo-app", namespace))
    assert [service["spec"]["clusterIP"], service["spec"]["selector"]] == ["None", LABELS]


async def test_a_pod_template_is_laid_over_the_pod(cluster: Cluster, namespace: str) -> None:
    init = {"name": "install-packages", "image": "registry.example.com/orders:1"}
    over = {"name": "ignored", "command": ["python3"], "env": [{"name": "A", "value": "b"}]}
    template = {
        "metadata": {"annotations": {"a": "b"}, "labels": {"team": "red"}},
        "spec": {"initContainers": [init], "containers": [over, {**init, "name": "proxy"}]},
    }
    made = (await start(cluster, namespace, podTemplate=template))["spec"]["template"]
    assert made["metadata"] == {"annotations": {"a": "b"}, "labels": {**LABELS, "team": "red"}}
    assert [item["name"] for item in made["spec"]["initContainers"]] == ["install-packages"]
    assert [item["name"] for item in made["spec"]["containers"]] == ["kaspr", "proxy"]
    main = made["spec"]["containers"][0]
    assert [main["command"], [item["name"] for item in main["env"]]] == [
        ["python3"],
        ["KAFKA_BOOTSTRAP_SERVERS", "K8S_POD_NAME", "A"],
    ]


ADDED = {
    "an init container": {"initContainers": [{"name": "install-packages", "image": "registry.example.com/orders:1"}]},
    "a variable": {"containers": [{"name": "kaspr", "env": [{"name": "PYTHONPATH", "value": "/packages"}]}]},
    "a volume": {
        "volumes": [{"name": "store", "emptyDir": {}}],
        "containers": [{"name": "kaspr", "volumeMounts": [{"name": "store", "mountPath": "/packages"}]}],
    },
}


@pytest.mark.parametrize("added", ADDED.values(), ids=ADDED)
async def test_what_others_add_to_the_statefulset_is_taken_out(cluster: Cluster, namespace: str, added: Object) -> None:
    before = (await start(cluster, namespace))["spec"]["template"]
    patch = {"spec": {"template": {"spec": added}}}
    patched = await cluster.patch(STATEFUL_SETS, "demo-app", patch, namespace, style="strategic")
    assert patched["spec"]["template"] != before

    async def put_back() -> bool:
        return bool((await cluster.get(STATEFUL_SETS, "demo-app", namespace))["spec"]["template"] == before)

    await until(put_back)


async def test_a_changed_app_changes_scale_and_image(cluster: Cluster, namespace: str) -> None:
    await start(cluster, namespace)
    changed = {"spec": {"replicas": 3, "image": "registry.example.com/orders:2"}}
    await cluster.patch(KASPRAPPS, "demo", changed, namespace)

    async def followed() -> bool:
        spec = (await cluster.get(STATEFUL_SETS, "demo-app", namespace))["spec"]
        image = spec["template"]["spec"]["containers"][0]["image"]
        return [spec["replicas"], image] == [3, "registry.example.com/orders:2"]

    await until(followed)


async def test_conditions_are_rewritten_from_an_old_snapshot_and_other_status_keys_survive(
    cluster: Cluster, namespace: str
) -> None:
    await start(cluster, namespace, replicas=0)

    async def reported() -> Object | None:
        app = await cluster.get(KASPRAPPS, "demo", namespace)
        return app if app.get("status") else None

    mine = (await until(reported))["status"]["conditions"]
    status = {"conditions": [*mine, APP_CONDITION], "wheelwarden": {"a": "b"}, "pythonPackages": {"hash": "abc"}}
    changes: list[Object] = []
    # A write between the operator's own look and its write is lost to it for good, as with the real one: then once more.
    while len(changes) < 2:
        written = await cluster.patch(KASPRAPPS, "demo", {"status": status}, namespace, subresource="status")
        watch = cluster.watch(KASPRAPPS, namespace, resource_version=written["metadata"]["resourceVersion"])
        changes = [event.object["status"] async for event in _first(watch, 2)]
    # Dropped by the snapshot from before it was written, then brought back by the one after.
    assert [change["conditions"] for change in changes] == [mine, [*mine, APP_CONDITION]]
    assert [[change["wheelwarden"], change["pythonPackages"]] for change in changes] == [
        [{"a": "b"}, {"hash": "abc"}],
        [{"a": "b"}, {"hash": "abc"}],
    ]


async def _first(events: AsyncIterator[Any], count: int) -> AsyncIterator[Any]:
    """The first changes, or fewer where no more come."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(QUIET_SECONDS):
            async for event in events:
                if event.type != "BOOKMARK":
                    yield event
                    count -= 1
                if not count:
                    return


def demo(*, annotations: dict[str, str] | None = None, **spec: Any) -> Object:
    """A KasprApp `demo` as the API server gives it."""
    app = kaspr_app("demo", **spec)
    app["metadata"] |= {"namespace": "shop", "uid": "u-1", "generation": 1, "annotations": annotations or {}}
    return app


def test_rewritten_conditions_keep_their_times_and_take_the_others_from_the_snapshot() -> None:
    old = [{**READY, "lastTransitionTime": THEN}, {**PROGRESSING, "status": "True", "lastTransitionTime": THEN}]
    app = demo(replicas=0) | {"status": {"conditions": [*old, {**APP_CONDITION, "reason": "New"}]}}
    assert kaspr.rewrite_conditions(app, None, [*old, APP_CONDITION], now=NOW) == [
        {**PROGRESSING, "lastTransitionTime": NOW},
        {**READY, "lastTransitionTime": THEN},
        APP_CONDITION,
    ]


def installer_pod(name: str, digest: str, state: Object) -> Object:
    env = [{"name": "PACKAGES_HASH", "value": digest}]
    return {
        "metadata": {"name": name},
        "spec": {"initContainers": [{"name": "install-packages", "env": env}]},
        "status": {"initContainerStatuses": [{"name": "install-packages", "state": state}]},
    }


def test_the_last_words_of_a_failed_installer_are_the_operators_message() -> None:
    app = demo(annotations={kaspr.INSTALLS: "true"}, pythonPackages={"packages": ["six"], "cache": {"enabled": True}})
    pods = [
        installer_pod("demo-app-0", "older", {"terminated": {"exitCode": 0}}),
        installer_pod(
            "demo-app-1", kaspr.hash_packages(app), {"terminated": {"exitCode": 1, "message": "no such name"}}
        ),
    ]
    told = kaspr.rewrite_conditions(app, None, [], now=NOW, pods=pods)[-1]
    assert told == {
        "type": "PythonPackagesReady", "status": "False", "reason": "InstallationFailed", "message": "no such name",
        "lastTransitionTime": NOW, "observedGeneration": 1,
    }  # fmt: skip


def test_settings_of_the_installer_reach_it_after_the_operators_own() -> None:
    key = {"name": "deploy-key", "mountPath": "/var/run/secrets/deploy-key", "readOnly": True}
    volume = {"name": "deploy-key", "secret": {"secretName": "deploy-key"}}
    command = {"name": "GIT_SSH_COMMAND", "value": "ssh -i /var/run/secrets/deploy-key/id"}
    app = demo(
        annotations={kaspr.INSTALLS: "true"},
        pythonPackages={"packages": ["six"], "cache": {"enabled": True}},
        template={
            "pod": {"volumes": [volume]},
            "pythonPackagesInitContainer": {"env": [command], "volumeMounts": [key]},
        },
    )
    pod = kaspr.build_template(app)["spec"]
    [installer] = pod["initContainers"]
    own = {"name": "demo-app-packages", "mountPath": "/opt/kaspr/packages"}
    assert installer["env"][-1] == command
    assert installer["volumeMounts"] == [own, key]
    claim = {"name": "demo-app-packages", "persistentVolumeClaim": {"claimName": "demo-app-python-packages"}}
    assert pod["volumes"][1:] == [volume, claim]
    assert pod["containers"][0]["volumeMounts"][-1] == {**own, "readOnly": True}


@pytest.mark.parametrize("cache", [{}, {"cache": {"enabled": False, "size": "1Gi"}}], ids=["no word", "switched off"])
def test_without_a_cache_each_pod_of_the_operator_installs_for_itself(cache: Object) -> None:
    app = demo(annotations={kaspr.INSTALLS: "true"}, pythonPackages={"packages": ["six"], **cache})
    pod = kaspr.build_template(app)["spec"]
    assert pod["volumes"][-1] == {"name": "demo-app-packages", "emptyDir": {}}
    assert "PACKAGES_HASH" not in [variable["name"] for variable in pod["initContainers"][0]["env"]]
    assert kaspr.describe_packages(app, "") == {
        "cacheMode": "ephemeral", "installed": ["six"], "warnings": [kaspr.EPHEMERAL_WARNING],
    }  # fmt: skip


async def test_an_operator_under_load_makes_its_claim_long_before_its_statefulset(
    cluster: Cluster, namespace: str
) -> None:
    marks = {kaspr.INSTALLS: "true", kaspr.DELAY: "3600"}
    app = kaspr_app("demo", pythonPackages={"packages": ["six"], "cache": {"enabled": True}})
    app["metadata"]["annotations"] = marks
    await cluster.create(KASPRAPPS, app, namespace)
    await until(lambda: cluster.get(SERVICES, "demo-app", namespace))
    await cluster.get(CLAIMS, "demo-app-python-packages", namespace)
    with pytest.raises(NotFound):
        await cluster.get(STATEFUL_SETS, "demo-app", namespace)
    await cluster.patch(KASPRAPPS, "demo", {"metadata": {"annotations": {kaspr.DELAY: "0"}}}, namespace)
    await until(lambda: cluster.get(STATEFUL_SETS, "demo-app", namespace))
