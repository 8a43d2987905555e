"""The only room that imports kubernetes-asyncio; everybody else gets plain dicts and our own errors."""

from wheelwarden.kube.client import Cluster, Listing, WatchEvent
from wheelwarden.kube.configuration import default_namespace
from wheelwarden.kube.exec import ExecResult
from wheelwarden.kube.resources import (
    CLAIMS,
    CONFIG_MAPS,
    EVENTS,
    KASPRAPPS,
    LEASES,
    LIMIT_RANGES,
    MUTATING_WEBHOOKS,
    NAMESPACES,
    NOTEBOOKS,
    PODS,
    SECRETS,
    SERVICE_ACCOUNTS,
    SERVICES,
    STATEFUL_SETS,
    STORAGE_CLASSES,
    VALIDATING_WEBHOOKS,
    VOLUMES,
    Resource,
    resource_for,
)

__all__ = [
    "CLAIMS",
    "CONFIG_MAPS",
    "EVENTS",
    "KASPRAPPS",
    "LEASES",
    "LIMIT_RANGES",
    "MUTATING_WEBHOOKS",
    "NAMESPACES",
    "NOTEBOOKS",
    "PODS",
    "SECRETS",
    "SERVICES",
    "SERVICE_ACCOUNTS",
    "STATEFUL_SETS",
    "STORAGE_CLASSES",
    "VALIDATING_WEBHOOKS",
    "VOLUMES",
    "Cluster",
    "ExecResult",
    "Listing",
    "Resource",
    "WatchEvent",
    "default_namespace",
    "resource_for",
]
