"""The Pod or Notebook that is made to test an image. Pure: no I/O here.

What runs in it gets no token of the API server (but for the authentication sidecar's sake), no privileges, no capabilities,
and no volume but an emptyDir.
"""

from collections.abc import Mapping
from typing import Any, Final

from wheelwarden.api import names
from wheelwarden.kube import NOTEBOOKS, PODS, Resource
from wheelwarden.verify.image_test.configuration import CustomImageTestConfiguration

WORKSPACE_PATH: Final = "/workspace"
_WORKSPACE: Final = "workspace"
# What the probe needs anyway, so it keeps out no image that could pass.
_WAIT_FOREVER: Final = ("python3", "-I", "-c", "import signal; signal.pause()")
_GRACE_SECONDS: Final = 1  # there is no work to save
_PROBE_SECONDS: Final = 2
# Labels of Pod Security Admission and of the Security Context Constraints of OpenShift, on a namespace.
_POD_SECURITY_LABEL: Final = "pod-security.kubernetes.io/enforce"
_RESTRICTED: Final = "restricted"


def is_restricted(namespace: Mapping[str, Any]) -> bool:
    """Whether a namespace admits only pods of the Pod Security level `restricted`."""
    return (namespace["metadata"].get("labels") or {}).get(_POD_SECURITY_LABEL) == _RESTRICTED


def resource_of(configuration: CustomImageTestConfiguration) -> Resource:
    """What is made: a Notebook or a Pod."""
    return NOTEBOOKS if configuration.as_notebook else PODS


def build_object(
    configuration: CustomImageTestConfiguration, run: str, *, restricted: bool, lifetime_seconds: int | None
) -> dict[str, Any]:
    """The object of one run.

    Args:
        configuration: what is asked for.
        run: a value that no other run has, for the label.
        restricted: whether to say that it must not run as root, as the level `restricted` wants it said. Else an image
            that runs as root may: everything else the level asks for holds always.
        lifetime_seconds: after which a Pod is ended even if nobody is left to delete it; None: it stays.
    """
    resource = resource_of(configuration)
    body: dict[str, Any] = {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {
            "name": configuration.notebook_name,
            "namespace": configuration.namespace,
            "labels": {names.MANAGED_BY_LABEL: names.MANAGED_BY, names.IMAGE_TEST_LABEL: run},
        },
    }
    spec = _pod_spec(configuration, restricted=restricted)
    if configuration.as_notebook:
        body["metadata"]["annotations"] = dict(configuration.auth_annotations)
        return {**body, "spec": {"template": {"spec": spec}}}
    if lifetime_seconds is not None:
        spec["activeDeadlineSeconds"] = lifetime_seconds
    return {**body, "spec": spec}


def _pod_spec(configuration: CustomImageTestConfiguration, *, restricted: bool) -> dict[str, Any]:
    # In the container, not in the pod: a pod-level context would keep Kubeflow from setting its fsGroup.
    security: dict[str, Any] = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    if restricted or configuration.user:
        security["runAsNonRoot"] = True
    if configuration.user is not None:
        security["runAsUser"] = configuration.user
    container: dict[str, Any] = {
        "name": configuration.notebook_name,
        "image": configuration.custom_image,
        "workingDir": WORKSPACE_PATH,
        "volumeMounts": [{"name": _WORKSPACE, "mountPath": WORKSPACE_PATH}],
        "securityContext": security,
    }
    command = list(configuration.command) or ([] if configuration.as_notebook else list(_WAIT_FOREVER))
    if command:
        container["command"] = command
    if configuration.port is not None:
        probe = {"tcpSocket": {"port": configuration.port}, "periodSeconds": _PROBE_SECONDS}
        container["ports"] = [{"name": "notebook-port", "containerPort": configuration.port, "protocol": "TCP"}]
        container["readinessProbe"] = probe
    asked = {name: value for name, value in (("cpu", configuration.cpu), ("memory", configuration.memory)) if value}
    if asked:
        container["resources"] = {"requests": asked, "limits": dict(asked)}
    spec: dict[str, Any] = {
        "containers": [container],
        "volumes": [{"name": _WORKSPACE, "emptyDir": {}}],
        "terminationGracePeriodSeconds": _GRACE_SECONDS,
        "enableServiceLinks": False,
    }
    if not configuration.auth_annotations:
        spec["automountServiceAccountToken"] = False
    return spec
