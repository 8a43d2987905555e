"""Beside an operator that installs packages by itself (Kaspr 0.14 and later): observed by default, taken over where asked."""

import json
from typing import Any
from urllib.parse import urlsplit

from tests.e2e.conftest import Indexes
from tests.e2e.workspace import (
    IMPORTS_VERIFIED,
    PACKAGES_INSTALLED,
    KubectlFailed,
    Workspace,
    init_names,
    packages,
    wait_for,
)
from tests.standins.kaspr import INSTALLS

INSTALL = "wheelwarden.dev/install"
OWN = "/opt/kaspr/packages"
DELAY = "standins.example.com/statefulset-delay-seconds"  # of the stand-in operator: an operator under load


def app(
    workspace: Workspace, name: str, asked: dict[str, Any], *, install: str = "", replicas: int = 1
) -> dict[str, Any]:
    annotations = {INSTALLS: "true", **({INSTALL: install} if install else {})}
    return workspace.app(name, {"cache": {"enabled": True}, **asked}, replicas=replicas, annotations=annotations)


def status(workspace: Workspace, name: str, field: str) -> dict[str, Any]:
    found: dict[str, Any] = (workspace.get("kasprapp", name).get("status") or {}).get(field) or {}
    return found


def test_an_observed_app_is_proven_and_its_owners_lies_are_told(workspace: Workspace, indexes: Indexes) -> None:
    workspace.apply(app(workspace, "orders", packages(indexes.open_url, "six==1.16.0")))
    installed = workspace.wait_condition("kasprapp", "orders", PACKAGES_INSTALLED, "True", "Observed")
    assert "six==1.16.0" in installed["message"]
    workspace.wait_condition("kasprapp", "orders", IMPORTS_VERIFIED, "True", "ImportsSucceeded")
    pod = workspace.pods("kaspr.io/app=orders")[0]
    assert init_names(pod) == ["install-packages"]
    assert "wheelwarden.dev/packages-hash" not in pod["metadata"].get("annotations", {})
    claim = workspace.get("pvc", "orders-app-python-packages")
    assert claim["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "kaspr-operator"
    ours = wait_for("our own status", lambda: status(workspace, "orders", "wheelwarden") or None)
    assert (ours["state"], ours["installed"], ours["cacheMode"]) == ("Ready", ["six==1.16.0"], "shared-pvc")

    # It installs the next version without cleaning up: pip says nothing, its marker is new, and the old code is imported.
    workspace.apply(app(workspace, "orders", packages(indexes.open_url, "six==1.17.0")))
    stale = workspace.wait_condition("kasprapp", "orders", PACKAGES_INSTALLED, "False", "VersionMismatch")
    assert "six is 1.16.0" in stale["message"]
    assert status(workspace, "orders", "wheelwarden")["state"] == "Failed"
    claimed = wait_for(
        "what its owner believes",
        lambda: found if (found := status(workspace, "orders", "pythonPackages")).get("installed") else None,
    )
    assert claimed["installed"] == ["six==1.17.0"]
    assert workspace.python("orders-app-0", "import six; print(six.__version__)") == "1.16.0"

    # Taken over, it is true again; the pod is recreated by itself.
    workspace.apply(app(workspace, "orders", packages(indexes.open_url, "six==1.17.0"), install="managed"))
    workspace.wait_condition("kasprapp", "orders", PACKAGES_INSTALLED, "True", "Installed")
    workspace.wait_condition("kasprapp", "orders", IMPORTS_VERIFIED, "True", "ImportsSucceeded")
    assert workspace.python("orders-app-0", "import six; print(six.__version__)") == "1.17.0"


def test_a_failure_that_the_owner_lets_pass_is_told(workspace: Workspace, indexes: Indexes) -> None:
    asked = packages(indexes.open_url, "nowhere-to-be-found", installPolicy={"onFailure": "allow", "retries": 1})
    workspace.apply(app(workspace, "degraded", asked))
    missing = workspace.wait_condition("kasprapp", "degraded", PACKAGES_INSTALLED, "False", "PackageMissing")
    assert "nowhere-to-be-found is not there" in missing["message"]
    workspace.wait_condition("kasprapp", "degraded", IMPORTS_VERIFIED, "False", "ModuleNotFound")


def test_a_taken_over_installer_serves_its_owner_too(workspace: Workspace, indexes: Indexes) -> None:
    asked = packages(indexes.open_url, "six==1.16.0", "ww-twoface")
    workspace.apply(app(workspace, "taken", asked, install="managed", replicas=2))
    workspace.wait_condition("kasprapp", "taken", IMPORTS_VERIFIED, "True")
    pods = workspace.pods("kaspr.io/app=taken")
    for pod in pods:
        assert init_names(pod) == ["wheelwarden-tools", "install-packages"]
        mounts = {mount["mountPath"]: mount["name"] for mount in pod["spec"]["containers"][0]["volumeMounts"]}
        assert (mounts[OWN], mounts["/packages-store"]) == ("wheelwarden-view", "taken-app-packages")
    results = wait_for(
        "two results", lambda: found if len(found := workspace.install_results("kaspr.io/app=taken")) == 2 else None
    )
    assert sorted(result["outcome"] for result in results.values()) == ["installed", "reused"]
    assert workspace.python("taken-app-1", "import six; print(six.__file__)") == "/packages/site-packages/six.py"
    assert workspace.kubectl("exec", "-q", "taken-app-0", "--", "ls", "-A", "/packages-store").split() == [
        ".wheelwarden"
    ]

    # The operator reads its marker where it always does, and its status is true.
    theirs = wait_for(
        "the owner's status",
        lambda: found if (found := status(workspace, "taken", "pythonPackages")).get("installed") else None,
    )
    assert theirs["installed"] == ["six==1.16.0", "ww-twoface==1.0"]
    assert theirs["installedBy"] in results
    marker = workspace.kubectl("exec", "-q", "taken-app-0", "--", "cat", f"{OWN}/.installed-{theirs['hash']}")
    assert json.loads(marker)["packages"] == theirs["installed"]
    ours = status(workspace, "taken", "wheelwarden")
    assert (ours["state"], ours["cacheMode"]) == ("Ready", "shared-pvc")
    claim = workspace.get("pvc", "taken-app-python-packages")
    assert claim["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "kaspr-operator"

    # Its owner rolls the pods when the packages change; the old set is not in the way of the new one.
    asked = packages(indexes.open_url, "six==1.17.0")
    workspace.apply(app(workspace, "taken", asked, install="managed", replicas=2))

    def rolled() -> bool | None:
        found = workspace.install_results("kaspr.io/app=taken").values()
        return True if [result["installed"] for result in found] == [["six==1.17.0"]] * 2 else None

    wait_for("both pods have the new version", rolled)
    workspace.wait_condition("kasprapp", "taken", IMPORTS_VERIFIED, "True")
    assert workspace.python("taken-app-0", "import six; print(six.__version__)") == "1.17.0"


def events(workspace: Workspace, app_name: str) -> list[tuple[str, str]]:
    """(type, reason) of our events on an app and its pods."""
    found = workspace.get("events")["items"]
    return [
        (event["type"], event["reason"])
        for event in found
        if event.get("reportingComponent") == "wheelwarden-controller"
        and event["involvedObject"]["name"].startswith(app_name)
    ]


def is_there(workspace: Workspace, kind: str, name: str) -> bool:
    try:
        workspace.get(kind, name)
    except KubectlFailed:
        return False
    return True


def test_a_slow_operator_is_waited_for(workspace: Workspace, indexes: Indexes) -> None:
    slow = app(workspace, "slow", packages(indexes.open_url, "six==1.16.0"))
    slow["metadata"]["annotations"][DELAY] = "20"
    workspace.apply(slow)
    wait_for("its StatefulSet", lambda: is_there(workspace, "statefulset", "slow-app") or None)
    claim = workspace.get("pvc", "slow-app-python-packages")
    assert claim["metadata"]["labels"].get("app.kubernetes.io/managed-by") != "wheelwarden"
    workspace.wait_condition("kasprapp", "slow", PACKAGES_INSTALLED, "True", "Observed")
    theirs = wait_for(
        "the owner's status",
        lambda: found if (found := status(workspace, "slow", "pythonPackages")).get("installed") else None,
    )
    assert theirs["installed"] == ["six==1.16.0"]
    assert status(workspace, "slow", "wheelwarden")["hash"] != theirs["hash"]
    assert "InstallOwnerCorrected" not in [reason for _, reason in events(workspace, "slow")]


def test_a_running_app_is_taken_over_like_any_change(workspace: Workspace, indexes: Indexes) -> None:
    asked = packages(indexes.open_url, "six==1.16.0")
    workspace.apply(app(workspace, "moving", asked, replicas=2))
    workspace.wait_condition("kasprapp", "moving", PACKAGES_INSTALLED, "True", "Observed")
    workspace.wait_condition("kasprapp", "moving", IMPORTS_VERIFIED, "True")
    before = {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in workspace.pods("kaspr.io/app=moving")}
    workspace.apply(app(workspace, "moving", asked, install="managed", replicas=2))
    workspace.wait_condition("kasprapp", "moving", PACKAGES_INSTALLED, "Unknown", "RolloutPending")

    def taken_over() -> list[dict[str, Any]] | None:
        found = workspace.pods("kaspr.io/app=moving")
        return found if [init_names(pod) for pod in found] == [["wheelwarden-tools", "install-packages"]] * 2 else None

    pods = wait_for("both pods are taken over", taken_over)
    workspace.wait_condition("kasprapp", "moving", PACKAGES_INSTALLED, "True", "Installed")
    workspace.wait_condition("kasprapp", "moving", IMPORTS_VERIFIED, "True")
    assert all(pod["metadata"]["uid"] != before[pod["metadata"]["name"]] for pod in pods)
    told = events(workspace, "moving")
    assert told.count(("Normal", "PodReplaced")) == 2
    assert [reason for type_, reason in told if type_ == "Warning"] == []


def test_an_edit_is_not_judged_before_the_operator_has_acted_on_it(workspace: Workspace, indexes: Indexes) -> None:
    workspace.apply(app(workspace, "edited", packages(indexes.open_url, "six==1.16.0"), install="managed"))
    workspace.wait_condition("kasprapp", "edited", IMPORTS_VERIFIED, "True")
    asked = app(workspace, "edited", packages(indexes.open_url, "six==1.17.0", "ww-twoface"), install="managed")
    asked["metadata"]["annotations"]["wheelwarden.dev/verify-imports"] = "six, twoface_import"
    workspace.apply(asked)

    def rolled() -> bool | None:
        found = list(workspace.install_results("kaspr.io/app=edited").values())
        return True if [result["installed"] for result in found] == [["six==1.17.0", "ww-twoface==1.0"]] else None

    wait_for("the pod has the new packages", rolled)
    workspace.wait_condition("kasprapp", "edited", IMPORTS_VERIFIED, "True")
    assert [reason for type_, reason in events(workspace, "edited") if type_ == "Warning"] == []


def test_a_taken_over_installer_keeps_the_index_and_files_that_its_pod_gave_it(
    workspace: Workspace, indexes: Indexes
) -> None:
    """The operator's `pythonPackagesInitContainer`: the index is known from a Secret in its installer alone."""
    asked = {"packages": ["six==1.16.0"], "installPolicy": {"retries": 1}}
    workspace.apply(workspace.app("keyed", asked, replicas=0, annotations={INSTALL: "managed"}))
    secret = {"PIP_INDEX_URL": indexes.open_url, "PIP_TRUSTED_HOST": urlsplit(indexes.open_url).netloc}
    secret_object = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "pip"}, "stringData": secret}
    workspace.apply(secret_object)
    mount = {"name": "packages", "mountPath": OWN}
    reference = {"secretKeyRef": {"name": "pip", "key": "PIP_INDEX_URL"}}
    installer = {
        "name": "install-packages",
        "image": workspace.image,
        "command": ["false"],
        "env": [
            {"name": "PACKAGES_HASH", "value": "0123456789abcdef"},
            {"name": "PIP_INDEX_URL", "valueFrom": reference},
        ],
        "envFrom": [{"secretRef": {"name": "pip"}}],
        "volumeMounts": [mount, {"name": "pip", "mountPath": "/etc/pip-secret", "readOnly": True}],
    }
    main = {"name": "kaspr", "image": workspace.image, "command": ["sleep", "infinity"], "volumeMounts": [mount]}
    spec = {
        "containers": [main],
        "initContainers": [installer],
        "volumes": [{"name": "packages", "emptyDir": {}}, {"name": "pip", "secret": {"secretName": "pip"}}],
        "terminationGracePeriodSeconds": 1,
    }
    metadata = {"name": "by-hand", "labels": {"kaspr.io/app": "keyed"}}
    workspace.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    results = wait_for("the result", lambda: workspace.install_results("kaspr.io/app=keyed") or None)
    assert (results["by-hand"]["outcome"], results["by-hand"]["installed"]) == ("installed", ["six==1.16.0"])
    workspace.kubectl("wait", "pod/by-hand", "--for=condition=Ready", "--timeout=120s")
    assert workspace.python("by-hand", "import six; print(six.__file__)") == "/packages/site-packages/six.py"
