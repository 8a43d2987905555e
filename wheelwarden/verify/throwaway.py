"""Builds a throwaway copy of a running pod: the same image, environment and files, but no part of the workload. Pure."""

import copy
from collections.abc import Mapping
from typing import Any, Final

from wheelwarden.api import names
from wheelwarden.api.objects import Object, annotations_of

SLEEPER: Final = "import signal; signal.signal(signal.SIGTERM, lambda *_: exit(0)); signal.pause()"
# Fields that belong to the running pod only, or that the API server sets.
_DROPPED_POD_FIELDS: Final = ("hostname", "subdomain", "ephemeralContainers", "priority", "preemptionPolicy", "readinessGates",
                              "schedulingGates", "topologySpreadConstraints", "resourceClaims")  # fmt: skip
_DROPPED_CONTAINER_FIELDS: Final = ("livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "ports", "args", "stdin",
                                    "tty", "restartPolicy")  # fmt: skip
_TOKEN_PREFIX: Final = "kube-api-access-"  # noqa: S105 - prefix of a volume's name


def build_throwaway(pod: Mapping[str, Any], container: str, name: str, run: str, *, lifetime_seconds: int) -> Object:
    """Build a Pod with one container of another pod. The container only sleeps.

    The Pod runs on the same node, so that single-node volumes can be mounted. Volumes are mounted read-only, except
    emptyDirs. Our own init containers run again and find the packages in the store. The Pod has no owner, labels, probes,
    ports or token of the original, so no Service or controller uses it.

    Args:
        pod: the running pod.
        container: the container to copy.
        name: name of the new Pod.
        run: value of its label.
        lifetime_seconds: after this time the Pod ends by itself, in case nobody deletes it.
    """
    spec = copy.deepcopy(dict(pod["spec"]))
    for field in _DROPPED_POD_FIELDS:
        spec.pop(field, None)
    empty = {volume["name"] for volume in spec.get("volumes") or [] if "emptyDir" in volume}
    [main] = [one for one in spec["containers"] if one["name"] == container]
    for field in _DROPPED_CONTAINER_FIELDS:
        main.pop(field, None)
    main["command"] = ["python3", "-I", "-c", SLEEPER]
    main["volumeMounts"] = [mount if mount["name"] in empty else {**mount, "readOnly": True} for mount in _mounts(main)]
    # Another owner's installer would write to the volume that pods run from.
    injected = names.POD_HASH_ANNOTATION in annotations_of(pod)
    kept = (names.TOOLS_CONTAINER, names.INSTALL_CONTAINER) if injected else ()
    ours = [one for one in spec.get("initContainers") or [] if one["name"] in kept]
    for one in ours:
        one["volumeMounts"] = _mounts(one)
    spec |= {
        "containers": [main],
        "initContainers": ours,
        "volumes": [volume for volume in spec.get("volumes") or [] if not volume["name"].startswith(_TOKEN_PREFIX)],
        "automountServiceAccountToken": False,
        "restartPolicy": "Never",
        "activeDeadlineSeconds": lifetime_seconds,
        "terminationGracePeriodSeconds": 1,
    }
    metadata = {"name": name, "namespace": pod["metadata"]["namespace"], "labels": {names.IMAGE_TEST_LABEL: run}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _mounts(container: Mapping[str, Any]) -> list[Object]:
    return [mount for mount in container.get("volumeMounts") or [] if not mount["name"].startswith(_TOKEN_PREFIX)]
