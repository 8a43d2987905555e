"""Notebook (Kubeflow, Open Data Hub): packages by annotation, one pod, and a controller that mirrors its pod.

Kubeflow's controller builds `status` from the pod at each reconcile, so a condition is written to the pod, and what has to
outlive a stop is kept in an annotation. The CRD keeps `lastProbeTime` and drops `observedGeneration`; both are the pod's
matter here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from wheelwarden.api import names
from wheelwarden.api.kinds.base import MAX_STATEFULSET_NAME, Container, NameLimit, WorkloadKind
from wheelwarden.api.objects import annotations_of

# Its pod goes while an object has this annotation, whatever its value.
STOPPED_ANNOTATION: Final = "kubeflow-resource-stopped"


@dataclass(frozen=True, kw_only=True, eq=False)
class Notebook(WorkloadKind):
    """One user's notebook server."""

    def main_container(self, name: str, containers: Sequence[Container]) -> Container | None:
        """The one named like the Notebook, else the first."""
        named = (container for container in containers if container.get("name") == name)
        return next(named, None) or super().main_container(name, containers)

    def wanted_replicas(self, obj: Mapping[str, Any]) -> int:
        """One while it is not stopped."""
        return 0 if STOPPED_ANNOTATION in annotations_of(obj) else 1


NOTEBOOK: Final = Notebook(
    name="Notebook",
    group="kubeflow.org",
    versions=("v1", "v1beta1", "v1alpha1"),
    plural="notebooks",
    pod_label=names.NOTEBOOK_NAME_LABEL,
    default_rollout="manual",  # nobody's kernel is killed
    packages_field=False,
    max_name=NameLimit(most=63, reason="it does not fit a label of its pods, so no pod is ever made"),
    # Open Data Hub's controller has its StatefulSet named by the API server where the name is longer than that.
    advised_name=NameLimit(
        most=MAX_STATEFULSET_NAME,
        reason="Open Data Hub's controller does not find the pod of such a Notebook, so its conditions stay empty (events"
        " and the annotation last-result tell), and Kubeflow's own makes no pod",
    ),
    last_result_annotation=names.LAST_RESULT_ANNOTATION,
    copies_pod_events=True,
)
