"""The kinds of objects that Wheelwarden reads or writes, as the API server addresses them."""

from dataclasses import dataclass
from functools import cache
from typing import Final

from wheelwarden.api.kinds import KASPR_APP, NOTEBOOK, WorkloadKind


@dataclass(frozen=True, kw_only=True, slots=True)
class Resource:
    """One resource of the Kubernetes API, for example `Resource(group="", version="v1", plural="pods", kind="Pod")`."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """`v1` for the core group, else `group/version`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str = "") -> str:
        """The URL path of the collection or, with a name, of one object."""
        parts = ["/apis", self.group, self.version] if self.group else ["/api", self.version]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        if name:
            parts.append(name)
        if subresource:
            parts.append(subresource)
        return "/".join(parts)


NAMESPACES: Final = Resource(group="", version="v1", plural="namespaces", kind="Namespace", namespaced=False)
PODS: Final = Resource(group="", version="v1", plural="pods", kind="Pod")
SECRETS: Final = Resource(group="", version="v1", plural="secrets", kind="Secret")
SERVICE_ACCOUNTS: Final = Resource(group="", version="v1", plural="serviceaccounts", kind="ServiceAccount")
SERVICES: Final = Resource(group="", version="v1", plural="services", kind="Service")
CONFIG_MAPS: Final = Resource(group="", version="v1", plural="configmaps", kind="ConfigMap")
EVENTS: Final = Resource(group="", version="v1", plural="events", kind="Event")
CLAIMS: Final = Resource(group="", version="v1", plural="persistentvolumeclaims", kind="PersistentVolumeClaim")
LIMIT_RANGES: Final = Resource(group="", version="v1", plural="limitranges", kind="LimitRange")
VOLUMES: Final = Resource(group="", version="v1", plural="persistentvolumes", kind="PersistentVolume", namespaced=False)
STATEFUL_SETS: Final = Resource(group="apps", version="v1", plural="statefulsets", kind="StatefulSet")
LEASES: Final = Resource(group="coordination.k8s.io", version="v1", plural="leases", kind="Lease")
STORAGE_CLASSES: Final = Resource(
    group="storage.k8s.io", version="v1", plural="storageclasses", kind="StorageClass", namespaced=False
)
VALIDATING_WEBHOOKS: Final = Resource(
    group="admissionregistration.k8s.io",
    version="v1",
    plural="validatingwebhookconfigurations",
    kind="ValidatingWebhookConfiguration",
    namespaced=False,
)
MUTATING_WEBHOOKS: Final = Resource(
    group="admissionregistration.k8s.io",
    version="v1",
    plural="mutatingwebhookconfigurations",
    kind="MutatingWebhookConfiguration",
    namespaced=False,
)


@cache
def resource_for(kind: WorkloadKind) -> Resource:
    """The resource of a guarded kind, in the version that we read; the same one at each call."""
    return Resource(group=kind.group, version=kind.versions[0], plural=kind.plural, kind=kind.name)


NOTEBOOKS: Final = resource_for(NOTEBOOK)
KASPRAPPS: Final = resource_for(KASPR_APP)
