"""What a pod looks like after injection, whole."""

import json

import pytest

from tests.unit.webhook.injection import (
    IMAGE_PATHS,
    NO_TOOLS,
    Object,
    asked_of_installer,
    container,
    inject,
    installer_of,
    kaspr_request,
    notebook_request,
    pod,
    variables,
)
from webhook.pod_patch import python_path
from wheelwarden.payload import bundle


def test_a_bare_pod_gets_volumes_tools_installer_mounts_path_and_marks() -> None:
    request = kaspr_request()
    asked = {
        "version": 1,
        "hash": request.packages_hash,
        "packages": ["requests==2.31.0"],
        "indexUrl": None,
        "extraIndexUrls": [],
        "trustedHosts": [],
        "credentials": None,
        "installer": "uv",
        "uv": "/wheelwarden-tools/uv",
        "store": "/packages-store",
        "view": "/packages",
        "ownersMarker": None,
        "retries": 3,
        "timeoutSeconds": 600,
        "onFailure": "block",
        "retentionSeconds": 604800,
        "keysInUse": None,
        "reportUsage": True,
        "messageBytes": 4096,
    }
    assert inject(pod(), request) == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "orders-app-0",
            "labels": {"kaspr.io/app": "orders"},
            "annotations": {
                "wheelwarden.dev/packages-hash": request.packages_hash,
                "wheelwarden.dev/workload": "KasprApp/orders",
            },
        },
        "spec": {
            "serviceAccountName": "default",
            "volumes": [
                {
                    "name": "wheelwarden-store",
                    "persistentVolumeClaim": {"claimName": "orders-app-python-packages"},
                },
                {"name": "wheelwarden-view", "emptyDir": {}},
                {"name": "wheelwarden-tools", "emptyDir": {}},
            ],
            "initContainers": [
                {
                    "name": "wheelwarden-tools",
                    "image": "registry.example.com/wheelwarden:1",
                    "imagePullPolicy": "IfNotPresent",
                    "command": [
                        "cp",
                        "/opt/wheelwarden/tools/uv",
                        "/opt/wheelwarden/tools/install.py",
                        "/wheelwarden-tools/",
                    ],
                    "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "128Mi"}},
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                        "readOnlyRootFilesystem": True,
                        "runAsNonRoot": True,
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                    "terminationMessagePolicy": "File",
                    "volumeMounts": [{"name": "wheelwarden-tools", "mountPath": "/wheelwarden-tools"}],
                },
                {
                    "name": "install-packages",
                    "image": "registry.example.com/kaspr:7",
                    "imagePullPolicy": "Always",
                    "command": ["python3", "-I", "/wheelwarden-tools/install.py"],
                    "env": [
                        {
                            "name": "WHEELWARDEN_POD",
                            "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}},
                        },
                        {"name": "WHEELWARDEN_REQUEST", "value": json.dumps(asked, separators=(",", ":"))},
                    ],
                    "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "1Gi"}},
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                    "terminationMessagePolicy": "File",
                    "volumeMounts": [
                        {"name": "wheelwarden-store", "mountPath": "/packages-store"},
                        {"name": "wheelwarden-view", "mountPath": "/packages"},
                        {"name": "wheelwarden-tools", "mountPath": "/wheelwarden-tools", "readOnly": True},
                    ],
                },
            ],
            "containers": [
                {
                    "name": "kaspr",
                    "image": "registry.example.com/kaspr:7",
                    "imagePullPolicy": "Always",
                    "env": [{"name": "PYTHONPATH", "value": f"/packages/site-packages:{IMAGE_PATHS}"}],
                    "volumeMounts": [
                        {"name": "wheelwarden-store", "mountPath": "/packages-store", "readOnly": True},
                        {"name": "wheelwarden-view", "mountPath": "/packages", "readOnly": True},
                    ],
                }
            ],
        },
    }


