"""The package verification contract against a real kubelet."""

import pytest

from tests.e2e.workspace import Workspace, wait_for
from wheelwarden import PackageVerificationResult, verify_package_import
from wheelwarden.errors import ContainerNotFoundError, PodNotReadyError, ResourceNotFoundError
from wheelwarden.verify import PodReference


@pytest.fixture
def pod(workspace: Workspace) -> PodReference:
    """A running pod that has logged two lines."""
    main = {
        "name": "main",
        "image": workspace.image,
        "command": ["sh", "-c", "echo one; echo two; exec sleep infinity"],
    }
    spec = {"terminationGracePeriodSeconds": 1, "containers": [main]}
    workspace.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "some-pod"}, "spec": spec})
    workspace.kubectl("wait", "--for=condition=Ready", "pod/some-pod", "--timeout=120s")
    return PodReference(workspace.namespace, "some-pod")


def test_each_module_gets_its_result_and_a_failure_its_logs(pod: PodReference) -> None:
    results = verify_package_import(pod, "main", ["json", "missing_pkg", "os:getcwd", "os:nothing"], timeout=30)
    assert set(results) == {"json", "missing_pkg", "os:getcwd", "os:nothing"}
    assert {name: result.import_successful for name, result in results.items()} == {
        "json": True,
        "missing_pkg": False,
        "os:getcwd": True,
        "os:nothing": False,
    }
    good, bad = results["json"], results["missing_pkg"]
    assert isinstance(good, PackageVerificationResult)
    assert (good.error_message, good.pod_logs) == (None, None)
    assert bad.error_message == "ModuleNotFoundError: No module named 'missing_pkg'"
    assert "Traceback" in bad.stderr
    assert bad.pod_logs == "one\ntwo\n"
    assert all(0 <= result.execution_time_seconds < 30 for result in results.values())


def test_without_diagnostics_no_logs_are_fetched(pod: PodReference) -> None:
    results = verify_package_import(pod, "main", ["missing_pkg"], collect_diagnostics=False)
    assert results["missing_pkg"].pod_logs is None


def test_what_cannot_be_verified_is_named(pod: PodReference, workspace: Workspace) -> None:
    with pytest.raises(ContainerNotFoundError, match="it has main"):
        verify_package_import(pod, "other", ["json"])
    with pytest.raises(ResourceNotFoundError, match="does not exist"):
        verify_package_import(PodReference(pod.namespace, "nobody"), "main", ["json"])
    broken = {"name": "main", "image": "localhost/not-there:1", "imagePullPolicy": "Never"}
    workspace.apply(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "stuck"}, "spec": {"containers": [broken]}}
    )
    wait_for("the pod is pending", lambda: workspace.get("pod", "stuck")["status"].get("phase"))
    with pytest.raises(PodNotReadyError, match="Pending"):
        verify_package_import(PodReference(pod.namespace, "stuck"), "main", ["json"])
