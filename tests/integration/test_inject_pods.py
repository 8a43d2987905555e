"""Pods on a real API server: what injection makes of them, and that no pod is ever stopped by it."""

import json
from typing import Any

from tests.integration.standin_objects import notebook, until
from tests.integration.webhook_installation import Installation, Process, kaspr_app_of
from wheelwarden.api.errors import Forbidden
from wheelwarden.api.objects import Object
from wheelwarden.kube import KASPRAPPS, LIMIT_RANGES, NAMESPACES, NOTEBOOKS, PODS, Cluster, Resource

SPEC: Object = {"containers": [{"name": "kaspr", "image": "registry.example.com/orders:1"}]}
RESTRICTED: Object = {
    "containers": [
        {
            "name": "kaspr",
            "image": "registry.example.com/orders:1",
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        }
    ],
    "securityContext": {"runAsNonRoot": True, "runAsUser": 1001, "seccompProfile": {"type": "RuntimeDefault"}},
}


def pod(spec: Object, *, labels: dict[str, str] | None = None, name: str = "orders-app-0") -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"kaspr.io/app": "orders"} if labels is None else labels},
        "spec": {"automountServiceAccountToken": False, **spec},
    }


def shape_of(made: Object) -> dict[str, Any]:
    spec = made["spec"]
    return {
        "annotations": sorted(made["metadata"].get("annotations", {})),
        "volumes": [volume["name"] for volume in spec.get("volumes", [])],
        "initContainers": [container["name"] for container in spec.get("initContainers", [])],
    }


INJECTED = {
    "annotations": ["wheelwarden.dev/packages-hash", "wheelwarden.dev/workload"],
    "volumes": ["wheelwarden-store", "wheelwarden-view", "wheelwarden-tools"],
    "initContainers": ["wheelwarden-tools", "install-packages"],
}
UNTOUCHED: Object = {"annotations": [], "volumes": [], "initContainers": []}


async def test_a_pod_of_an_app_with_packages_is_injected(process: Process, cluster: Cluster, shop: str) -> None:
    await cluster.create(KASPRAPPS, kaspr_app_of("orders", ["six==1.16.0"]), shop)
    made = await cluster.create(PODS, pod(SPEC), shop)
    assert shape_of(made) == INJECTED
    tools, installer = made["spec"]["initContainers"]
    assert tools["image"] == "registry.example.com/wheelwarden-tools:1"
    assert installer["image"] == "registry.example.com/orders:1"
    variables = {variable["name"]: variable for variable in installer["env"]}
    assert json.loads(variables["WHEELWARDEN_REQUEST"]["value"])["packages"] == ["six==1.16.0"]
    [main] = made["spec"]["containers"]
    assert main["env"][0]["value"].startswith("/packages/site-packages:/packages/image-0:")
    assert main["volumeMounts"] == [
        {"name": "wheelwarden-store", "mountPath": "/packages-store", "readOnly": True},
        {"name": "wheelwarden-view", "mountPath": "/packages", "readOnly": True},
    ]


async def test_a_pod_of_a_notebook_is_injected_in_its_own_container(
    process: Process, cluster: Cluster, shop: str
) -> None:
    annotations = {"wheelwarden.dev/python-packages": "packages: [six]"}
    await cluster.create(NOTEBOOKS, notebook("analysis", metadata={"annotations": annotations}), shop)
    spec = {"containers": [{"name": "proxy", "image": "proxy"}, {"name": "analysis", "image": "notebook"}]}
    made = await cluster.create(PODS, pod(spec, labels={"notebook-name": "analysis"}), shop)
    assert shape_of(made) == INJECTED
    assert [len(container.get("volumeMounts", [])) for container in made["spec"]["containers"]] == [0, 2]


async def test_an_injected_pod_meets_the_restricted_level_where_its_own_spec_does(
    process: Process, cluster: Cluster, shop: str
) -> None:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    await cluster.patch(NAMESPACES, shop, {"metadata": {"labels": labels}})
    await cluster.create(KASPRAPPS, kaspr_app_of("orders", ["six==1.16.0"]), shop)
    assert shape_of(await cluster.create(PODS, pod(RESTRICTED), shop)) == INJECTED


async def test_pods_that_ask_for_nothing_stay_as_they_are(process: Process, cluster: Cluster, shop: str) -> None:
    await cluster.create(NOTEBOOKS, notebook("plain"), shop)
    for number, labels in enumerate([{}, {"kaspr.io/app": "nobody"}, {"notebook-name": "plain"}]):
        made = await cluster.create(PODS, pod(SPEC, labels=labels, name=f"pod-{number}"), shop)
        assert shape_of(made) == UNTOUCHED


async def test_a_pod_that_leaves_no_room_is_admitted_and_its_maker_warned(
    installation: Installation, process: Process, cluster: Cluster, shop: str
) -> None:
    await cluster.create(KASPRAPPS, kaspr_app_of("orders", ["six==1.16.0"]), shop)
    crowded = pod({**SPEC, "volumes": [{"name": "wheelwarden-view", "emptyDir": {}}]})
    output = await installation.try_to_create(crowded, shop)
    assert output.startswith("Warning: KasprApp orders: its Python packages are not installed into this pod")
    assert output.endswith("pod/orders-app-0 created\n")


