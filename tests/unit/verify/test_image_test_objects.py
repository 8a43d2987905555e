"""The object of an image test, whole, for each of the two kinds."""

from typing import Any

from wheelwarden.kube import NOTEBOOKS, PODS
from wheelwarden.verify import CustomImageTestConfiguration
from wheelwarden.verify.image_test.objects import build_object, is_restricted, resource_of

IMAGE = "registry.example.com/lab:1"
LABELS = {"app.kubernetes.io/managed-by": "wheelwarden", "wheelwarden.dev/image-test": "abc"}
SECURITY = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def _configuration(**asked: Any) -> CustomImageTestConfiguration:
    return CustomImageTestConfiguration(
        namespace="test-lab", notebook_name="lab", custom_image=IMAGE, packages_to_verify=["json"], **asked
    )


def test_a_plain_pod_sleeps_in_python_and_has_a_limited_lifetime() -> None:
    configuration = _configuration(as_notebook=False)
    assert resource_of(configuration) is PODS
    assert build_object(configuration, "abc", restricted=False, lifetime_seconds=900) == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "lab", "namespace": "test-lab", "labels": LABELS},
        "spec": {
            "containers": [
                {
                    "name": "lab",
                    "image": IMAGE,
                    "command": ["python3", "-I", "-c", "import signal; signal.pause()"],
                    "workingDir": "/workspace",
                    "volumeMounts": [{"name": "workspace", "mountPath": "/workspace"}],
                    "securityContext": SECURITY,
                }
            ],
            "volumes": [{"name": "workspace", "emptyDir": {}}],
            "terminationGracePeriodSeconds": 1,
            "enableServiceLinks": False,
            "automountServiceAccountToken": False,
            "activeDeadlineSeconds": 900,
        },
    }


def test_a_notebook_runs_the_images_own_command_and_has_the_annotations_of_its_sidecar() -> None:
    annotations = {"notebooks.opendatahub.io/inject-auth": "true"}
    configuration = _configuration(auth_annotations=annotations, port=8888, cpu="1", memory="2Gi")
    assert resource_of(configuration) is NOTEBOOKS
    assert build_object(configuration, "abc", restricted=False, lifetime_seconds=900) == {
        "apiVersion": "kubeflow.org/v1",
        "kind": "Notebook",
        "metadata": {"name": "lab", "namespace": "test-lab", "labels": LABELS, "annotations": annotations},
        "spec": {
            "template": {
                "spec": {
                    "containers": [
                        {
                            "name": "lab",
                            "image": IMAGE,
                            "workingDir": "/workspace",
                            "volumeMounts": [{"name": "workspace", "mountPath": "/workspace"}],
                            "securityContext": SECURITY,
                            "ports": [{"name": "notebook-port", "containerPort": 8888, "protocol": "TCP"}],
                            "readinessProbe": {"tcpSocket": {"port": 8888}, "periodSeconds": 2},
                            "resources": {
                                "requests": {"cpu": "1", "memory": "2Gi"},
                                "limits": {"cpu": "1", "memory": "2Gi"},
                            },
                        }
                    ],
                    "volumes": [{"name": "workspace", "emptyDir": {}}],
                    "terminationGracePeriodSeconds": 1,
                    "enableServiceLinks": False,
                }
            }
        },
    }


def _container(*, restricted: bool = False, **asked: Any) -> dict[str, Any]:
    body = build_object(_configuration(**asked), "abc", restricted=restricted, lifetime_seconds=None)
    container: dict[str, Any] = body["spec"]["template"]["spec"]["containers"][0]
    return container


def test_a_restricted_namespace_or_a_user_other_than_root_sets_run_as_non_root() -> None:
    assert _container()["securityContext"] == SECURITY
    assert _container(restricted=True)["securityContext"] == {**SECURITY, "runAsNonRoot": True}
    assert _container(user=1000)["securityContext"] == {**SECURITY, "runAsNonRoot": True, "runAsUser": 1000}
    assert _container(user=0)["securityContext"] == {**SECURITY, "runAsUser": 0}


def test_a_command_replaces_that_of_the_image() -> None:
    assert "command" not in _container()
    assert _container(command=("sh", "-c", "exit 3"))["command"] == ["sh", "-c", "exit 3"]


def test_a_restricted_namespace_is_recognised_by_its_label() -> None:
    label = "pod-security.kubernetes.io/enforce"
    assert is_restricted({"metadata": {"labels": {label: "restricted"}}})
    assert not is_restricted({"metadata": {"labels": {label: "baseline"}}})
    assert not is_restricted({"metadata": {}})
