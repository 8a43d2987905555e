"""How much our containers ask for, so that the pod stays what it was: admitted by quotas and limits, and of its QoS class.

Pure. The rules are those of the API server's ResourceQuota and LimitRanger plugins and of the kubelet's QoS classes
(https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/): init containers count for all of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from wheelwarden.api.objects import Object, mapping_in
from wheelwarden.api.quantities import parse_quantity

# A quota on limits of these is met by a pod only if every container says one.
QUOTA_NAMES: Final = ("cpu", "ephemeral-storage")
GUARANTEED_NAMES: Final = ("cpu", "memory")


def complete(own: Mapping[str, Mapping[str, str]], main: Mapping[str, Any]) -> Object:
    """Our requests and limits, with what the main container says of cpu and ephemeral storage where ours say nothing."""
    requests, limits = dict(own.get("requests") or {}), dict(own.get("limits") or {})
    asked = mapping_in(main, "resources")
    for name in QUOTA_NAMES:
        for ours, theirs in ((requests, mapping_in(asked, "requests")), (limits, mapping_in(asked, "limits"))):
            if name in theirs and name not in ours:
                ours[name] = theirs[name]
        if name in requests and name in limits:
            requests[name] = _smaller(requests[name], limits[name])
    return _written(requests, limits)


def fit(
    own: Mapping[str, Mapping[str, str]],
    main: Mapping[str, Any],
    containers: Sequence[Mapping[str, Any]],
    limit_ranges: Iterable[Mapping[str, Any]],
) -> Object:
    """Our requests and limits in a pod, as `complete` has them, fitted to its QoS class and to the namespace's limits.

    Args:
        own: what we would ask for.
        main: the main container.
        containers: all of the pod's, init containers included.
        limit_ranges: of the namespace (core/v1 LimitRange).
    """
    fitted = complete(own, main)
    requests, limits = dict(fitted.get("requests") or {}), dict(fitted.get("limits") or {})
    if all(_is_guaranteed(container) for container in containers):
        for name in GUARANTEED_NAMES:
            value = mapping_in(mapping_in(main, "resources"), "limits")[name]
            limits[name] = requests[name] = _larger(value, requests.get(name, value))
    for item in _container_items(limit_ranges):
        _clamp(requests, limits, item)
    return _written(requests, limits)


def _is_guaranteed(container: Mapping[str, Any]) -> bool:
    resources = mapping_in(container, "resources")
    requests, limits = mapping_in(resources, "requests"), mapping_in(resources, "limits")
    return all(
        name in limits and parse_quantity(str(requests.get(name, limits[name]))) == parse_quantity(str(limits[name]))
        for name in GUARANTEED_NAMES
    )


def _container_items(limit_ranges: Iterable[Mapping[str, Any]]) -> Iterable[Mapping[str, Any]]:
    for limit_range in limit_ranges:
        for item in mapping_in(limit_range, "spec").get("limits") or []:
            if item.get("type") == "Container":
                yield item


def _clamp(requests: dict[str, str], limits: dict[str, str], item: Mapping[str, Any]) -> None:
    for name, least in mapping_in(item, "min").items():
        for amounts in (requests, limits):
            if name in amounts:
                amounts[name] = _larger(amounts[name], least)
    for name, most in mapping_in(item, "max").items():
        for amounts in (requests, limits):
            if name in amounts:
                amounts[name] = _smaller(amounts[name], most)
    for name, ratio in mapping_in(item, "maxLimitRequestRatio").items():
        if name in requests and name in limits:
            apart = parse_quantity(limits[name]) > parse_quantity(requests[name]) * parse_quantity(str(ratio))
            requests[name] = limits[name] if apart else requests[name]


def _larger(one: str, other: str) -> str:
    return one if parse_quantity(str(one)) >= parse_quantity(str(other)) else other


def _smaller(one: str, other: str) -> str:
    return one if parse_quantity(str(one)) <= parse_quantity(str(other)) else other


def _written(requests: Mapping[str, str], limits: Mapping[str, str]) -> Object:
    return {kind: dict(amounts) for kind, amounts in (("requests", requests), ("limits", limits)) if amounts}
