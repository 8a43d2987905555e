"""The webhook as a process, called by a real API server over TLS with the chart's registrations and rights."""

import asyncio
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.apiserver import KubectlError
from tests.integration.standin_objects import ROOT, kaspr_app, notebook
from tests.integration.webhook_installation import (
    Installation,
    Process,
    kaspr_app_of,
    trusting,
)
from wheelwarden.api.errors import Invalid, NotFound
from wheelwarden.kube import KASPRAPPS, NOTEBOOKS, Cluster

DENIED = 'admission webhook "validate.wheelwarden.dev" denied the request: '


async def test_a_bad_app_is_refused_with_every_problem_in_kubectls_output(
    installation: Installation, process: Process, shop: str
) -> None:
    bad = kaspr_app_of(
        "orders", ["six==1.16.0", "requests=1", "numpy; rm -rf /"], cache={"enabled": True, "size": "much"}
    )
    lines = (await installation.try_to_create(bad, shop)).splitlines()
    assert lines[0].endswith(f"{DENIED}3 problems in the Python packages that KasprApp {shop}/orders asks for:")
    assert [line.split(": ")[0] for line in lines[1:]] == [
        '  1. spec.pythonPackages.packages[1] "requests=1"',
        '  2. spec.pythonPackages.packages[2] "numpy; rm -rf /"',
        '  3. spec.pythonPackages.cache.size "much"',
    ]
    assert 'wheelwarden_admission_reviews_total{endpoint="validate",outcome="denied"}' in process.get("/metrics")[1]


async def test_a_notebook_whose_annotation_is_no_yaml_is_refused(
    installation: Installation, process: Process, shop: str
) -> None:
    bad = notebook("analysis", metadata={"annotations": {"wheelwarden.dev/python-packages": "packages: [numpy"}})
    output = await installation.try_to_create(bad, shop)
    assert f"{DENIED}1 problem in the Python packages that Notebook {shop}/analysis asks for:\n" in output
    assert "  1. metadata.annotations[wheelwarden.dev/python-packages]" in output
    assert "Traceback" not in output


async def test_good_objects_are_admitted_and_warnings_are_shown(
    installation: Installation, process: Process, shop: str
) -> None:
    good = kaspr_app_of("orders", ["six==1.16.0"])
    assert await installation.try_to_create(good, shop) == "kasprapp.kaspr.io/orders created\n"
    odd = kaspr_app_of(
        "odd", ["six==1.16.0"], indexUrl="http://packages.example.com/simple", trustedHosts=["packages.example.com"]
    )
    output = await installation.try_to_create(odd, shop)
    assert output.startswith("Warning: spec.pythonPackages.indexUrl")
    assert output.endswith("kasprapp.kaspr.io/odd created\n")


async def test_what_kaspr_or_kubernetes_makes_of_an_app_is_told_at_apply(
    installation: Installation, process: Process, shop: str
) -> None:
    packages = {"packages": ["six==1.16.0"], "cache": {"size": "1Gi"}}
    app = kaspr_app("orders", pythonPackages=packages)
    app["spec"]["image"] = "registry.example.com/orders:1"
    *warnings, last = (await installation.try_to_create(app, shop)).splitlines()
    assert last == "kasprapp.kaspr.io/orders created"
    assert sorted(line.rpartition(" ")[2] for line in warnings) == ["[cache-not-enabled]", "[image-and-packages]"]
    [image] = [line for line in warnings if "image" in line]
    assert image == (
        'Warning: spec.image "registry.example.com/orders:1": Both image and pythonPackages specified - packages will be'
        " added to custom image. Consider pythonPackages alone: one place less to keep up to date. [image-and-packages]"
    )
    app["metadata"]["name"] = "a" * 49
    refused = await installation.try_to_create(app, shop)
    assert "no pod is ever created. Choose a name of at most 48 characters. [name-too-long]" in refused


