"""The kinds that Wheelwarden guards: where each keeps its request, its pods and its claim.

Everything that differs between a Notebook and a KasprApp stands here, so that rules, webhook and controller need not
ask which kind they hold. Pure: objects are plain mappings as the API server gives them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from wheelwarden.api import names


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """One guarded kind.

    Attributes:
        name: `Notebook` or `KasprApp`.
        group: API group.
        versions: every served version; the first is the one we read.
        plural: resource name.
        pod_label: the label whose value on a pod is the object's name.
        default_rollout: `auto` or `manual`.
    """

    name: str
    group: str
    versions: tuple[str, ...]
    plural: str
    pod_label: str
    default_rollout: str

    @property
    def api_version(self) -> str:
        """The apiVersion we read and refer to."""
        return f"{self.group}/{self.versions[0]}"


NOTEBOOK: Final = Kind(
    name="Notebook",
    group="kubeflow.org",
    versions=("v1", "v1beta1", "v1alpha1"),
    plural="notebooks",
    pod_label=names.NOTEBOOK_NAME_LABEL,
    default_rollout="manual",  # nobody's kernel is killed
)
KASPR_APP: Final = Kind(
    name="KasprApp",
    group="kaspr.io",
    versions=("v1alpha1",),
    plural="kasprapps",
    pod_label=names.KASPR_APP_LABEL,
    default_rollout="auto",
)
KINDS: Final = (NOTEBOOK, KASPR_APP)

PACKAGES_FIELD: Final = "spec.pythonPackages"


def kind_of(api_version: str, kind: str) -> Kind | None:
    """The guarded kind of an object's apiVersion and kind, in any served version; None for kinds that are not ours."""
    group, _, version = api_version.rpartition("/")
    for candidate in KINDS:
        if candidate.name == kind and candidate.group == group and version in candidate.versions:
            return candidate
    return None


def kind_of_unknown_version(api_version: str, kind: str) -> Kind | None:
    """The guarded kind whose group and name an object has, in a version that we do not know; None for all others."""
    group, _, version = api_version.rpartition("/")
    for candidate in KINDS:
        if candidate.name == kind and candidate.group == group and version not in candidate.versions:
            return candidate
    return None


def kind_of_pod(labels: Mapping[str, str]) -> tuple[Kind, str] | None:
    """The kind and name of the object that a pod's labels say it belongs to; None for other people's pods."""
    for kind in KINDS:
        name = labels.get(kind.pod_label)
        if name:
            return kind, name
    return None


def mapping_in(obj: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The mapping under a key, empty where there is none or where something else stands in its place.

    Offline, nobody has checked the outer shape of an object before us; in the cluster the API server has.
    """
    value = obj.get(key)
    return value if isinstance(value, Mapping) else {}


def annotations_of(obj: Mapping[str, Any]) -> Mapping[str, str]:
    """An object's annotations, empty where it has none; offline, a value may be no string."""
    return mapping_in(mapping_in(obj, "metadata"), "annotations")


def claim_name(kind: Kind, name: str) -> str:
    """The name of the shared claim: the seeds' name for a KasprApp (`<app>-app-python-packages`)."""
    component = f"{name}-app" if kind is KASPR_APP else name
    return f"{component}-python-packages"


def statefulset_name(name: str) -> str:
    """The StatefulSet that a KasprApp's operator makes (upstream-kaspr)."""
    return f"{name}-app"


def main_container(kind: Kind, name: str, containers: list[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The container that runs the user's code: the one named like the Notebook, else the first; None where none is."""
    if kind is NOTEBOOK:
        for container in containers:
            if container.get("name") == name:
                return container
    return containers[0] if containers else None


def is_alive(pod: Mapping[str, Any]) -> bool:
    """Whether a pod's containers may still run; one that has not started yet is alive."""
    return mapping_in(pod, "status").get("phase") not in ("Succeeded", "Failed")


def wanted_replicas(kind: Kind, obj: Mapping[str, Any]) -> int:
    """How many pods the object asks for: `spec.replicas` of a KasprApp (default 1), one of a running Notebook."""
    if kind is NOTEBOOK:
        return 0 if "kubeflow-resource-stopped" in annotations_of(obj) else 1
    replicas = mapping_in(obj, "spec").get("replicas")
    return replicas if isinstance(replicas, int) and not isinstance(replicas, bool) else 1
