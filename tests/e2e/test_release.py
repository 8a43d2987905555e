"""The helm release on a real node: without our image in pods, without the webhook, and through an upgrade."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.conftest import Indexes
from tests.e2e.workspace import (
    IMPORTS_VERIFIED,
    PACKAGES_INSTALLED,
    Workspace,
    init_names,
    packages,
    run_kubectl,
    wait_for,
)

CHART = Path(__file__).parents[2] / "charts" / "wheelwarden"
NAMESPACE = "wheelwarden-system"


def upgrade(*sets: str) -> None:
    words = [word for value in sets for word in ("--set", value)]
    subprocess.run(
        ["helm", "upgrade", "wheelwarden", str(CHART), "-n", NAMESPACE, "--reuse-values", *words, "--wait"],
        check=True, stdout=subprocess.DEVNULL, timeout=300,
    )  # fmt: skip
    # Pods of the old release answer until they are gone.
    wait_for("the old pods are gone", lambda: True if len(list_pods()) == 2 else None)


def list_pods() -> list[object]:
    found: list[object] = json.loads(run_kubectl("-n", NAMESPACE, "get", "pods", "-o", "json"))["items"]
    return found


def bundles() -> set[str]:
    path = "jsonpath={.webhooks[*].clientConfig.caBundle}"
    return {
        run_kubectl("get", resource, "wheelwarden", "-o", path)
        for resource in ("validatingwebhookconfigurations", "mutatingwebhookconfigurations")
    }


@contextmanager
def webhook_away() -> Iterator[None]:
    """No webhook pod and no controller, as after an accident."""
    run_kubectl("-n", NAMESPACE, "scale", "deployment/wheelwarden", "--replicas=0")
    gone = [
        "-n",
        NAMESPACE,
        "wait",
        "--for=delete",
        "pods",
        "-l",
        "app.kubernetes.io/name=wheelwarden",
        "--timeout=120s",
    ]
    run_kubectl(*gone)
    try:
        yield
    finally:
        run_kubectl("-n", NAMESPACE, "scale", "deployment/wheelwarden", "--replicas=2")
        run_kubectl("-n", NAMESPACE, "rollout", "status", "deployment/wheelwarden", "--timeout=180s")


def test_without_tools_pip_installs_and_no_image_of_ours_is_in_the_pod(workspace: Workspace, indexes: Indexes) -> None:
    before = bundles()
    upgrade("tools.enabled=false")
    try:
        assert bundles() == before  # an upgrade does not wipe what the webhook filled in
        workspace.apply(workspace.app("inline", packages(indexes.open_url, "six==1.17.0", "ww-sdist")))
        workspace.wait_condition("kasprapp", "inline", IMPORTS_VERIFIED, "True")
        pod = workspace.pods("kaspr.io/app=inline")[0]
        images = {container["image"] for key in ("initContainers", "containers") for container in pod["spec"][key]}
        assert images == {workspace.image}
        assert init_names(pod) == ["install-packages"]
        assert workspace.install_results("kaspr.io/app=inline")["inline-app-0"]["installer"].startswith("pip ")
    finally:
        upgrade("tools.enabled=true")


def test_pods_start_without_the_webhook_and_are_repaired_when_it_is_back(
    workspace: Workspace, indexes: Indexes
) -> None:
    workspace.apply(workspace.app("away", None))
    workspace.apply(workspace.notebook("kernel", packages(indexes.open_url, "six", cache={"enabled": False})))
    workspace.wait_condition("notebook", "kernel", IMPORTS_VERIFIED, "True")
    with webhook_away():
        # The change of the app would need the webhook, which fails closed; the pod's restart does not.
        workspace.kubectl("delete", "pod", "kernel-0")
        wait_for(
            "the pod starts without us",
            lambda: (
                True
                if (pods := workspace.pods("notebook-name=kernel"))
                and pods[0]["status"].get("phase") == "Running"
                and "deletionTimestamp" not in pods[0]["metadata"]
                else None
            ),
        )
        assert init_names(workspace.get("pod", "kernel-0")) == []
        workspace.kubectl("delete", "kasprapp", "away", "--timeout=60s")  # a deletion never waits for us
    told = workspace.wait_condition("notebook", "kernel", PACKAGES_INSTALLED, "False", "NotInjected")
    assert "Delete pod kernel-0" in told["message"]
    workspace.kubectl("delete", "pod", "kernel-0")
    workspace.wait_condition("notebook", "kernel", IMPORTS_VERIFIED, "True")


def test_an_app_that_came_up_without_the_webhook_is_made_anew_by_itself(workspace: Workspace, indexes: Indexes) -> None:
    workspace.apply(workspace.app("repaired", packages(indexes.open_url, "six")))
    workspace.wait_condition("kasprapp", "repaired", IMPORTS_VERIFIED, "True")
    with webhook_away():
        workspace.kubectl("delete", "pod", "repaired-app-0")
        wait_for(
            "the pod starts without us",
            lambda: (
                True
                if (pods := workspace.pods("kaspr.io/app=repaired"))
                and pods[0]["status"].get("phase") == "Running"
                and "deletionTimestamp" not in pods[0]["metadata"]
                else None
            ),
        )
    wait_for(
        "the pod has its packages",
        lambda: True if workspace.install_results("kaspr.io/app=repaired") else None,
    )
    workspace.wait_condition("kasprapp", "repaired", IMPORTS_VERIFIED, "True")


def test_a_killed_leader_is_replaced_and_nothing_is_lost(workspace: Workspace, indexes: Indexes) -> None:
    holder = run_kubectl(
        "-n", NAMESPACE, "get", "lease", "wheelwarden-controller", "-o", "jsonpath={.spec.holderIdentity}"
    )
    run_kubectl("-n", NAMESPACE, "delete", "pod", holder, "--grace-period=0", "--force")
    workspace.apply(workspace.app("next", packages(indexes.open_url, "six")))
    workspace.wait_condition("kasprapp", "next", IMPORTS_VERIFIED, "True")
    run_kubectl("-n", NAMESPACE, "rollout", "status", "deployment/wheelwarden", "--timeout=180s")
