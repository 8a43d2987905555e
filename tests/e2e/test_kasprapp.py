"""A KasprApp on a real node: one installation for all pods, imports proven, status that stays true."""

import json
import subprocess
import sys

from tests.e2e.conftest import Indexes
from tests.e2e.workspace import IMPORTS_VERIFIED, PACKAGES_INSTALLED, Workspace, init_names, packages, wait_for


def test_one_of_three_replicas_installs_and_two_reuse_it(workspace: Workspace, indexes: Indexes) -> None:
    workspace.apply(workspace.app("orders", packages(indexes.open_url, "six==1.16.0", "ww-twoface"), replicas=3))
    installed = workspace.wait_condition("kasprapp", "orders", PACKAGES_INSTALLED, "True")
    verified = workspace.wait_condition("kasprapp", "orders", IMPORTS_VERIFIED, "True")
    results = wait_for(
        "three results",
        lambda: found if len(found := workspace.install_results("kaspr.io/app=orders")) == 3 else None,
    )
    assert sorted(result["outcome"] for result in results.values()) == ["installed", "reused", "reused"]
    assert installed["message"].startswith("3 of 3 pods have their packages.")
    verified = wait_for(
        "all three proven",
        lambda: (
            found
            if (found := workspace.condition("kasprapp", "orders", IMPORTS_VERIFIED))
            and found["message"].startswith("3 of 3")
            else None
        ),
    )
    assert "six, twoface_import" in verified["message"]

    status = workspace.packages_status("orders")
    by = next(pod for pod, result in results.items() if result["outcome"] == "installed")
    assert status["state"] == "Ready"
    assert status["installed"] == ["six==1.16.0", "ww-twoface==1.0"]
    assert status["installedBy"] == by
    assert status["cacheMode"] == "shared-pvc"
    assert status["hash"] == results[by]["hash"]
    assert {"lastInstallTime", "installDuration", "cacheUsage"} <= status.keys()
    kept = ("hash", "installed", "cacheMode", "lastInstallTime", "installDuration", "installedBy", "warnings")
    assert workspace.get("kasprapp", "orders")["status"]["pythonPackages"] == {name: status[name] for name in kept}

    pod = workspace.pods("kaspr.io/app=orders")[0]
    assert init_names(pod) == ["wheelwarden-tools", "install-packages"]
    mounts = {mount["mountPath"]: mount for mount in pod["spec"]["containers"][0]["volumeMounts"]}
    assert mounts["/packages"]["readOnly"] is True
    assert mounts["/packages-store"]["readOnly"] is True
    assert workspace.python("orders-app-2", "import six; print(six.__version__, six.__file__)") == (
        "1.16.0 /packages/site-packages/six.py"
    )
    told = subprocess.run(
        [sys.executable, "-m", "wheelwarden.cli", "results", f"{workspace.namespace}/orders", "-o", "json"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert [result["pod"] for result in json.loads(told.stdout)] == [f"orders-app-{index}" for index in range(3)]
    for result in json.loads(told.stdout):
        assert [(one["module"], one["ok"]) for one in result["modules"]] == [("six", True), ("twoface_import", True)]

    marker = workspace.kubectl("exec", "-q", "orders-app-2", "--", "cat", f"/packages/.installed-{status['hash']}")
    assert json.loads(marker)["installed"] == ["six==1.16.0", "ww-twoface==1.0"]

    claim = workspace.get("pvc", "orders-app-python-packages")
    assert claim["metadata"]["labels"]["kaspr.io/component"] == "python-packages"
    assert claim["metadata"]["ownerReferences"][0]["name"] == "orders"

    workspace.kubectl("delete", "kasprapp", "orders")
    wait_for(
        "the claim goes with its owner",
        lambda: True if not workspace.get("pvc")["items"] else None,
    )


def test_a_changed_spec_rolls_the_pods_one_by_one(workspace: Workspace, indexes: Indexes) -> None:
    workspace.apply(workspace.app("rolling", packages(indexes.open_url, "ww-versions==1.0"), replicas=2))
    workspace.wait_condition("kasprapp", "rolling", IMPORTS_VERIFIED, "True")
    workspace.apply(workspace.app("rolling", packages(indexes.open_url, "ww-versions==2.0"), replicas=2))

    def rolled() -> bool | None:
        results = workspace.install_results("kaspr.io/app=rolling")
        versions = [result["installed"] for result in results.values()]
        return True if versions == [["ww-versions==2.0"]] * 2 else None

    wait_for("both pods have the new version", rolled)
    workspace.wait_condition("kasprapp", "rolling", PACKAGES_INSTALLED, "True")
    generation = workspace.get("kasprapp", "rolling")["metadata"]["generation"]

    def current() -> bool | None:
        told = [workspace.condition("kasprapp", "rolling", type_) for type_ in (PACKAGES_INSTALLED, IMPORTS_VERIFIED)]
        return True if [(one or {}).get("observedGeneration") for one in told] == [generation] * 2 else None

    wait_for("both conditions are of this generation", current)
    assert workspace.python("rolling-app-0", "import ww_versions; print(ww_versions.__version__)") == "2.0"
    reasons = {event["reason"] for event in workspace.get("events")["items"]}
    assert "PodReplaced" in reasons


def test_an_app_without_packages_is_left_alone(workspace: Workspace) -> None:
    workspace.apply(workspace.app("plain", None))
    pod = wait_for(
        "the pod runs",
        lambda: next(
            (pod for pod in workspace.pods("kaspr.io/app=plain") if pod["status"]["phase"] == "Running"), None
        ),
    )
    assert init_names(pod) == []
    assert not [key for key in pod["metadata"].get("annotations") or {} if "wheelwarden" in key]
    conditions = (workspace.get("kasprapp", "plain").get("status") or {}).get("conditions") or []
    assert not [condition for condition in conditions if "wheelwarden" in condition["type"]]
