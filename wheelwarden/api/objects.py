"""Kubernetes API objects as plain data: their type, and functions that read their common fields. Pure.

`Object` is the type of an object that is built or changed. Code that only reads one takes a `Mapping[str, Any]`.
"""

from collections.abc import Mapping
from typing import Any

Object = dict[str, Any]


def mapping_in(obj: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return the mapping under a key, empty if the key is missing or its value is not a mapping.

    In the cluster the API server has validated an object's structure; offline nothing has.
    """
    value = obj.get(key)
    return value if isinstance(value, Mapping) else {}


def annotations_of(obj: Mapping[str, Any]) -> Mapping[str, str]:
    """Return an object's annotations, empty if it has none. Offline, a value may be something else than a string."""
    return mapping_in(mapping_in(obj, "metadata"), "annotations")


def is_alive(pod: Mapping[str, Any]) -> bool:
    """Whether a pod's containers may still run. A pod that has not started yet is alive."""
    return mapping_in(pod, "status").get("phase") not in ("Succeeded", "Failed")
