"""A made-up third kind on a real API server: the controller reconciles it, and the webhook judges and injects it."""

import base64
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from controller.uninstall import clear_object
from tests.integration.controller_world import DONE, INSTALLED_AT, Controller, has, report_by_kubelet, result, said
from tests.integration.standin_objects import establish, make_namespace, until
from tests.standins.data_job import DATA_JOB, DEFINITION, data_job, pods_of, registered
from tests.unit.webhook.injection import apply_patch
from webhook.endpoints import Answer, Injection, Validation
from webhook.install_containers import Tools
from webhook.review import read_review
from wheelwarden.api import names
from wheelwarden.api.kinds import all_kinds
from wheelwarden.api.objects import Object
from wheelwarden.kube import CLAIMS, EVENTS, NAMESPACES, PODS, Cluster, resource_for
from wheelwarden.parsing.packages_hash import compute_packages_hash
from wheelwarden.rules.policy import DEFAULT

JOBS = resource_for(DATA_JOB)
ASKED = {names.PACKAGES_ANNOTATION: "packages: [six==1.17.0]"}
HASH = compute_packages_hash({"packages": ["six==1.17.0"]})
TOOLS = Tools(enabled=True, image="registry.example.com/wheelwarden:1")


@pytest.fixture(autouse=True)
def known() -> Iterator[None]:
    with registered():
        yield


@pytest.fixture
async def cluster(api: Any) -> AsyncIterator[Cluster]:
    async with await Cluster.connect(kubeconfig=api.kubeconfig, field_manager="wheelwarden-controller") as connected:
        # It stays: a definition that is deleted and made again is not served at once.
        await establish(connected, DEFINITION)
        await until(lambda: connected.list(JOBS, "default"))
        yield connected


@pytest.fixture
async def namespace(cluster: Cluster) -> AsyncIterator[str]:
    name = await make_namespace(cluster, "jobs-")
    yield name
    for resource in (JOBS, PODS):
        for item in (await cluster.list(resource, name)).items:
            await cluster.delete(resource, item["metadata"]["name"], name)
    await cluster.delete(NAMESPACES, name)


def review(obj: Object, namespace: str, *, group: str = "", version: str = "v1") -> bytes:
    request = {
        "uid": "u-1", "operation": "CREATE", "namespace": namespace, "name": obj["metadata"]["name"],
        "kind": {"group": group, "version": version, "kind": obj["kind"]}, "object": obj,
    }  # fmt: skip
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}).encode()


async def judged(cluster: Cluster, obj: Object, namespace: str) -> Answer:
    body = review(obj, namespace, group=DATA_JOB.group, version=DATA_JOB.versions[0])
    return await Validation(cluster, policy=lambda: DEFAULT, kinds=all_kinds()).answer(read_review(body))


async def create_injected(cluster: Cluster, pod: Object, namespace: str) -> Object:
    """Creates a pod as the API server would after our webhook's answer."""
    injection = Injection(cluster, policy=lambda: DEFAULT, kinds=all_kinds(), tools=TOOLS)
    answer = await injection.answer(read_review(review(pod, namespace)))
    assert answer.outcome == "injected"
    patch = json.loads(base64.b64decode(answer.document["response"]["patch"]))
    return await cluster.create(PODS, apply_patch(pod, patch), namespace)


async def test_the_webhook_judges_it(cluster: Cluster, namespace: str) -> None:
    bad = data_job("nightly", 1, **{names.PACKAGES_ANNOTATION: "packages: ['six; rm -rf /']"})
    denied = (await judged(cluster, bad, namespace)).document["response"]
    assert (denied["allowed"], denied["status"]["message"].splitlines()[0]) == (
        False,
        f"1 problem in the Python packages that DataJob {namespace}/nightly asks for:",
    )
    long = data_job("n" * 41, 1, **ASKED)
    told = (await judged(cluster, long, namespace)).document["response"]["status"]["message"]
    assert "it has 41 characters: it does not fit the names of its workers, so no pod is ever made" in told
    assert (await judged(cluster, data_job("nightly", 1, **ASKED), namespace)).outcome == "allowed"


async def test_the_controller_takes_it_from_its_claim_to_its_proof(cluster: Cluster, namespace: str) -> None:
    async with Controller(cluster, namespace).running():
        job = await cluster.create(JOBS, data_job("nightly", 2, **ASKED), namespace)
        claim = await until(lambda: cluster.get(CLAIMS, "nightly-python-packages", namespace))
        waiting = {"PackagesInstalled": "WaitingForPod", "ImportsVerified": "WaitingForPod"}
        await has(cluster, JOBS, "nightly", namespace, waiting)
        pods = [await create_injected(cluster, pod, namespace) for pod in pods_of(job)]
        for pod in pods:
            await report_by_kubelet(
                cluster, namespace, pod["metadata"]["name"], installer=result(hash_=HASH), main="worker"
            )
        seen = await has(cluster, JOBS, "nightly", namespace, DONE)
        first = await has(cluster, PODS, "nightly-0", namespace, DONE)
        events = (await cluster.list(EVENTS, namespace)).items
        cleared = clear_object(DATA_JOB, seen)
    assert claim["metadata"]["labels"] == {
        "app.kubernetes.io/managed-by": "wheelwarden",
        "wheelwarden.dev/workload-kind": "DataJob",
        "wheelwarden.dev/workload-name": "nightly",
    }
    # Its main container has what the installer made, and it is the one that this kind says it is.
    mounts = {
        one["name"]: [mount["name"] for mount in one.get("volumeMounts", [])] for one in pods[0]["spec"]["containers"]
    }
    assert [names.VIEW_VOLUME in mounts["worker"], names.VIEW_VOLUME in mounts["proxy"]] == [True, False]
    assert seen["status"]["pythonPackages"] == {
        "state": "Ready", "hash": HASH, "installed": ["six==1.17.0"], "cacheMode": "shared-pvc", "warnings": [],
        "authentication": {"enabled": False}, "lastInstallTime": INSTALLED_AT, "installDuration": "3s",
        "installedBy": "demo-app-0",
        "cacheUsage": {"totalBytes": 1000, "usedBytes": 250, "availableBytes": 750, "usagePercent": 25},
    }  # fmt: skip
    assert said(seen)[names.PACKAGES_INSTALLED][2].startswith("2 of 2 pods have their packages.")
    shape = {"type", "status", "reason", "message", "lastTransitionTime", "lastProbeTime"}
    assert [entry.keys() for entry in seen["status"]["conditions"]] == [shape, shape]
    assert names.POD_PROBED_ANNOTATION in first["metadata"]["annotations"]
    told = {(one["involvedObject"]["kind"], one["involvedObject"]["name"], one["reason"]) for one in events}
    assert told == {
        (kind, name, reason)
        for kind, name in (("DataJob", "nightly"), ("Pod", "nightly-0"), ("Pod", "nightly-1"))
        for reason in ("Installed", "ImportsSucceeded")
    }
    assert cleared is not None
    assert cleared["status"] == {"conditions": [], "pythonPackages": None}
