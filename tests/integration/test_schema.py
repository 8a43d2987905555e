"""`wheelwarden schema --crd` on a real API server: a CRD with the fragment is taken, and nothing of a request is pruned."""

import subprocess
import sys
import uuid
from collections.abc import Mapping
from typing import Any

import yaml

from tests.integration.standin_objects import DEFINITIONS, until
from wheelwarden.kube import Cluster, Resource


def merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Two mappings, those below merged too."""
    both = {**one, **other}
    for key in one.keys() & other.keys():
        if isinstance(one[key], Mapping):
            both[key] = merged(one[key], other[key])
    return both


def sample(schema: Mapping[str, Any]) -> Any:
    """A value with every field that a schema has."""
    if "x-kubernetes-int-or-string" in schema:
        return "1Gi"
    if schema["type"] == "object":
        if "additionalProperties" in schema:
            return {"memory": sample(schema["additionalProperties"])}
        return {name: sample(inner) for name, inner in schema["properties"].items()}
    if schema["type"] == "array":
        return [sample(schema["items"])]
    return {"string": "text", "boolean": False, "integer": 7, "number": 1.5}[schema["type"]]


async def test_a_crd_with_the_fragment_keeps_every_field_of_request_and_status(cluster: Cluster, shop: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "wheelwarden", "schema", "--crd"], capture_output=True, text=True, check=True
    )
    fragment = yaml.safe_load(done.stdout)
    part = {"type": "object"}
    schema = merged({"type": "object", "properties": {"spec": part, "status": part}}, fragment)
    kind = f"Apps{uuid.uuid4().hex[:8]}"
    resource = Resource(group="test.example.com", version="v1", plural=kind.lower(), kind=kind)
    name = f"{resource.plural}.{resource.group}"
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
    }
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": name},
        "spec": {
            "group": resource.group,
            "names": {"plural": resource.plural, "kind": kind},
            "scope": "Namespaced",
            "versions": [version],
        },
    }
    await cluster.create(DEFINITIONS, definition)

    async def served() -> bool:
        await cluster.list(resource, shop)
        return True

    await until(served)
    spec = {field: sample(inner) for field, inner in fragment["properties"]["spec"]["properties"].items()}
    status = {field: sample(inner) for field, inner in fragment["properties"]["status"]["properties"].items()}
    api_version = f"{resource.group}/v1"
    obj = {"apiVersion": api_version, "kind": kind, "metadata": {"name": "whole"}, "spec": spec}
    await cluster.create(resource, obj, shop)
    await cluster.patch(resource, "whole", {"status": status}, shop, subresource="status")
    kept = await cluster.get(resource, "whole", shop)
    await cluster.delete(DEFINITIONS, name)
    assert (kept["spec"], kept["status"]) == (spec, status)
