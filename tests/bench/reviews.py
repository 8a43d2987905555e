"""The reviews that the admission benchmark sends, some 7 KB of JSON each.

One is of a Notebook as a Kubeflow user's browser makes it, whose packages are a text in an annotation; one is of a
KasprApp as `kubectl apply` sends it, whose packages are a part of the object. `UID` stands wherever the next review shall
differ from the one before; it is replaced by a number of the same length.
"""

import json
from typing import Any, Final

UID: Final = "00000000-uid"
SIZE_BYTES: Final = 7000
_REQUIREMENTS: Final = (
    "numpy>=1.26,<3",
    "pandas[parquet]==2.2.3",
    "requests~=2.32",
    "scikit-learn>=1.5",
    "pyarrow==17.0.0",
    "six==1.17.0",
    'tomli>=2; python_version < "3.11"',
    "sqlalchemy[asyncio]>=2,!=2.0.5,<3",
    "pydantic==2.*",
    "boto3",
)


def make_review(*, kind: str = "Notebook", new: bool) -> bytes:
    """The body.

    Args:
        kind: `Notebook` or `KasprApp`.
        new: whether each of its ten requirements differs from review to review, so that nothing parsed before helps;
            else only the review's uid does, and the KasprApp's name.
    """
    requirements = [f"team-{UID}-{number}>=1.{number},<2" for number in range(10)] if new else list(_REQUIREMENTS)
    if kind == "KasprApp":
        return _kaspr_review(requirements)
    spec = {
        "packages": requirements,
        "indexUrl": "https://pypi.example.com/simple",
        "installPolicy": {"retries": 3, "timeout": 600, "onFailure": "block"},
        "cache": {"enabled": True, "size": "2Gi"},
    }
    notebook = _notebook(json.dumps(spec))
    review = _review(notebook, "kubeflow.org", "v1", "notebooks", manager="browser")
    environment = notebook["spec"]["template"]["spec"]["containers"][0]["env"]
    return _filled(review, environment)


def _review(obj: dict[str, Any], group: str, version: str, plural: str, *, manager: str) -> dict[str, Any]:
    kind = {"group": group, "version": version, "kind": obj["kind"]}
    resource = {"group": group, "version": version, "resource": plural}
    request = {
        "uid": UID,
        "kind": kind,
        "resource": resource,
        "requestKind": kind,
        "requestResource": resource,
        "name": obj["metadata"]["name"],
        "namespace": "team-a",
        "operation": "CREATE",
        "userInfo": {"username": "alice@example.com", "groups": ["system:authenticated"]},
        "object": obj,
        "oldObject": None,
        "dryRun": False,
        "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1", "fieldManager": manager},
    }
    return {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}


def _filled(review: dict[str, Any], environment: list[dict[str, str]]) -> bytes:
    while len(_packed(review)) < SIZE_BYTES:
        number = len(environment)
        environment.append({"name": f"SETTING_{number}", "value": f"https://service-{number}.example.com/path"})
    return _packed(review)


def _kaspr_review(requirements: list[str]) -> bytes:
    environment: list[dict[str, str]] = []
    agents = [
        {
            "name": f"agent-{number}",
            "inputs": {"topic": {"name": f"orders-{number}", "keySerializer": "raw", "valueSerializer": "json"}},
            "processors": {"pipeline": ["clean"], "operations": [{"name": "clean", "map": {"python": "value"}}]},
        }
        for number in range(6)
    ]
    spec = {
        "version": "0.6.8",
        "replicas": 3,
        "image": "registry.example.com/kaspr:0.6.8",
        "bootstrapServers": "kafka.example.com:9092",
        "tls": {"trustedCertificates": [{"secretName": "kafka-ca", "certificate": "ca.crt"}]},
        "authentication": {
            "type": "scram-sha-512",
            "username": "orders",
            "passwordSecret": {"secretName": "orders", "passwordKey": "password"},
        },
        "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": "2", "memory": "4Gi"}},
        "storage": {"type": "persistent-claim", "class": "fast", "size": "10Gi", "deleteClaim": True},
        "agents": agents,
        "pythonPackages": {
            "packages": requirements,
            "indexUrl": "https://packages.example.com/simple",
            "extraIndexUrls": ["https://mirror.example.com/simple"],
            "credentials": {"secretRef": {"name": "packages", "usernameKey": "user", "passwordKey": "password"}},
            "cache": {"type": "pvc", "enabled": True, "size": "2Gi", "accessMode": "ReadWriteMany"},
            "installPolicy": {"retries": 3, "timeout": 600, "onFailure": "block"},
            "resources": {"requests": {"cpu": "200m", "memory": "512Mi"}, "limits": {"memory": "2Gi"}},
        },
        "template": {"kasprContainer": {"env": environment}, "pod": {"tolerations": [{"operator": "Exists"}]}},
    }
    app = {
        "apiVersion": "kaspr.io/v1alpha1",
        "kind": "KasprApp",
        "metadata": {
            "name": f"orders-{UID}",
            "namespace": "team-a",
            "uid": "7a0c3c40-3d4b-4f0e-9d0a-6c1a6a5e0002",
            "generation": 1,
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"app": "orders", "team": "a"},
            "annotations": {"wheelwarden.dev/rollout": "auto", "example.com/owner": "team-a"},
        },
        "spec": spec,
    }
    return _filled(_review(app, "kaspr.io", "v1alpha1", "kasprapps", manager="kubectl"), environment)


def _packed(review: dict[str, Any]) -> bytes:
    return json.dumps(review, separators=(",", ":")).encode()


def _notebook(packages: str) -> dict[str, Any]:
    container = {
        "name": "lab",
        "image": "registry.example.com/jupyter-scipy:v1.10.0",
        "imagePullPolicy": "IfNotPresent",
        "env": [],
        "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": "2", "memory": "4Gi"}},
        "volumeMounts": [{"name": "dshm", "mountPath": "/dev/shm"}, {"name": "home", "mountPath": "/home/jovyan"}],
    }
    pod = {
        "serviceAccountName": "default-editor",
        "containers": [container],
        "volumes": [
            {"name": "dshm", "emptyDir": {"medium": "Memory"}},
            {"name": "home", "persistentVolumeClaim": {"claimName": "lab-home"}},
        ],
        "tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}],
    }
    owned: dict[str, Any] = {
        f"f:{name}": {".": {}, "f:value": {}} for name in ("metadata", "annotations", "labels", "spec", "template")
    }
    return {
        "apiVersion": "kubeflow.org/v1",
        "kind": "Notebook",
        "metadata": {
            "name": "lab",
            "namespace": "team-a",
            "uid": "7a0c3c40-3d4b-4f0e-9d0a-6c1a6a5e0001",
            "generation": 1,
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"app": "lab", "access-ml-pipeline": "true"},
            "annotations": {
                "notebooks.kubeflow.org/server-type": "jupyter",
                "wheelwarden.dev/python-packages": packages,
                "wheelwarden.dev/verify-imports": "numpy, pandas, sklearn.linear_model:LinearRegression",
                "wheelwarden.dev/rollout": "manual",
            },
            "managedFields": [
                {"manager": "browser", "operation": "Update", "apiVersion": "kubeflow.org/v1", "fieldsV1": owned}
            ],
        },
        "spec": {"template": {"spec": pod}},
    }
