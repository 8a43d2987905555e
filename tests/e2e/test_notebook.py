"""A Notebook on a real node: conditions mirrored from its pod, results that outlive a stop, nobody's kernel killed."""

import json

import pytest

from tests.e2e.conftest import Indexes
from tests.e2e.workspace import (
    IMPORTS_VERIFIED,
    PACKAGES_INSTALLED,
    KubectlFailed,
    Object,
    Workspace,
    init_names,
    packages,
    wait_for,
)


def test_a_failing_import_is_told_and_heals_after_a_mend_and_a_restart(workspace: Workspace, indexes: Indexes) -> None:
    cache = {"accessMode": "ReadWriteOnce"}
    workspace.apply(workspace.notebook("lab", packages(indexes.open_url, "ww-broken==1.0", cache=cache)))
    failed = workspace.wait_condition("notebook", "lab", IMPORTS_VERIFIED, "False", "ImportFailed")
    assert "ww_broken: RuntimeError" in failed["message"]
    uid = workspace.get("pod", "lab-0")["metadata"]["uid"]

    workspace.apply(workspace.notebook("lab", packages(indexes.open_url, "ww-broken==1.1", cache=cache)))
    restart = workspace.wait_condition("notebook", "lab", PACKAGES_INSTALLED, "False", "RestartRequired")
    assert "kubectl delete pod lab-0" in restart["message"]
    assert workspace.get("pod", "lab-0")["metadata"]["uid"] == uid
    workspace.kubectl("delete", "pod", "lab-0")
    workspace.wait_condition("notebook", "lab", IMPORTS_VERIFIED, "True")

    workspace.kubectl("annotate", "notebook", "lab", "kubeflow-resource-stopped=now")
    wait_for(
        "the stop empties the status",
        lambda: True if not workspace.get("notebook", "lab")["status"].get("conditions") else None,
    )

    def last_result() -> Object | None:
        annotations = workspace.get("notebook", "lab")["metadata"]["annotations"]
        last: Object = json.loads(annotations.get("notebooks.wheelwarden.dev/last-result", "{}"))
        return last if last.get("installed") == ["ww-broken==1.1"] else None

    last = wait_for("the last result is kept", last_result)
    assert last["imports"] == [{"module": "ww_broken", "ok": True}]


def test_verify_imports_alone_proves_what_the_image_has_without_touching_the_pod(workspace: Workspace) -> None:
    marks = {"wheelwarden.dev/verify-imports": "json:loads, os.path\nnot_in_this_image"}
    workspace.apply(workspace.notebook("proof", annotations=marks))
    failed = workspace.wait_condition("notebook", "proof", IMPORTS_VERIFIED, "False", "ModuleNotFound")
    assert failed["message"].startswith("1 of 3 imports failed. not_in_this_image: ModuleNotFoundError")
    assert init_names(workspace.get("pod", "proof-0")) == []
    workspace.kubectl("annotate", "--overwrite", "notebook", "proof", "wheelwarden.dev/verify-imports=json:loads")
    workspace.wait_condition("notebook", "proof", IMPORTS_VERIFIED, "True")
    assert workspace.condition("notebook", "proof", PACKAGES_INSTALLED) is None


def test_the_users_files_are_never_imported_by_accident(workspace: Workspace, indexes: Indexes) -> None:
    main = {"workingDir": "/tmp", "command": ["sh", "-c", "echo 'raise SystemExit(9)' > six.py; exec sleep infinity"]}
    asked = packages(indexes.open_url, "six", cache={"enabled": False})
    workspace.apply(workspace.notebook("stray", asked, container=main))
    workspace.wait_condition("notebook", "stray", IMPORTS_VERIFIED, "True")


def test_an_image_with_a_pythonpath_of_its_own_keeps_it(workspace: Workspace, indexes: Indexes) -> None:
    main = {"env": [{"name": "PYTHONPATH", "value": "/srv/own"}]}
    asked = packages(indexes.open_url, "six", cache={"enabled": False})
    workspace.apply(workspace.notebook("path", asked, container=main))
    workspace.wait_condition("notebook", "path", IMPORTS_VERIFIED, "True")
    shown = workspace.python("path-0", "import os; print(os.environ['PYTHONPATH'])", container="path")
    assert shown == "/packages/site-packages:/srv/own"


def test_a_restricted_workload_with_a_read_only_root_installs_too(workspace: Workspace, indexes: Indexes) -> None:
    workspace.kubectl("label", "namespace", workspace.namespace, "pod-security.kubernetes.io/enforce=restricted")
    strict = {
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 1000,
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        }
    }
    asked = packages(indexes.open_url, "six", "ww-sdist", cache={"accessMode": "ReadWriteOnce"})
    workspace.apply(workspace.notebook("strict", asked, container=strict))
    workspace.wait_condition("notebook", "strict", IMPORTS_VERIFIED, "True")


def test_a_bad_request_is_refused_with_every_fault_and_no_password(workspace: Workspace) -> None:
    asked = "packages: [requests=1, 'numpy; rm -rf /']\nindexUrl: https://alice:s3cret@packages.example.com/simple\n"
    with pytest.raises(KubectlFailed) as raised:
        workspace.apply(workspace.notebook("bad", asked))
    text = str(raised.value)
    assert "denied the request" in text
    for path in ("packages[0]", "packages[1]", "indexUrl"):
        assert path in text
    assert "s3cret" not in text


@pytest.mark.parametrize("version", ["v1", "v1beta1", "v1alpha1"])
def test_every_served_version_is_judged(workspace: Workspace, version: str) -> None:
    notebook = workspace.notebook("versions", "packages: [")
    with pytest.raises(KubectlFailed, match="denied the request"):
        workspace.apply({**notebook, "apiVersion": f"kubeflow.org/{version}"})
