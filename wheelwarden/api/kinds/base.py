"""`WorkloadKind`: everything in which guarded kinds differ. Each kind has a module here; no other code names a kind.

Methods take plain mappings, as read from the API server or a file. Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from wheelwarden.api.conditions import ConditionShape

PACKAGES_FIELD: Final = "spec.pythonPackages"
# A StatefulSet with a longer name creates no pod: the pod's label controller-revision-hash is the name and eleven more
# characters, and a label value has at most 63 (observed on Kubernetes 1.34).
MAX_STATEFULSET_NAME: Final = 52
Container = TypeVar("Container", bound=Mapping[str, Any])


@dataclass(frozen=True, kw_only=True, slots=True)
class NameLimit:
    """How many characters a name may have, and what is wrong with a longer name (the end of a sentence)."""

    most: int
    reason: str


@dataclass(frozen=True, kw_only=True, eq=False)
class WorkloadKind:
    """One guarded kind. Kinds are compared by identity.

    Attributes:
        name: the value of `kind` in its objects.
        group: API group.
        versions: every served version; we read the first.
        plural: resource name.
        pod_label: the pod label whose value is the name of the object.
        default_rollout: `auto` or `manual`.
        packages_field: whether objects request packages in `spec.pythonPackages`; otherwise they use the annotation.
        max_name: with a longer name no pod is ever created.
        advised_name: with a longer name some features do not work; None if there is no such limit.
        conditions: how conditions are written to an object's status, along with `status.pythonPackages` and
            `status.wheelwarden`; None if the kind's controller copies its pods' conditions and drops all others.
        last_result_annotation: the object's annotation with the last result; empty if its status has the result.
        copies_pod_events: whether the kind's controller repeats its pods' events on the object.
        operator_installs: whether the kind's operator may install the packages itself.
        operators_claim_label: (label, value) of the claim that this operator creates for packages; None if it creates none.
        cache_default_of: what sets `cache.enabled` to false if it is left out, as named in messages; empty if nothing does.
    """

    name: str
    group: str
    versions: tuple[str, ...]
    plural: str
    pod_label: str
    default_rollout: str
    packages_field: bool
    max_name: NameLimit
    advised_name: NameLimit | None = None
    conditions: ConditionShape | None = None
    last_result_annotation: str = ""
    copies_pod_events: bool = False
    operator_installs: bool = False
    operators_claim_label: tuple[str, str] | None = None
    cache_default_of: str = ""

    @property
    def api_version(self) -> str:
        """The apiVersion that we read and refer to."""
        return f"{self.group}/{self.versions[0]}"

    def pods_of(self, name: str) -> str:
        """The label selector for an object's pods."""
        return f"{self.pod_label}={name}"

    def owner_of(self, labels: Mapping[str, str]) -> str:
        """The name of the object that owns a pod with these labels; empty for other pods."""
        return labels.get(self.pod_label) or ""

    def main_container(self, name: str, containers: Sequence[Container]) -> Container | None:
        """The container of a pod that runs the user's code; None if there are no containers."""
        return containers[0] if containers else None

    def wanted_replicas(self, obj: Mapping[str, Any]) -> int:
        """How many pods an object requests."""
        return 1

    def own_image(self, obj: Mapping[str, Any]) -> Any:
        """The optional image in an object's spec; empty or None if it is not set, or if the kind requires one."""
        return None

    def stateful_set_name(self, name: str) -> str:
        """The name of the StatefulSet that the operator creates for an object."""
        return name

    def claim_name(self, name: str) -> str:
        """The name of the claim on which an object's pods share their packages."""
        return f"{self.stateful_set_name(name)}-python-packages"

    def claim_labels(self, name: str) -> Mapping[str, str]:
        """More labels for our claim: those that the kind's operator gives to its own claim."""
        return {}