def test_what_a_pod_has_already_stays_and_stays_first() -> None:
    given = pod(
        volumes=[{"name": "data", "emptyDir": {}}],
        initContainers=[{"name": "proxy", "image": "proxy", "restartPolicy": "Always"}],
        containers=[
            container(
                env=[{"name": "MODE", "value": "fast"}],
                volumeMounts=[{"name": "data", "mountPath": "/data"}],
            ),
            {"name": "sidecar", "image": "sidecar", "env": [{"name": "PYTHONPATH", "value": "/own"}]},
        ],
        securityContext={"fsGroup": 100},
    )
    given["metadata"]["annotations"] = {"example.com/team": "orders"}
    injected = inject(given)
    spec = injected["spec"]
    assert spec["volumes"][0] == {"name": "data", "emptyDir": {}}
    assert [one["name"] for one in spec["initContainers"]] == ["proxy", "wheelwarden-tools", "install-packages"]
    assert spec["containers"] == [
        container(
            env=[
                {"name": "MODE", "value": "fast"},
                {"name": "PYTHONPATH", "value": f"/packages/site-packages:{IMAGE_PATHS}"},
            ],
            volumeMounts=[
                {"name": "data", "mountPath": "/data"},
                {"name": "wheelwarden-store", "mountPath": "/packages-store", "readOnly": True},
                {"name": "wheelwarden-view", "mountPath": "/packages", "readOnly": True},
            ],
        ),
        given["spec"]["containers"][1],
    ]
    assert spec["securityContext"] == {"fsGroup": 100}
    assert injected["metadata"]["annotations"]["example.com/team"] == "orders"


def test_the_container_named_like_the_notebook_is_the_main_one_wherever_it_stands() -> None:
    given = pod(containers=[{"name": "proxy", "image": "proxy"}, {"name": "analysis", "image": "notebook"}])
    injected = inject(given, notebook_request())
    assert injected["spec"]["containers"][0] == {"name": "proxy", "image": "proxy"}
    assert injected["spec"]["volumes"][0] == {
        "name": "wheelwarden-store",
        "persistentVolumeClaim": {"claimName": "analysis-python-packages"},
    }
    assert installer_of(injected)["image"] == "notebook"
    assert injected["metadata"]["annotations"]["wheelwarden.dev/workload"] == "Notebook/analysis"


def test_without_a_cache_each_pod_has_a_store_of_its_own() -> None:
    injected = inject(pod(), kaspr_request(cache={"enabled": False}))
    assert injected["spec"]["volumes"][0] == {"name": "wheelwarden-store", "emptyDir": {}}


def test_without_tools_the_installer_comes_inline_with_pip_and_nothing_of_ours_is_pulled() -> None:
    injected = inject(pod(), tools=NO_TOOLS)
    assert [one["name"] for one in injected["spec"]["initContainers"]] == ["install-packages"]
    assert [one["name"] for one in injected["spec"]["volumes"]] == ["wheelwarden-store", "wheelwarden-view"]
    assert installer_of(injected)["command"] == ["python3", "-I", "-c", bundle("install")]
    assert [mount["mountPath"] for mount in installer_of(injected)["volumeMounts"]] == ["/packages-store", "/packages"]
    asked = asked_of_installer(injected)
    assert (asked["installer"], asked["uv"]) == ("pip", None)


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({"value": "/opt/app:$(EXTRA)"}, "/packages/site-packages:/opt/app:$(EXTRA)"),
        # An empty entry would put the working directory on the path.
        ({"value": ""}, "/packages/site-packages"),
        ({}, "/packages/site-packages"),
        ({"valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}, f"/packages/site-packages:{IMAGE_PATHS}"),
    ],
)
def test_a_python_path_of_the_pod_stays_behind_our_packages_and_in_its_place(own: Object, expected: str) -> None:
    env = [{"name": "EXTRA", "value": "/x"}, {"name": "PYTHONPATH", **own}, {"name": "LAST", "value": "$(PYTHONPATH)"}]
    injected = inject(pod(containers=[container(env=env)]))
    assert injected["spec"]["containers"][0]["env"] == [env[0], {"name": "PYTHONPATH", "value": expected}, env[2]]
    assert variables(injected)["PYTHONPATH"] == {"name": "PYTHONPATH", **own}


def test_of_a_variable_that_is_there_twice_the_last_one_counts() -> None:
    env = [{"name": "PYTHONPATH", "value": "/one"}, {"name": "PYTHONPATH", "value": "/two"}]
    injected = inject(pod(containers=[container(env=env)]))
    assert injected["spec"]["containers"][0]["env"] == [env[0], {"name": "PYTHONPATH", "value": python_path("/two")}]
