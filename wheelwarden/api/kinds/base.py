"""What a guarded kind tells of itself. One module beside this one for each kind; nobody else knows a kind by name.

A method reads plain mappings, as the API server or a file gives them. Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from wheelwarden.api.conditions import ConditionShape

PACKAGES_FIELD: Final = "spec.pythonPackages"
# A StatefulSet of a longer name makes no pod: the pod's label of its revision is the name and eleven characters, and a
# label holds 63 (seen on Kubernetes 1.34).
MAX_STATEFULSET_NAME: Final = 52
Container = TypeVar("Container", bound=Mapping[str, Any])


@dataclass(frozen=True, kw_only=True, slots=True)
class NameLimit:
    """How many characters a name may have, and what is wrong with a longer one (the end of a sentence)."""

    most: int
    reason: str


@dataclass(frozen=True, kw_only=True, eq=False)
class WorkloadKind:
    """One guarded kind: everything in which it differs from the others. Two are the same only if they are one.

    Attributes:
        name: as objects write it in `kind`.
        group: API group.
        versions: every served version; the first is the one we read.
        plural: resource name.
        pod_label: the label whose value on a pod is the name of its object.
        default_rollout: `auto` or `manual`.
        packages_field: objects ask for packages in `spec.pythonPackages`; otherwise in the annotation.
        max_name: of a longer name no pod is ever made.
        advised_name: a longer name works in part; None where there is nothing to advise.
        conditions: how a condition in the status of an object is written, with `status.pythonPackages` and
            `status.wheelwarden` beside it; None where the controller of the kind copies its pods' conditions, and keeps
            nothing that others write.
        last_result_annotation: where the last result is kept on the object; empty where its status keeps it.
        copies_pod_events: the controller of the kind repeats its pods' events on the object.
        operator_installs: the operator of the kind may install the packages itself.
        operators_claim_label: (label, value) of the claim that this operator makes for packages; None where it makes none.
        cache_default_of: what sets `cache.enabled` to false where it is left out, as messages name it; empty for nothing.
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
        """The apiVersion we read and refer to."""
        return f"{self.group}/{self.versions[0]}"

    def pods_of(self, name: str) -> str:
        """The label selector of an object's pods."""
        return f"{self.pod_label}={name}"

    def owner_of(self, labels: Mapping[str, str]) -> str:
        """The name of the object that a pod with these labels belongs to; empty for other pods."""
        return labels.get(self.pod_label) or ""

    def main_container(self, name: str, containers: Sequence[Container]) -> Container | None:
        """The container of a pod that runs the user's code; None where there is none."""
        return containers[0] if containers else None

    def wanted_replicas(self, obj: Mapping[str, Any]) -> int:
        """How many pods an object asks for."""
        return 1

    def own_image(self, obj: Mapping[str, Any]) -> Any:
        """The image that an object names beside packages where it need not name one; empty or None where it does not."""
        return None

    def stateful_set_name(self, name: str) -> str:
        """The StatefulSet that the operator makes for an object."""
        return name

    def claim_name(self, name: str) -> str:
        """The claim that an object's pods share their packages on."""
        return f"{self.stateful_set_name(name)}-python-packages"

    def claim_labels(self, name: str) -> Mapping[str, str]:
        """The labels that our claim has, beside our own, because the operator of the kind gives them to its own."""
        return {}
