"""A pod to be tried in, made from a running one: the same image, environment and files, and nobody's business. Pure."""

import copy
from collections.abc import Mapping
from typing import Any, Final

from wheelwarden.api import names
from wheelwarden.api.objects import Object, annotations_of

SLEEPER: Final = "import signal; signal.signal(signal.SIGTERM, lambda *_: exit(0)); signal.pause()"
# What belongs to the running pod itself, or is filled in by the API server.
_OWN_FIELDS: Final = ("hostname", "subdomain", "ephemeralContainers", "priority", "preemptionPolicy", "readinessGates",
                      "schedulingGates", "topologySpreadConstraints", "resourceClaims")  # fmt: skip
_LIVING_FIELDS: Final = ("livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "ports", "args", "stdin", "tty",
                         "restartPolicy")  # fmt: skip
_TOKEN_PREFIX: Final = "kube-api-access-"  # noqa: S105 - of the name of a volume


def build_throwaway(pod: Mapping[str, Any], container: str, name: str, run: str, *, live_seconds: int) -> Object:
    """A Pod that has the container of another one, doing nothing.

    It stands on the same node, so that volumes of one node can be mounted; volumes are mounted read-only, but for empty
    ones; our own init containers run again, which finds the packages in the store. Without the owner, labels, probes, ports
    and token of the original, nothing finds it and nothing waits for it.

    Args:
        pod: the running one.
        container: the one to be tried.
        name: of the new Pod.
        run: value of its label.
        live_seconds: after which it ends by itself, were nobody left to delete it.
    """
    spec = copy.deepcopy(dict(pod["spec"]))
    for field in _OWN_FIELDS:
        spec.pop(field, None)
    empty = {volume["name"] for volume in spec.get("volumes") or [] if "emptyDir" in volume}
    [main] = [one for one in spec["containers"] if one["name"] == container]
    for field in _LIVING_FIELDS:
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
        "activeDeadlineSeconds": live_seconds,
        "terminationGracePeriodSeconds": 1,
    }
    metadata = {"name": name, "namespace": pod["metadata"]["namespace"], "labels": {names.IMAGE_TEST_LABEL: run}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _mounts(container: Mapping[str, Any]) -> list[Object]:
    return [mount for mount in container.get("volumeMounts") or [] if not mount["name"].startswith(_TOKEN_PREFIX)]
