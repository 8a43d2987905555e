"""The stage on a cluster that is not ours: what the demo needs is put up, and taken away again whatever happens.

A stranger's cluster has neither Kaspr nor Kubeflow, and perhaps no way to a package index. So the demo brings small
stand-ins of both controllers (a process here, with the caller's own kubeconfig), their CRDs, the chart, and an index
that serves a few small packages from ConfigMaps. A cluster that already has one of these is left alone: the demo says
so and stops before it changes anything.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.demo.narrator import Narrator
from tests.demo.story import Setting
from tests.demo.wheels import index_objects

ROOT = Path(__file__).resolve().parents[2]
CRDS = ROOT / "tests" / "standins" / "crds"
RELEASE = "wheelwarden-demo"
DEMO_LABEL = "wheelwarden.dev/demo"

Object = dict[str, Any]


class StageError(Exception):
    """The stage cannot be set; nothing was changed, or it was put back."""


@contextmanager
def current_cluster(image: str, workload_image: str, namespace: str) -> Iterator[tuple[Narrator, Setting]]:
    """Sets the stage on the current kubectl context and strikes it at the end."""
    if not image:
        raise StageError(
            "say which image to use: CLUSTER=current IMAGE=registry.example.com/wheelwarden:0.1.0 make "
            "demo. Build it with "
            "`docker build -t NAME .` and push it, or load it (`kind load docker-image NAME`, "
            "`minikube image load NAME`)"
        )
    for tool in ("kubectl", "helm"):
        if shutil.which(tool) is None:
            raise StageError(f"{tool} is not on the PATH: install it, then run the demo again")
    context = _run(["kubectl", "config", "current-context"]).strip()
    kubectl = ["kubectl", "--context", context]
    _refuse_an_occupied_cluster(kubectl)
    nodes = _items(kubectl, "nodes")
    print(
        f"Playing on context {context}, {len(nodes)} node(s), in namespace {namespace}; all of it "
        "is removed at the end."
    )
    with ExitStack() as stack:
        _make_namespaces(kubectl, namespace, stack)
        _apply_crds(kubectl, stack)
        _install_chart(context, image, stack)
        _start_standins(context, stack)
        host = _start_index(kubectl, namespace, image)
        yield (
            Narrator(kubectl=kubectl, namespace=namespace),
            Setting(
                image=workload_image or image,
                index_url=f"http://{host}/simple/",
                index_host=host,
            ),
        )
        # The workloads go while their controllers still run.
        _run([*kubectl, "-n", namespace, "delete", "notebooks,kasprapps", "--all", "--wait=true"])


def _refuse_an_occupied_cluster(kubectl: Sequence[str]) -> None:
    found = _run([*kubectl, "get", "crds", "-o", "json"])
    for crd in json.loads(found)["items"]:
        name, labels = crd["metadata"]["name"], crd["metadata"].get("labels") or {}
        if name in ("notebooks.kubeflow.org", "kasprapps.kaspr.io") and DEMO_LABEL not in labels:
            raise StageError(
                f"this cluster already has {name}. The demo brings stand-ins for Kubeflow and Kaspr and "
                "would disturb the "
                "real ones: play it on another cluster, or install Wheelwarden with Helm and follow the README"
            )
    for webhook in json.loads(_run([*kubectl, "get", "validatingwebhookconfigurations", "-o", "json"]))["items"]:
        for rule in webhook.get("webhooks") or []:
            if rule["name"].endswith(".wheelwarden.dev") and not webhook["metadata"]["name"].startswith(RELEASE):
                raise StageError(
                    f"Wheelwarden is already installed here (registration {webhook['metadata']['name']}): play "
                    "the demo on "
                    "another cluster, or follow the README's quick start on this one"
                )


def _make_namespaces(kubectl: Sequence[str], namespace: str, stack: ExitStack) -> None:
    for name in (namespace, RELEASE + "-system"):
        stack.callback(_forget, [*kubectl, "delete", "namespace", name, "--ignore-not-found", "--wait=true"])
        _run([*kubectl, "create", "namespace", name])


def _apply_crds(kubectl: Sequence[str], stack: ExitStack) -> None:
    stack.callback(_forget, [*kubectl, "delete", "crds", "-l", DEMO_LABEL, "--wait=true"])
    for path in sorted(CRDS.glob("*.yaml")):
        _run([*kubectl, "apply", "-f", str(path)])
        _run([*kubectl, "label", "--overwrite", "-f", str(path), f"{DEMO_LABEL}=true"])
        _run([*kubectl, "wait", "--for=condition=Established", "--timeout=60s", "-f", str(path)])


def _install_chart(context: str, image: str, stack: ExitStack) -> None:
    repository, _, tag = image.rpartition(":")
    if not repository or "/" in tag:
        raise StageError(f"the image {image} has no tag: name one, as in registry.example.com/wheelwarden:0.1.0")
    helm = ["helm", "--kube-context", context, "--namespace", RELEASE + "-system"]
    stack.callback(_forget, [*helm, "uninstall", RELEASE, "--wait", "--ignore-not-found"])
    print("… installing the chart", flush=True)
    values = [f"image.repository={repository}", f"image.tag={tag}", "image.pullPolicy=IfNotPresent"]
    sets = [word for value in values for word in ("--set", value)]
    _run([*helm, "install", RELEASE, str(ROOT / "charts" / "wheelwarden"), *sets, "--wait", "--timeout", "5m"])


def _start_standins(context: str, stack: ExitStack) -> None:
    command = [sys.executable, "-m", "tests.standins", "--context", context]
    if kubeconfig := os.environ.get("KUBECONFIG"):
        command += ["--kubeconfig", kubeconfig]
    process = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
    stack.callback(process.wait)
    stack.callback(process.send_signal, signal.SIGTERM)


def _start_index(kubectl: Sequence[str], namespace: str, image: str) -> str:
    """Starts the index and returns its host and port: by address, since not every cluster has DNS in its pods."""
    objects = {"apiVersion": "v1", "kind": "List", "items": index_objects(image)}
    _run([*kubectl, "-n", namespace, "create", "-f", "-"], stdin=json.dumps(objects))
    _run([*kubectl, "-n", namespace, "rollout", "status", "deployment/index", "--timeout=180s"])
    address = _run([*kubectl, "-n", namespace, "get", "service", "index", "-o", "jsonpath={.spec.clusterIP}"])
    return f"[{address}]:8080" if ":" in address else f"{address}:8080"


def _items(kubectl: Sequence[str], resource: str) -> list[Object]:
    items: list[Object] = json.loads(_run([*kubectl, "get", resource, "-o", "json"]))["items"]
    return items


def _run(command: Sequence[str], *, stdin: str | None = None) -> str:
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=420)
    if done.returncode:
        raise StageError(f"`{' '.join(command[:6])} …` failed: {done.stderr.strip()}")
    return done.stdout


def _forget(command: Sequence[str]) -> None:
    """Takes something down; what fails is said and does not keep the rest from going."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        print(f"left behind: `{' '.join(command)}` failed: {done.stderr.strip()}", file=sys.stderr)
