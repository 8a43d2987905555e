"""Notebook (Kubeflow, Open Data Hub): packages in an annotation, one pod, and a controller that mirrors its pod.

Kubeflow's controller builds `status` from the pod at each reconcile. So conditions are written to the pod, and the result
that must survive a stopped Notebook is kept in an annotation. The CRD keeps `lastProbeTime` and drops
`observedGeneration`; that does not matter, because we write neither to the Notebook.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from wheelwarden.api import names
from wheelwarden.api.kinds.base import MAX_STATEFULSET_NAME, Container, NameLimit, WorkloadKind
from wheelwarden.api.objects import annotations_of

# A Notebook with this annotation is stopped and has no pod, whatever the annotation's value.
STOPPED_ANNOTATION: Final = "kubeflow-resource-stopped"


@dataclass(frozen=True, kw_only=True, eq=False)
class Notebook(WorkloadKind):
    """One user's notebook server."""

    def main_container(self, name: str, containers: Sequence[Container]) -> Container | None:
        """The container with the Notebook's name, else the first."""
        named = (container for container in containers if container.get("name") == name)
        return next(named, None) or super().main_container(name, containers)

    def wanted_replicas(self, obj: Mapping[str, Any]) -> int:
        """One, or none if the Notebook is stopped."""
        return 0 if STOPPED_ANNOTATION in annotations_of(obj) else 1


NOTEBOOK: Final = Notebook(
    name="Notebook",
    group="kubeflow.org",
    versions=("v1", "v1beta1", "v1alpha1"),
    plural="notebooks",
    pod_label=names.NOTEBOOK_NAME_LABEL,
    default_rollout="manual",  # a restart would kill the user's kernel
    packages_field=False,
    max_name=NameLimit(most=63, reason="it is too long for a label of its pods, so no pod is ever created"),
    # For a longer name Open Data Hub's controller lets the API server generate the name of the StatefulSet.
    advised_name=NameLimit(
        most=MAX_STATEFULSET_NAME,
        reason="Open Data Hub's controller does not find the pod of such a Notebook, so its conditions stay empty (its"
        " events and the annotation last-result have the result), and Kubeflow's own controller creates no pod",
    ),
    last_result_annotation=names.LAST_RESULT_ANNOTATION,
    copies_pod_events=True,
)
