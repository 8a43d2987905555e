"""KasprApp (the Kaspr operator): packages in the spec, a StatefulSet of several pods, and a status that we write.

From 0.14 on the operator may install packages itself: see `controller.install_owner`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from wheelwarden.api import names
from wheelwarden.api.conditions import ConditionShape
from wheelwarden.api.kinds.base import MAX_STATEFULSET_NAME, NameLimit, WorkloadKind
from wheelwarden.api.objects import mapping_in

# The StatefulSet's name is the app's name and this suffix.
COMPONENT_SUFFIX: Final = "-app"
# The label of the claim that the operator creates for packages (0.14 and later).
COMPONENT_LABEL: Final = "kaspr.io/component"
COMPONENT: Final = "python-packages"


@dataclass(frozen=True, kw_only=True, eq=False)
class KasprApp(WorkloadKind):
    """One stream processing application."""

    def wanted_replicas(self, obj: Mapping[str, Any]) -> int:
        """`spec.replicas`, 1 if left out."""
        replicas = mapping_in(obj, "spec").get("replicas")
        return replicas if isinstance(replicas, int) and not isinstance(replicas, bool) else 1

    def own_image(self, obj: Mapping[str, Any]) -> Any:
        """`spec.image`; the operator has a default image."""
        return mapping_in(obj, "spec").get("image")

    def stateful_set_name(self, name: str) -> str:
        """`NAME-app`."""
        return f"{name}{COMPONENT_SUFFIX}"

    def claim_labels(self, name: str) -> Mapping[str, str]:
        """The labels that the operator gives to its own claim."""
        return {COMPONENT_LABEL: COMPONENT, names.KASPR_APP_LABEL: name, "kaspr.io/cluster": name}


KASPR_APP: Final = KasprApp(
    name="KasprApp",
    group="kaspr.io",
    versions=("v1alpha1",),
    plural="kasprapps",
    pod_label=names.KASPR_APP_LABEL,
    default_rollout="auto",
    packages_field=True,
    max_name=NameLimit(
        most=MAX_STATEFULSET_NAME - len(COMPONENT_SUFFIX),
        reason="it is too long for the name of its StatefulSet, so no pod is ever created",
    ),
    conditions=ConditionShape(observed_generation=True, last_probe_time=False),
    operator_installs=True,
    operators_claim_label=(COMPONENT_LABEL, COMPONENT),
    cache_default_of="Kaspr's CRD",
)
