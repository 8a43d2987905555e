"""Builds the Pod or Notebook of an image test. Pure.

It gets no API token (except with an authentication sidecar, which needs one), no privileges, no capabilities, and an
emptyDir as the only volume.
"""

from collections.abc import Mapping
from typing import Any, Final

from wheelwarden.api import names
from wheelwarden.kube import NOTEBOOKS, PODS, Resource
from wheelwarden.verify.image_test.configuration import CustomImageTestConfiguration

WORKSPACE_PATH: Final = "/workspace"
_WORKSPACE: Final = "workspace"
# The probe needs Python anyway, so this excludes no image that could pass.
_WAIT_FOREVER: Final = ("python3", "-I", "-c", "import signal; signal.pause()")
_GRACE_SECONDS: Final = 1  # there is nothing to save
_PROBE_SECONDS: Final = 2
# Pod Security Admission's label on a namespace.
_POD_SECURITY_LABEL: Final = "pod-security.kubernetes.io/enforce"
_RESTRICTED: Final = "restricted"


def is_restricted(namespace: Mapping[str, Any]) -> bool:
    """Whether a namespace admits only pods of the Pod Security level `restricted`."""
    return (namespace["metadata"].get("labels") or {}).get(_POD_SECURITY_LABEL) == _RESTRICTED


def resource_of(configuration: CustomImageTestConfiguration) -> Resource:
    """The resource to create: Notebook or Pod."""
    return NOTEBOOKS if configuration.as_notebook else PODS


def build_object(
    configuration: CustomImageTestConfiguration, run: str, *, restricted: bool, lifetime_seconds: int | None
) -> dict[str, Any]:
    """Build the object of one run.

    Args:
        configuration: the parameters.
        run: the unique label value of this run.
        restricted: whether to set `runAsNonRoot`, which the level `restricted` requires. Otherwise images may run as
            root; everything else that the level requires is always set.
        lifetime_seconds: after this time a Pod ends even if nobody deletes it; None: no limit.
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
    # On the container, not on the pod: with a pod-level context Kubeflow would not set its fsGroup.
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
