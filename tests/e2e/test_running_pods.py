"""What pods are allowed to be, and what they keep: any uid, no write access but to volumes, and the set they started with."""

from tests.e2e.conftest import Indexes
from tests.e2e.workspace import IMPORTS_VERIFIED, Workspace, packages, run_kubectl, wait_for

# Every file with its digest, and nothing else of it: a line that changes with any bit.
DIGEST = """
import hashlib, pathlib
files = sorted(path for path in pathlib.Path("/packages/site-packages/").rglob("*") if path.is_file())
whole = hashlib.sha256(b"".join(str(path).encode() + hashlib.sha256(path.read_bytes()).digest() for path in files))
print(len(files), whole.hexdigest())
"""


def test_an_arbitrary_uid_of_group_0_in_a_restricted_namespace_has_its_packages(
    workspace: Workspace, indexes: Indexes
) -> None:
    """As OpenShift runs pods: a uid that no image knows, the group 0, and an fsGroup."""
    run_kubectl("label", "namespace", workspace.namespace, "pod-security.kubernetes.io/enforce=restricted")
    app = workspace.app("anybody", packages(indexes.open_url, "six==1.17.0", "ww-native"), replicas=2)
    container = {
        "name": "kaspr",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
    }
    security = {
        "runAsUser": 1000650000,
        "runAsGroup": 0,
        "fsGroup": 1000650000,
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    app["spec"]["podTemplate"] = {"spec": {"containers": [container], "securityContext": security}}
    workspace.apply(app)
    workspace.wait_condition("kasprapp", "anybody", IMPORTS_VERIFIED, "True")
    results = wait_for(
        "both pods' results",
        lambda: found if len(found := workspace.install_results("kaspr.io/app=anybody")) == 2 else None,
    )
    assert sorted(result["outcome"] for result in results.values()) == ["installed", "reused"]
    assert (
        workspace.python("anybody-app-1", "import os, ww_native; print(os.getuid(), ww_native.answer())")
        == "1000650000 42"
    )


def test_a_running_pod_keeps_its_set_bit_for_bit_while_others_get_another(
    workspace: Workspace, indexes: Indexes
) -> None:
    manual = {"annotations": {"wheelwarden.dev/rollout": "manual"}}
    before = packages(indexes.open_url, "ww-versions==1.0", "six==1.16.0")
    workspace.apply(workspace.app("kept", before, replicas=2, **manual))
    workspace.wait_condition("kasprapp", "kept", IMPORTS_VERIFIED, "True")
    wait_for("both pods", lambda: True if len(workspace.install_results("kaspr.io/app=kept")) == 2 else None)
    digest = workspace.python("kept-app-0", DIGEST)
    assert int(digest.split()[0]) > 4

    after = packages(indexes.open_url, "ww-versions==2.0", "six==1.17.0")
    workspace.apply(workspace.app("kept", after, replicas=2, **manual))
    workspace.kubectl("delete", "pod", "kept-app-1")

    def renewed() -> bool | None:
        result = workspace.install_results("kaspr.io/app=kept").get("kept-app-1")
        return True if result and result["installed"] == ["six==1.17.0", "ww-versions==2.0"] else None

    wait_for("the new pod has the new set", renewed)
    assert workspace.python("kept-app-0", DIGEST) == digest
    assert workspace.python("kept-app-0", "import ww_versions; print(ww_versions.__version__)") == "1.0"
    workspace.kubectl("wait", "--for=condition=Ready", "pod/kept-app-1", "--timeout=60s")
    assert workspace.python("kept-app-1", "import ww_versions; print(ww_versions.__version__)") == "2.0"
