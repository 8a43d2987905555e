"""What the Kubeflow and Open Data Hub notebook controller makes of a Notebook: decisions only.

StatefulSet, Service, the status mirrored from the Pod, and the Notebook's copy of an Event on its Pod.
"""

import copy
import hashlib
from collections.abc import Mapping
from typing import Any

from tests.standins.loop import owner_reference
from wheelwarden.api.objects import Object

STOP_ANNOTATION = "kubeflow-resource-stopped"
NOTEBOOK_LABEL = "notebook-name"
# Room for the suffixes that a StatefulSet's pods get; longer names are replaced by a generated one (Open Data Hub).
LONGEST_NAME = 52
DEFAULT_PORT = 8888
DEFAULT_GROUP = 100
HOME = "/home/jovyan"
CONDITION_FIELDS = ("type", "status", "reason", "message", "lastProbeTime", "lastTransitionTime")


def build_statefulset(notebook: Object) -> Object:
    """The StatefulSet as it is created; a name too long is left to the API server to generate."""
    metadata = notebook["metadata"]
    name = metadata["name"]
    annotations = {
        key: value
        for key, value in (metadata.get("annotations") or {}).items()
        if "kubectl" not in key and "notebook" not in key
    }
    labels = {**(metadata.get("labels") or {}), "statefulset": name, NOTEBOOK_LABEL: name}
    naming = {"name": name} if len(name) <= LONGEST_NAME else {"generateName": "nb-"}
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {
            **naming,
            "namespace": metadata["namespace"],
            "labels": {NOTEBOOK_LABEL: name},
            "ownerReferences": [owner_reference(notebook)],
        },
        "spec": {
            "replicas": 0 if STOP_ANNOTATION in (metadata.get("annotations") or {}) else 1,
            "selector": {"matchLabels": {"statefulset": name}},
            "serviceName": "",
            "template": {
                "metadata": {"labels": labels, "annotations": annotations},
                "spec": build_pod_spec(notebook),
            },
        },
    }


def build_pod_spec(notebook: Object) -> Object:
    metadata = notebook["metadata"]
    spec: Object = copy.deepcopy(notebook["spec"]["template"]["spec"])
    container = spec["containers"][0]
    container.setdefault("workingDir", HOME)
    container.setdefault("ports", [{"name": "notebook-port", "containerPort": DEFAULT_PORT, "protocol": "TCP"}])
    prefix = {"name": "NB_PREFIX", "value": f"/notebook/{metadata['namespace']}/{metadata['name']}"}
    others = [variable for variable in container.get("env") or [] if variable["name"] != "NB_PREFIX"]
    container["env"] = [*others, prefix]
    if not spec.get("securityContext"):
        spec["securityContext"] = {"fsGroup": DEFAULT_GROUP}
    return spec


def overwrite_statefulset(live: Object, notebook: Object) -> Object:
    """The live StatefulSet with the pod spec, the labels and the scale put back; annotations stay as they were made.

    Written at every reconcile: the API server makes nothing of a write that changes nothing.
    """
    wanted = build_statefulset(notebook)
    changed = copy.deepcopy(live)
    changed["spec"]["replicas"] = wanted["spec"]["replicas"]
    changed["spec"]["template"]["spec"] = wanted["spec"]["template"]["spec"]
    changed["spec"]["template"]["metadata"]["labels"] = wanted["spec"]["template"]["metadata"]["labels"]
    return changed


def build_service(notebook: Object) -> Object:
    metadata = notebook["metadata"]
    name = metadata["name"]
    port = build_pod_spec(notebook)["containers"][0]["ports"][0]["containerPort"]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": name,
            "namespace": metadata["namespace"],
            "ownerReferences": [owner_reference(notebook)],
        },
        "spec": {
            "type": "ClusterIP",
            "selector": {"statefulset": name},
            "ports": [{"name": f"http-{name}"[:63].rstrip("-"), "port": 80, "targetPort": port, "protocol": "TCP"}],
        },
    }


def build_status(notebook: Object, statefulset: Object, pod: Object | None, *, now: str) -> Object:
    """The whole status, recreated: nothing of the old one is kept, except the times of conditions that say none."""
    status: Object = {
        "conditions": [],
        "containerState": {},
        "readyReplicas": (statefulset.get("status") or {}).get("readyReplicas", 0),
    }
    if pod is None:
        return status
    old = {item["type"]: item for item in (notebook.get("status") or {}).get("conditions") or []}
    pod_status = pod.get("status") or {}
    for condition in pod_status.get("conditions") or []:
        status["conditions"].append(mirror_condition(condition, old.get(condition["type"], {}), now=now))
    for container in pod_status.get("containerStatuses") or []:
        if container["name"] == notebook["metadata"]["name"]:
            status["containerState"] = container.get("state") or {}
    return status


def mirror_condition(condition: Mapping[str, Any], old: Mapping[str, Any], *, now: str) -> Object:
    """A Pod's condition as the Notebook shows it: fewer fields, and times filled in where the Pod has none.

    The real controller fills in the present at every reconcile; here the first one is kept, or it would never be quiet.
    """
    mirrored = {field: condition[field] for field in CONDITION_FIELDS if condition.get(field)}
    for field in ("lastProbeTime", "lastTransitionTime"):
        mirrored.setdefault(field, old.get(field, now))
    return mirrored


def reissue_event(event: Object, notebook: Object) -> Object:
    """The Event on the Notebook that repeats one on its Pod; its name comes from the original, so there is one copy."""
    involved = event["involvedObject"]
    metadata = notebook["metadata"]
    digest = hashlib.sha256(event["metadata"]["uid"].encode()).hexdigest()[:16]
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{metadata['name'][:200]}.{digest}", "namespace": metadata["namespace"]},
        "involvedObject": {
            "apiVersion": notebook["apiVersion"],
            "kind": "Notebook",
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
        },
        "type": event.get("type", "Normal"),
        "reason": event.get("reason", ""),
        "message": f"Reissued from {involved['kind'].lower()}/{involved['name']}: {event.get('message', '')}",
        "source": {"component": "notebook-controller"},
        "firstTimestamp": event.get("firstTimestamp") or event["metadata"]["creationTimestamp"],
        "lastTimestamp": event.get("lastTimestamp") or event["metadata"]["creationTimestamp"],
        "count": event.get("count") or 1,
    }
