"""The demo on a cluster that is not ours: a bare node, reached only by its kubeconfig, as people would play it."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = "get namespaces,crds,validatingwebhookconfigurations,mutatingwebhookconfigurations,clusterroles,clusterrolebindings,pv"


def kubectl(*words: str, stdin: str | None = None) -> str:
    return subprocess.run(
        ["kubectl", *words], input=stdin, capture_output=True, text=True, check=True, timeout=120
    ).stdout


def traces() -> set[str]:
    """Every object of the cluster that the demo may have left."""
    names = kubectl(*OURS.split(), "-o", "name").split()
    return {name for name in names if not name.startswith("clusterrole") or "wheelwarden" in name}


def demo(image: str) -> subprocess.Popen[str]:
    command = ["make", "demo", "CLUSTER=current", f"IMAGE={image}"]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


@pytest.fixture(scope="module", autouse=True)
def cluster_is_bare() -> None:
    if "WHEELWARDEN_IMAGE" not in os.environ:
        pytest.fail("run `make e2e`, which makes a bare cluster for these tests", pytrace=False)


def test_the_same_story_is_told_and_nothing_is_left() -> None:
    before = traces()
    process = demo(os.environ["WHEELWARDEN_IMAGE"])
    output, _ = process.communicate(timeout=500)
    assert process.returncode == 0, output
    for said in ("denied the request", "one pod installed, two reused", "ImportFailed", "healed"):
        assert said in output
    assert "every step happened" in output
    assert traces() == before


def test_an_interrupted_demo_takes_everything_down() -> None:
    before = traces()
    process = demo(os.environ["WHEELWARDEN_IMAGE"])
    assert process.stdout is not None
    for line in process.stdout:
        if "2. Three replicas" in line:
            break
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=300)
    assert process.returncode != 0
    deadline = time.monotonic() + 60
    while traces() != before and time.monotonic() < deadline:
        time.sleep(0.5)
    assert traces() == before


def test_without_an_image_it_says_how_to_get_one() -> None:
    process = demo("")
    output, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "IMAGE=registry.example.com/wheelwarden" in output
    assert "docker build" in output


def test_an_image_that_the_cluster_cannot_pull_fails_the_demo_and_is_cleaned_up() -> None:
    before = traces()
    process = demo("wheelwarden-without-tag")
    output, _ = process.communicate(timeout=300)
    assert process.returncode != 0
    assert "has no tag" in output
    assert traces() == before


def test_a_cluster_with_a_real_kubeflow_is_left_alone() -> None:
    crd = (ROOT / "tests" / "standins" / "crds" / "notebooks.yaml").read_text()
    kubectl("apply", "-f", "-", stdin=crd)
    before = traces()
    try:
        process = demo(os.environ["WHEELWARDEN_IMAGE"])
        output, _ = process.communicate(timeout=60)
        assert process.returncode != 0
        assert "already has notebooks.kubeflow.org" in output
        assert traces() == before
    finally:
        kubectl("delete", "crd", "notebooks.kubeflow.org", "--wait=true")