async def test_an_older_object_that_would_fail_now_can_be_changed_finished_and_deleted(
    installation: Installation, cluster: Cluster, shop: str, tmp_path: Path
) -> None:
    # A registration that is not filled in yet closes the door; before it is there, anything gets in.
    for resource in ("validatingwebhookconfiguration", "mutatingwebhookconfiguration"):
        installation.api.kubectl("patch", resource, "door-wheelwarden", "--type=json", "-p", excluding(shop))
    await cluster.create(KASPRAPPS, finalized(kaspr_app_of("orders", ["requests=1"])), shop)
    for resource in ("validatingwebhookconfiguration", "mutatingwebhookconfiguration"):
        installation.api.kubectl("patch", resource, "door-wheelwarden", "--type=json", "-p", excluding("nowhere"))
    async with installation.running(tmp_path):
        await cluster.patch(KASPRAPPS, "orders", {"metadata": {"labels": {"team": "shop"}}}, shop)
        await cluster.patch(KASPRAPPS, "orders", {"spec": {"replicas": 3}}, shop)
        await cluster.patch(KASPRAPPS, "orders", {"status": {"note": "seen"}}, shop, subresource="status")
        with pytest.raises(Invalid, match="requests=2"):
            await cluster.patch(KASPRAPPS, "orders", {"spec": {"pythonPackages": {"packages": ["requests=2"]}}}, shop)
        await cluster.delete(KASPRAPPS, "orders", shop)
        assert "deletionTimestamp" in (await cluster.get(KASPRAPPS, "orders", shop))["metadata"]
        await cluster.patch(KASPRAPPS, "orders", {"metadata": {"finalizers": []}}, shop)
        with pytest.raises(NotFound):
            await cluster.get(KASPRAPPS, "orders", shop)


def excluding(namespace: str) -> str:
    selector = {
        "matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": [namespace]}]
    }
    return json.dumps([{"op": "replace", "path": "/webhooks/0/namespaceSelector", "value": selector}])


def finalized(obj: dict[str, Any]) -> dict[str, Any]:
    obj["metadata"]["finalizers"] = ["test.example.com/hold"]
    return obj


async def test_what_asks_for_nothing_does_not_wait_for_a_webhook_that_is_down(
    installation: Installation, cluster: Cluster, shop: str
) -> None:
    await cluster.create(KASPRAPPS, kaspr_app("orders"), shop)
    await cluster.create(NOTEBOOKS, notebook("analysis"), shop)
    with pytest.raises(Exception, match=r"failed calling webhook \"validate\.wheelwarden\.dev\""):
        await cluster.create(KASPRAPPS, kaspr_app_of("other", ["six==1.16.0"]), shop)


async def test_malformed_requests_over_tls_get_a_sentence(installation: Installation, process: Process) -> None:
    [bundle] = await installation.bundles()

    def post(data: bytes, **headers: str) -> tuple[int, Any]:
        request = urllib.request.Request(f"https://localhost:{process.port}/validate", data, headers)
        try:
            with urllib.request.urlopen(request, timeout=10, context=trusting(bundle)) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    json_type = {"Content-Type": "application/json"}
    assert await asyncio.to_thread(post, b"{}", **{"Content-Type": "text/plain"}) == (
        415,
        {"error": 'the Content-Type is "text/plain"; send application/json'},
    )
    assert await asyncio.to_thread(post, b"[" * 100_000, **json_type) == (
        400,
        {"error": "the body is nested too deeply to be an AdmissionReview"},
    )
    assert await asyncio.to_thread(post, b" " * ((8 << 20) + 1), **json_type) == (
        413,
        {"error": "the body is larger than 8 MiB"},
    )
    assert process.get("/healthz") == (200, "ok\n")
    assert "Traceback" not in process.log