async def test_a_dry_run_shows_the_injection_and_leaves_nothing(
    installation: Installation, process: Process, cluster: Cluster, shop: str
) -> None:
    await cluster.create(KASPRAPPS, kaspr_app_of("orders", ["six==1.16.0"]), shop)
    output = await installation.try_to_create(pod(SPEC), shop, dry_run=True)
    assert output == "pod/orders-app-0 created (server dry run)\n"
    assert (await cluster.list(PODS, shop)).items == []


async def test_no_pod_waits_for_a_webhook_that_is_down(installation: Installation, cluster: Cluster, shop: str) -> None:
    assert shape_of(await cluster.create(PODS, pod(SPEC), shop)) == UNTOUCHED


LIMITS: Object = {
    "type": "Container",
    "min": {"cpu": "20m", "memory": "32Mi"},
    "max": {"cpu": "2", "memory": "512Mi"},
    "maxLimitRequestRatio": {"memory": "2"},
}
QUOTA = Resource(group="", version="v1", plural="resourcequotas", kind="ResourceQuota")


async def test_quotas_and_limits_that_admit_a_pod_admit_it_with_our_containers_too(
    process: Process, cluster: Cluster, shop: str
) -> None:
    await cluster.create(KASPRAPPS, kaspr_app_of("orders", ["six==1.16.0"]), shop)
    hard = {"limits.cpu": "4", "limits.memory": "4Gi", "requests.cpu": "4", "requests.ephemeral-storage": "4Gi"}
    await cluster.create(QUOTA, {"metadata": {"name": "quota"}, "spec": {"hard": hard}}, shop)
    await cluster.create(LIMIT_RANGES, {"metadata": {"name": "limits"}, "spec": {"limits": [LIMITS]}}, shop)
    amounts = {"cpu": "500m", "memory": "512Mi", "ephemeral-storage": "1Gi"}
    spec = {"containers": [{**SPEC["containers"][0], "resources": {"requests": amounts, "limits": amounts}}]}

    # In force when its controller, which is not here, has written its status, and the API server has seen that.
    status = {"hard": hard, "used": dict.fromkeys(hard, "0")}
    await cluster.patch(QUOTA, "quota", {"status": status}, shop, subresource="status")
    made: list[Object] = []

    async def is_made() -> bool:
        try:
            made.append(await cluster.create(PODS, pod(spec), shop))
        except Forbidden as error:
            if "status unknown for quota" not in error.message:
                raise
        return bool(made)

    await until(is_made)
    assert shape_of(made[0]) == INJECTED
    assert made[0]["status"]["qosClass"] == "Guaranteed"


async def test_a_takeover_keeps_what_the_operators_installer_was_given(
    process: Process, cluster: Cluster, shop: str
) -> None:
    app = kaspr_app_of("orders", ["six==1.16.0"])
    app["metadata"].setdefault("annotations", {})["wheelwarden.dev/install"] = "managed"
    await cluster.create(KASPRAPPS, app, shop)
    packages = {"name": "orders-app-packages", "mountPath": "/opt/kaspr/packages"}
    key = {"name": "deploy-key", "mountPath": "/var/run/secrets/git", "readOnly": True}
    token = {"name": "GIT_TOKEN", "valueFrom": {"secretKeyRef": {"name": "git", "key": "token"}}}
    ssh = {"name": "GIT_SSH_COMMAND", "value": "ssh -i /var/run/secrets/git/id_ed25519"}
    amounts = {"limits": {"memory": "2Gi"}, "requests": {"memory": "1Gi"}}
    installer = {
        "name": "install-packages",
        "image": "registry.example.com/orders:1",
        "command": ["/bin/bash", "-c"],
        "args": ["true"],
        "env": [
            {"name": "PACKAGES_HASH", "value": "0123456789abcdef"},
            {"name": "INDEX_URL", "value": "x"},
            ssh,
            token,
        ],
        "envFrom": [{"secretRef": {"name": "pip"}}],
        "volumeMounts": [packages, key],
        "resources": amounts,
        "securityContext": {"runAsUser": 1500},
    }
    spec = {
        "containers": [{**SPEC["containers"][0], "volumeMounts": [packages]}],
        "initContainers": [installer],
        "volumes": [
            {"name": "orders-app-packages", "emptyDir": {}},
            {"name": "deploy-key", "secret": {"secretName": "git"}},
        ],
    }
    made = await cluster.create(PODS, pod(spec), shop)
    tools, ours = made["spec"]["initContainers"]
    assert (tools["name"], ours["command"]) == ("wheelwarden-tools", ["python3", "-I", "/wheelwarden-tools/install.py"])
    assert [one for one in ours["env"] if not one["name"].startswith("WHEELWARDEN_")] == [
        {"name": "PACKAGES_HASH", "value": "0123456789abcdef"},
        ssh,
        token,
    ]
    assert ours["envFrom"] == installer["envFrom"]
    assert ours["resources"] == amounts
    assert ours["securityContext"]["runAsUser"] == 1500
    assert ours["volumeMounts"] == [
        {"name": "orders-app-packages", "mountPath": "/packages-store"},
        {"name": "wheelwarden-view", "mountPath": "/packages"},
        {"name": "wheelwarden-tools", "mountPath": "/wheelwarden-tools", "readOnly": True},
        key,
    ]
