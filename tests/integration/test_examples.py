"""Every example applied to a real API server as a user would: field by field against the CRDs, past the webhook."""

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.helm import find_helm
from tests.integration.standin_objects import ROOT
from tests.integration.webhook_installation import Installation, Process
from wheelwarden.api.errors import AlreadyExists
from wheelwarden.kube import KASPRAPPS, NAMESPACES, NOTEBOOKS, SECRETS, Cluster

FOLDER = ROOT / "examples" / "python-packages"
NAMESPACE = "production"
RESOURCES = {"KasprApp": KASPRAPPS, "Notebook": NOTEBOOKS, "Secret": SECRETS}


@pytest.fixture
async def production(cluster: Cluster) -> AsyncIterator[str]:
    """The namespace that some examples name."""
    with contextlib.suppress(AlreadyExists):
        await cluster.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    yield NAMESPACE
    for resource in (KASPRAPPS, NOTEBOOKS, SECRETS):
        for item in (await cluster.list(resource, NAMESPACE)).items:
            await cluster.delete(resource, item["metadata"]["name"], NAMESPACE)


def kubectl(installation: Installation, *words: str) -> "subprocess.CompletedProcess[str]":
    program = find_helm().parent / "kubectl"
    argv = [str(program), "--kubeconfig", str(installation.api.kubeconfig), *words]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)


async def test_every_example_is_stored_as_it_stands(
    installation: Installation, process: Process, cluster: Cluster, shop: str, production: str
) -> None:
    told, expected, lost = {}, {}, []
    for file in sorted(FOLDER.rglob("*.yaml")):
        obj: dict[str, Any] = yaml.safe_load(file.read_text())
        home = obj["metadata"].get("namespace", shop)
        words = ["apply", "--validate=strict", "--namespace", home, "-f", str(file)]
        done = await asyncio.to_thread(kubectl, installation, *words)
        # Warnings stand on stderr, each with its rule at the end. One example has a range, and says why that is warned of.
        rules = [line.rpartition(" ")[2] for line in done.stderr.splitlines()]
        told[file.name] = (done.returncode, done.stdout.rpartition(" ")[2].strip(), rules)
        expected[file.name] = (0, "created", ["[index-confusion]"] if "enterprise" in file.name else [])
        stored = await cluster.get(RESOURCES[obj["kind"]], obj["metadata"]["name"], home)
        lost += [f"{file.name}: {path}" for path in missing(obj, stored)]
    assert told == expected
    assert lost == []
    metrics = process.get("/metrics")[1]
    assert 'wheelwarden_admission_reviews_total{endpoint="validate",outcome="allowed"} 10.0' in metrics
    assert 'wheelwarden_admission_reviews_total{endpoint="validate",outcome="warned"} 2.0' in metrics


def missing(wanted: Any, stored: Any, path: str = "") -> list[str]:
    """Where a value of the file is not what the API server keeps; a Secret's stringData becomes its data."""
    if isinstance(wanted, dict) and isinstance(stored, dict):
        return [
            found
            for key, value in wanted.items()
            if key != "stringData"
            for found in missing(value, stored.get(key), f"{path}.{key}")
        ]
    return [] if wanted == stored else [path]


async def test_a_misspelt_field_would_not_pass(
    installation: Installation, process: Process, shop: str, tmp_path: Path
) -> None:
    text = (FOLDER / "basic.yaml").read_text().replace("packages:\n      - requests", "pakages:\n      - requests")
    file = tmp_path / "misspelt.yaml"
    file.write_text(text)
    words = ["apply", "--validate=strict", "--namespace", shop, "-f", str(file)]
    done = await asyncio.to_thread(kubectl, installation, *words)
    assert done.returncode == 1
    assert 'unknown field "spec.pythonPackages.pakages"' in done.stderr
