"""Volumes that cannot be had, and claims that are somebody else's: the packages come all the same."""

from typing import Any

from tests.e2e.conftest import Indexes
from tests.e2e.workspace import IMPORTS_VERIFIED, PACKAGES_INSTALLED, Workspace, packages, wait_for

ONE_NODE = {"enabled": True, "storageClass": "rwo-only"}
STORE = "wheelwarden-store"


def store_of(pod: dict[str, Any]) -> dict[str, Any]:
    [volume] = [volume for volume in pod["spec"]["volumes"] if volume["name"] == STORE]
    return {key: value for key, value in volume.items() if key != "name"}


def events(workspace: Workspace, name: str) -> dict[str, str]:
    """The messages of an object's events by reason."""
    found = workspace.get("events")["items"]
    return {event["reason"]: event["message"] for event in found if event["involvedObject"]["name"] == name}


def test_one_replica_falls_back_to_a_volume_of_one_node(workspace: Workspace, indexes: Indexes) -> None:
    workspace.apply(workspace.app("single", packages(indexes.open_url, "six==1.16.0", cache=ONE_NODE)))
    workspace.wait_condition("kasprapp", "single", IMPORTS_VERIFIED, "True")
    claim = workspace.get("pvc", "single-app-python-packages")
    assert (claim["spec"]["accessModes"], claim["status"]["phase"]) == (["ReadWriteOnce"], "Bound")
    reason = "The volume is ReadWriteOnce, since ReadWriteMany cannot be had: "
    reason += "storage class rwo-only supports ReadWriteOnce only"
    status = wait_for(
        "the status tells of it",
        lambda: found if (found := workspace.packages_status("single")).get("cacheMode") == "pvc" else None,
    )
    assert (status["cacheMode"], status["warnings"][0]) == ("pvc", reason)
    assert events(workspace, "single")["CacheFallback"] == reason


def test_several_replicas_fall_back_to_installing_for_themselves(workspace: Workspace, indexes: Indexes) -> None:
    workspace.apply(workspace.app("several", packages(indexes.open_url, "six==1.16.0", cache=ONE_NODE), replicas=2))
    installed = workspace.wait_condition("kasprapp", "several", PACKAGES_INSTALLED, "True")
    workspace.wait_condition("kasprapp", "several", IMPORTS_VERIFIED, "True")
    pods = workspace.pods("kaspr.io/app=several")
    assert [store_of(pod) for pod in pods] == [{"emptyDir": {}}] * 2
    status = workspace.packages_status("several")
    assert status["cacheMode"] == "emptyDir"
    assert (
        "Each pod installs for itself, since the claim several-app-python-packages cannot be used"
        in (installed["message"])
    )
    outcomes = [result["outcome"] for result in workspace.install_results("kaspr.io/app=several").values()]
    assert outcomes == ["installed", "installed"]


def test_a_notebook_falls_back_too_and_says_so(workspace: Workspace, indexes: Indexes) -> None:
    workspace.apply(workspace.notebook("lab", packages(indexes.open_url, "six==1.16.0", cache=ONE_NODE)))
    installed = workspace.wait_condition("notebook", "lab", PACKAGES_INSTALLED, "True")
    assert "The volume is ReadWriteOnce, since ReadWriteMany cannot be had" in installed["message"]
    workspace.wait_condition("notebook", "lab", IMPORTS_VERIFIED, "True")


def test_a_strangers_claim_is_neither_used_nor_touched(workspace: Workspace, indexes: Indexes) -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "taken-app-python-packages"},
        "spec": {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Mi"}}},
    }
    workspace.apply(claim)
    before = workspace.get("pvc", "taken-app-python-packages")["spec"]
    workspace.apply(workspace.app("taken", packages(indexes.open_url, "six==1.16.0")))
    workspace.wait_condition("kasprapp", "taken", IMPORTS_VERIFIED, "True")
    assert store_of(workspace.pods("kaspr.io/app=taken")[0]) == {"emptyDir": {}}
    after = workspace.get("pvc", "taken-app-python-packages")
    assert {**before, "volumeName": after["spec"]["volumeName"]} == after["spec"]
    assert "ownerReferences" not in after["metadata"]
    assert "belongs to somebody else" in events(workspace, "taken")["ClaimConflict"]
    assert workspace.packages_status("taken")["cacheMode"] == "emptyDir"
