"""Pods and requests for the tests of injection, and how to apply a patch."""

import copy
import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.cases import request_of
from webhook.install_containers import Tools
from webhook.pod_patch import plan_injection
from wheelwarden.api.request import Request

Object = dict[str, Any]

TOOLS = Tools(enabled=True, image="registry.example.com/wheelwarden:1", pull_policy="IfNotPresent")

NO_TOOLS = Tools(enabled=False)

IMAGE_PATHS = ":".join(f"/packages/image-{index}" for index in range(10))


def apply_patch(document: Object, patch: Sequence[Mapping[str, Any]]) -> Object:
    """RFC 6902, as far as the API server is asked for it here: add and replace."""
    document = copy.deepcopy(document)
    for operation in patch:
        *parents, last = (part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:])
        target: Any = document
        for part in parents:
            target = target[int(part)] if isinstance(target, list) else target[part]
        if isinstance(target, dict):
            assert operation["op"] == "add" or last in target
            target[last] = operation["value"]
        elif operation["op"] == "replace":
            target[int(last)] = operation["value"]
        elif last != "-":
            target.insert(int(last), operation["value"])
        else:
            assert last == "-"
            target.append(operation["value"])
    return document


def kaspr_request(annotations: Mapping[str, str] | None = None, **packages: Any) -> Request:
    return request_of(
        {
            "apiVersion": "kaspr.io/v1alpha1",
            "kind": "KasprApp",
            "metadata": {"name": "orders", "namespace": "shop", "annotations": dict(annotations or {})},
            "spec": {"pythonPackages": {"packages": ["requests==2.31.0"], **packages}},
        }
    )


def notebook_request() -> Request:
    return request_of(
        {
            "apiVersion": "kubeflow.org/v1",
            "kind": "Notebook",
            "metadata": {
                "name": "analysis",
                "namespace": "lab",
                "annotations": {"wheelwarden.dev/python-packages": "packages: [numpy]"},
            },
        }
    )


def pod(**spec: Any) -> Object:
    """The pod of a KasprApp, as its operator writes it and the API server completes it."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "orders-app-0", "labels": {"kaspr.io/app": "orders"}},
        "spec": {
            "containers": [{"name": "kaspr", "image": "registry.example.com/kaspr:7", "imagePullPolicy": "Always"}],
            "serviceAccountName": "default",
            **spec,
        },
    }


def container(**fields: Any) -> Object:
    return {"name": "kaspr", "image": "registry.example.com/kaspr:7", **fields}


def inject(given: Object, request: Request | None = None, tools: Tools = TOOLS) -> Object:
    injection = plan_injection(given, request or kaspr_request(), tools)
    assert injection.warning == ""
    return apply_patch(given, injection.patch)


def installer_of(injected: Object) -> Object:
    found: Object = injected["spec"]["initContainers"][-1]
    assert found["name"] == "install-packages"
    return found


def variables(injected: Object) -> dict[str, Object]:
    return {variable["name"]: variable for variable in installer_of(injected)["env"]}


def asked_of_installer(injected: Object) -> Object:
    asked: Object = json.loads(variables(injected)["WHEELWARDEN_REQUEST"]["value"])
    return asked


INSTALLER_OF_ANOTHER = {"name": "install-packages", "image": "registry.example.com/kaspr:7", "command": ["bash"]}


def operators_pod(**changes: Any) -> Object:
    """The pod of an operator that installs by itself (upstream-kaspr)."""
    mount = {"name": "orders-app-packages", "mountPath": "/opt/kaspr/packages"}
    main = container(
        env=[{"name": "BEFORE", "value": "1"}, {"name": "PYTHONPATH", "value": "/opt/kaspr/packages:${PYTHONPATH}"}],
        volumeMounts=[{"name": "orders-app-storage", "mountPath": "/var/lib/data"}, mount],
    )
    installer = {
        "name": "install-packages",
        "image": "registry.example.com/kaspr:7",
        "command": ["/bin/bash", "-c"],
        "args": ["pip install …"],
        "env": [{"name": "PACKAGES_HASH", "value": "0123456789abcdef"}],
        "volumeMounts": [mount],
    }
    claim = {"persistentVolumeClaim": {"claimName": "orders-app-python-packages"}}
    spec = {
        "containers": [main],
        "initContainers": [{"name": "first", "image": "i"}, installer, {"name": "last", "image": "i"}],
        "volumes": [{"name": "orders-app-storage", "emptyDir": {}}, {"name": "orders-app-packages", **claim}],
    }
    return pod(**{**spec, **changes})


MANAGED = {"wheelwarden.dev/install": "managed"}
