"""A package index inside the cluster, from ConfigMaps: a few small wheels behind Python's own file server."""

import base64
from pathlib import Path
from typing import Any

from tests.cluster import artifacts, packages

WHEELS = ("six-1.17.0", "ww_twoface-", "ww_broken-1.0", "ww_broken-1.1")

Object = dict[str, Any]


def index_objects(image: str) -> list[Object]:
    """The objects of the index: one ConfigMap for each wheel, a Deployment and the Service `index`, port 8080."""
    wheels = [path for path in sorted(packages.prepare(artifacts.CACHE).glob("*.whl")) if path.name.startswith(WHEELS)]
    if len(wheels) != len(WHEELS):
        raise AssertionError(f"wanted one wheel for each of {WHEELS}, found {[path.name for path in wheels]}")
    maps = [_config_map(number, path) for number, path in enumerate(wheels)]
    sources = [
        {
            "configMap": {
                "name": config["metadata"]["name"],
                "items": [{"key": path.name, "path": f"simple/{_project(path)}/{path.name}"}],
            }
        }
        for config, path in zip(maps, wheels, strict=True)
    ]
    labels = {"app": "index"}
    server = {
        "name": "index",
        "image": image,
        "command": ["python3", "-m", "http.server", "8080", "--directory", "/index"],
        "ports": [{"containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/simple/", "port": 8080}, "periodSeconds": 1},
        "volumeMounts": [{"name": "index", "mountPath": "/index", "readOnly": True}],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    pod = {"containers": [server], "volumes": [{"name": "index", "projected": {"sources": sources}}]}
    deployment: Object = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "index"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }
    service: Object = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "index"},
        "spec": {"selector": labels, "ports": [{"port": 8080}]},
    }
    return [*maps, deployment, service]


def _config_map(number: int, path: Path) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": f"index-{number}"},
        "binaryData": {path.name: base64.b64encode(path.read_bytes()).decode()},
    }


def _project(path: Path) -> str:
    """The normalised project name of a wheel's file name (PEP 503, PEP 427)."""
    return path.name.split("-")[0].replace("_", "-").lower()
