"""A made-up third kind, to show what a kind costs: its `WorkloadKind`, its definition, and a controller of a few lines.

It differs from both real kinds at every point that it can: packages by annotation, several pods, a status that others may
write, with `lastProbeTime` and without `observedGeneration`, and a main container that is the last one.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from unittest import mock

from wheelwarden.api import kinds
from wheelwarden.api.conditions import ConditionShape
from wheelwarden.api.kinds import NameLimit, WorkloadKind
from wheelwarden.api.kinds.base import Container
from wheelwarden.api.objects import Object, mapping_in

LABEL: Final = "jobs.example.com/job"
IMAGE: Final = "registry.example.com/job:1"


@dataclass(frozen=True, kw_only=True, eq=False)
class DataJob(WorkloadKind):
    """A job that several workers share."""

    def main_container(self, name: str, containers: Sequence[Container]) -> Container | None:
        return containers[-1] if containers else None

    def wanted_replicas(self, obj: Mapping[str, Any]) -> int:
        return int(mapping_in(obj, "spec").get("workers", 1))


DATA_JOB: Final = DataJob(
    name="DataJob",
    group="jobs.example.com",
    versions=("v1", "v1beta1"),
    plural="datajobs",
    pod_label=LABEL,
    default_rollout="auto",
    packages_field=False,
    max_name=NameLimit(most=40, reason="it does not fit the names of its workers, so no pod is ever made"),
    conditions=ConditionShape(observed_generation=False, last_probe_time=True),
)


@contextlib.contextmanager
def registered() -> Iterator[WorkloadKind]:
    """The kind is known for as long as the block runs: what its line in `KINDS` would do for good."""
    with mock.patch.object(kinds, "KINDS", (*kinds.KINDS, DATA_JOB)):
        yield DATA_JOB


def _any_fields(**properties: Any) -> Object:
    return {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "properties": properties}


_CONDITION: Final = {
    "type": "object",
    "required": ["type", "status"],
    "properties": {
        field: {"type": "string"}
        for field in ("type", "status", "reason", "message", "lastTransitionTime", "lastProbeTime")
    },
}
DEFINITION: Final[Object] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": f"{DATA_JOB.plural}.{DATA_JOB.group}"},
    "spec": {
        "group": DATA_JOB.group,
        "scope": "Namespaced",
        "names": {"kind": DATA_JOB.name, "plural": DATA_JOB.plural, "singular": "datajob"},
        "versions": [
            {
                "name": version,
                "served": True,
                "storage": version == DATA_JOB.versions[0],
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": _any_fields(
                        spec=_any_fields(), status=_any_fields(conditions={"type": "array", "items": _CONDITION})
                    )
                },
            }
            for version in DATA_JOB.versions
        ],
    },
}


def data_job(name: str, workers: int, **annotations: str) -> Object:
    return {
        "apiVersion": DATA_JOB.api_version,
        "kind": DATA_JOB.name,
        "metadata": {"name": name, "annotations": annotations},
        "spec": {"workers": workers},
    }


def pods_of(job: Object) -> list[Object]:
    """What its controller makes."""
    name = job["metadata"]["name"]
    containers = [{"name": "proxy", "image": IMAGE}, {"name": "worker", "image": IMAGE}]
    return [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"{name}-{index}", "labels": {LABEL: name}},
            "spec": {"containers": containers},
        }
        for index in range(job["spec"]["workers"])
    ]
