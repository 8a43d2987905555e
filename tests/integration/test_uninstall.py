"""What the chart's pre-delete hook does, with its own rights, beside a controller that leads."""

import asyncio
import datetime
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from controller.uninstall import Settings, Uninstaller
from tests.chart.helm import Helm, find_helm
from tests.integration.controller_world import (
    HASH,
    SIX,
    Controller,
    clear_namespace,
    pod,
    reasons,
    report_by_kubelet,
    result,
)
from tests.integration.standin_objects import ROOT, kaspr_app, make_namespace, notebook, until
from tests.integration.test_controller_process import running
from wheelwarden.api import names
from wheelwarden.api.errors import Conflict
from wheelwarden.api.kinds import KINDS
from wheelwarden.api.objects import Object
from wheelwarden.kube import CLAIMS, KASPRAPPS, LEASES, NOTEBOOKS, PODS, Cluster, Resource

RELEASE = "guard"
LEASE = "guard-wheelwarden-controller"
ACCOUNT = "guard-wheelwarden-uninstall"
DONE = {"PackagesInstalled": "Installed", "ImportsVerified": "ImportsSucceeded"}


@pytest.fixture
async def cluster(api: Any) -> AsyncIterator[Cluster]:
    async with await Cluster.connect(kubeconfig=api.kubeconfig, field_manager="wheelwarden-controller") as connected:
        yield connected


@pytest.fixture
async def namespace(cluster: Cluster) -> AsyncIterator[str]:
    name = await make_namespace(cluster, "uninstall-")
    yield name
    await clear_namespace(cluster, name, NOTEBOOKS, KASPRAPPS, PODS)


async def report_on_both_kinds(cluster: Cluster, namespace: str) -> None:
    """A KasprApp and a Notebook with a pod each, and what a controller says of them."""
    ready = {"type": "Ready", "status": "True", "reason": "AllPodsReady", "message": "",
             "lastTransitionTime": "2026-01-31T10:30:00Z", "observedGeneration": 1}  # fmt: skip
    for name, labels in (
        ("demo-app-0", {names.KASPR_APP_LABEL: "demo"}),
        ("lab-0", {names.NOTEBOOK_NAME_LABEL: "lab"}),
    ):
        main = "kaspr" if name.startswith("demo") else "lab"
        await cluster.create(PODS, pod(name, labels, main=main), namespace)
        await report_by_kubelet(cluster, namespace, name, installer=result())
    await cluster.create(KASPRAPPS, kaspr_app("demo", replicas=1, pythonPackages=SIX), namespace)
    await cluster.patch(KASPRAPPS, "demo", {"status": {"conditions": [ready]}}, namespace, subresource="status")
    asked = {names.PACKAGES_ANNOTATION: '{"packages": ["six"]}'}
    await cluster.create(NOTEBOOKS, notebook("lab", metadata={"annotations": asked}), namespace)
    controller = Controller(cluster, namespace)
    async with controller.running():

        async def told() -> bool:
            found = [await cluster.get(KASPRAPPS, "demo", namespace), *(await cluster.list(PODS, namespace)).items]
            return [reasons(one) for one in found] == [DONE] * 3

        await until(told)


def run_hook(api: Any, namespace: str, folder: Path) -> tuple[int, str]:
    """Makes what the hook has of the chart, and runs its command as its account; (exit code, log)."""
    values = {"watchNamespaces": [namespace]}
    hook = Helm(binary=find_helm()).render(values, release=RELEASE, namespace=namespace).uninstall
    objects = [item for item in hook if item["kind"] != "Job"]
    file = folder / "hook.yaml"
    file.write_text(yaml.safe_dump_all(objects))
    api.kubectl("apply", "-f", str(file))
    [job] = [item for item in hook if item["kind"] == "Job"]
    [container] = job["spec"]["template"]["spec"]["containers"]
    config = yaml.safe_load(Path(api.kubeconfig).read_text())
    for user in config["users"]:
        user["user"] = {"token": api.kubectl("create", "token", ACCOUNT, "--namespace", namespace).strip()}
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(config))
    environment = {variable["name"]: variable["value"] for variable in container["env"]}
    done = subprocess.run(
        [sys.executable, *container["command"][1:]],
        cwd=ROOT, env=os.environ | environment | {"WHEELWARDEN_KUBECONFIG": str(kubeconfig)},
        capture_output=True, text=True, check=False, timeout=150,
    )  # fmt: skip
    return done.returncode, done.stderr


async def test_an_uninstall_stops_the_leader_and_clears_what_it_said(
    api: Any, cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    await report_on_both_kinds(cluster, namespace)
    app = await cluster.get(KASPRAPPS, "demo", namespace)
    assert app["status"]["pythonPackages"]["hash"] == HASH
    await cluster.create(LEASES, {"metadata": {"name": LEASE}}, namespace)
    with running(api, namespace, "leader", tmp_path, WHEELWARDEN_LEASE=LEASE) as leader:
        await until(leader.leads)
        code, log = await asyncio.to_thread(run_hook, api, namespace, tmp_path)
        assert (code, "Traceback" in log) == (0, False), log
        assert "cleared 3 objects, 0 could not be cleared" in log
        ended, _ = await leader.end()
        assert ended == 1  # no longer the leader
    app = await cluster.get(KASPRAPPS, "demo", namespace)
    assert [entry["type"] for entry in app["status"]["conditions"]] == ["Ready"]
    assert {"pythonPackages", "wheelwarden"} & set(app["status"]) == set()
    for item in (await cluster.list(PODS, namespace)).items:
        assert [entry["type"] for entry in item["status"]["conditions"]] == ["Ready"]
        assert set(item["metadata"]["annotations"]) == {names.POD_HASH_ANNOTATION}
    lease = (await cluster.get(LEASES, LEASE, namespace))["spec"]
    assert (lease["holderIdentity"], lease["leaseDurationSeconds"]) == ("uninstall", 240)
    assert (await cluster.list(CLAIMS, namespace)).items  # what the workloads own stays


class Instant:
    """A sleep that takes no time."""

    async def __call__(self, seconds: float) -> None:
        await asyncio.sleep(0)


class Busy(Cluster):
    """Somebody else writes to every KasprApp between our look and our write, so many times."""

    conflicts = 1

    async def patch(self, resource: Resource, name: str, *args: Any, **kwargs: Any) -> Object:
        if resource is KASPRAPPS and self.conflicts > 0:
            self.conflicts -= 1
            raise Conflict(409, "Conflict", "changed")
        return await super().patch(resource, name, *args, **kwargs)


@pytest.mark.parametrize(("conflicts", "cleared", "failed"), [(1, 3, 0), (100, 2, 2)])
async def test_an_object_that_others_write_to_is_tried_again_and_then_left(
    cluster: Cluster, namespace: str, *, conflicts: int, cleared: int, failed: int
) -> None:
    await report_on_both_kinds(cluster, namespace)
    busy = Busy(cluster._api, field_manager="wheelwarden-uninstall")
    busy.conflicts = conflicts
    settings = Settings(
        namespace=namespace, lease="none", kinds=KINDS, namespaces=(namespace,), seconds=60, kubeconfig=None
    )
    uninstaller = Uninstaller(busy, settings, now=lambda: datetime.datetime.now(datetime.UTC), sleep=Instant())
    await uninstaller.run()
    assert (uninstaller.cleared, uninstaller.failed) == (cleared, failed)
    left: Mapping[str, str] = reasons(await cluster.get(KASPRAPPS, "demo", namespace))
    assert bool(left) is bool(failed)
