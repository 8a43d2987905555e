"""Objects of the Kubernetes API as plain data: what they are called here, and how their outer shape is read. Pure.

`Object` is one that may be built or changed. What is only read is a `Mapping[str, Any]`, and says so.
"""

from collections.abc import Mapping
from typing import Any

Object = dict[str, Any]


def mapping_in(obj: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The mapping under a key, empty where there is none or where something else stands in its place.

    Offline, nobody has checked the outer shape of an object before us; in the cluster the API server has.
    """
    value = obj.get(key)
    return value if isinstance(value, Mapping) else {}


def annotations_of(obj: Mapping[str, Any]) -> Mapping[str, str]:
    """An object's annotations, empty where it has none; offline, a value may be no string."""
    return mapping_in(mapping_in(obj, "metadata"), "annotations")


def is_alive(pod: Mapping[str, Any]) -> bool:
    """Whether a pod's containers may still run; one that has not started yet is alive."""
    return mapping_in(pod, "status").get("phase") not in ("Succeeded", "Failed")