async def test_hostile_reviews_over_tls_leave_the_worker_as_it_was(
    installation: Installation, process: Process
) -> None:
    [bundle] = await installation.bundles()

    def post(obj: str) -> tuple[int, Any]:
        kind = '{"group": "kaspr.io", "version": "v1alpha1", "kind": "KasprApp"}'
        request = f'{{"uid": "u", "operation": "CREATE", "kind": {kind}, "object": {obj}}}'
        text = f'{{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {request}}}'
        url = f"https://localhost:{process.port}/validate"
        sent = urllib.request.Request(
            url, text.encode("utf-8", "surrogateescape"), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(sent, timeout=10, context=trusting(bundle)) as answer:
                return answer.status, json.load(answer)["response"]["allowed"]
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)["error"]

    packages = '{"spec": {"pythonPackages": {"packages": %s}}}'
    deep = (400, "the body is nested too deeply to be an AdmissionReview")
    answers = [
        await asyncio.to_thread(post, packages % value)
        for value in (
            "NaN", "9" * 5000, '["\\ud800"]', '["\udcff"]', f'["{"x" * (7 << 20)}"]', "[" * 5000 + "]" * 5000,
            '["six"], "packages": ["a b"]', '["six"]',
        )
    ]  # fmt: skip
    assert answers == [
        (200, False),
        (400, "the body holds a number that is too long"),
        (200, False),
        (400, "the body is not UTF-8 text"),
        (200, False),
        deep,
        (200, False),
        (200, True),
    ]
    for depth in range(900, 1001):  # where the body can still be checked, and what is in it hardly be decoded
        status, said = await asyncio.to_thread(post, packages % ("[" * depth + "]" * depth))
        assert (status, said) in ((200, False), deep)
    assert process.get("/healthz") == (200, "ok\n")
    assert "Traceback" not in process.log


async def test_the_api_server_sends_no_number_that_is_too_long_to_read(
    installation: Installation, process: Process, shop: str
) -> None:
    def create(name: str, number: str) -> str:
        app = kaspr_app_of(name, ["six==1.16.0"])
        app["spec"]["config"] = {"unread": "NUMBER"}
        text = json.dumps(app).replace('"NUMBER"', number)
        path = f"/apis/kaspr.io/v1alpha1/namespaces/{shop}/kasprapps"
        return installation.api.kubectl("create", "--raw", path, "-f", "-", stdin=text)

    with pytest.raises(KubectlError, match=r"cannot unmarshal number 9+ into Go value of type float64"):
        await asyncio.to_thread(create, "long", "9" * 5000)
    created = json.loads(await asyncio.to_thread(create, "orders", "9" * 300))
    assert created["spec"]["config"] == {"unread": 1e300}


async def test_it_is_ready_only_when_the_api_server_trusts_it_and_ends_well(
    installation: Installation, tmp_path: Path
) -> None:
    assert await installation.bundles() == {""}
    async with installation.running(tmp_path) as process:
        [bundle] = await installation.bundles()
        assert bundle.encode() == (await installation.secret())["ca.crt"]
        assert process.get("/readyz") == (200, "ok\n")
        assert await asyncio.to_thread(process.stop) == 0
        assert "no longer ready" in process.log
        assert "PRIVATE KEY" not in process.log
        assert "Traceback" not in process.log


async def test_it_is_not_ready_without_its_secret_and_says_why(installation: Installation, tmp_path: Path) -> None:
    installation.api.kubectl("delete", "secret", "door-wheelwarden-certificate", "--namespace", installation.home)
    with installation.process(tmp_path) as process:
        async with asyncio.timeout(60):
            while "does not exist; the chart creates it" not in process.log:
                assert process.popen.poll() is None
                await asyncio.sleep(0.05)
        assert process.get("/readyz") == (503, "not ready: no certificate has been made and announced yet\n")
        assert process.get("/healthz") == (200, "ok\n")
        assert await asyncio.to_thread(process.stop) == 0


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"WHEELWARDEN_SERVICE": ""}, "settings in the environment: WHEELWARDEN_SERVICE is required"),
        ({"WHEELWARDEN_POLICY_FILE": "/nowhere/policy.yaml"}, "policy file /nowhere/policy.yaml: it cannot be read"),
        ({"WHEELWARDEN_KUBECONFIG": "/nowhere/kubeconfig"}, "no usable Kubernetes configuration in /nowhere"),
    ],
)
async def test_what_it_cannot_start_with_is_said_in_a_line(
    installation: Installation, environment: dict[str, str], message: str
) -> None:
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "webhook"],
        cwd=ROOT,
        env={**os.environ, **installation.environment, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"wheelwarden-webhook: {message}")
    assert done.stderr.count("\n") == 1
