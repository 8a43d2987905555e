"""What the public Kaspr operator (v0.18.51) makes of a KasprApp, as far as Wheelwarden meets it: decisions only.

The pod runs nothing but `sleep`, unless `spec.podTemplate` (of this stand-in alone) says otherwise. The annotation
`INSTALLS` (of this stand-in alone, too) makes it an operator of 0.14 or later for that app: with an installer of its own.
"""

import copy
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.standins.loop import owner_reference
from wheelwarden.kube import Object

APP_LABEL = "kaspr.io/app"
CONTAINER = "kaspr"
DEFAULT_IMAGE = "registry.example.com/kaspr:0.18.51"
OWN_CONDITIONS = ("Ready", "Progressing")
PORT = 6065
INSTALLS = "standins.example.com/installs-packages"
INSTALLER = "install-packages"
PACKAGES_PATH = "/opt/kaspr/packages"
# What the real one does, its weaknesses included: pip --target into the live folder without cleaning up, markers of older
# sets removed before the new one is there, and a failure that is let pass leaves no trace but the missing marker.
INSTALL_SCRIPT = """
marker=$PACKAGES_PATH/.installed-$PACKAGES_HASH
test -f "$marker" && exit 0
rm -f "$PACKAGES_PATH"/.installed-*
if python3 -m pip install --no-cache-dir --disable-pip-version-check --target "$PACKAGES_PATH" $PIP_OPTIONS $PACKAGES; then
  printf '{"packages": %s, "install_time": "%s", "duration": "1s", "pod_name": "%s"}' \
    "$PACKAGES_JSON" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$HOSTNAME" > "$marker"
  exit 0
fi
test "$ON_FAILURE" = allow
"""
# Lists that a drift check compares by length: additions are drift, defaults of the API server are not.
_OWNED_LISTS = ("initContainers", "containers", "volumes")


def component_name(app: Object) -> str:
    return f"{app['metadata']['name']}-app"


def build_labels(app: Object) -> dict[str, str]:
    name = app["metadata"]["name"]
    return {
        "kaspr.io/cluster": name,
        "kaspr.io/name": component_name(app),
        "kaspr.io/kind": "KasprApp",
        APP_LABEL: name,
    }


def build_service(app: Object) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(app),
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": build_labels(app),
            "ports": [{"name": "http", "port": PORT, "targetPort": PORT}],
        },
    }


def build_statefulset(app: Object) -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": _metadata(app),
        "spec": {
            "replicas": app["spec"].get("replicas", 1),
            "serviceName": component_name(app),
            "podManagementPolicy": "Parallel",
            "updateStrategy": {"type": "RollingUpdate"},
            "selector": {"matchLabels": build_labels(app)},
            "template": build_template(app),
        },
    }


def build_template(app: Object) -> Object:
    """The pod template. `spec.podTemplate.spec` is laid over it: its first container over the main one."""
    spec = app["spec"]
    component = component_name(app)
    main: Object = {
        "name": CONTAINER,
        "image": spec.get("image", DEFAULT_IMAGE),
        "command": ["sleep", "infinity"],
        "env": [
            {"name": "KAFKA_BOOTSTRAP_SERVERS", "value": spec["bootstrapServers"]},
            {"name": "K8S_POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        ],
        "volumeMounts": [{"name": f"{component}-storage", "mountPath": "/var/lib/data"}],
    }
    pod: Object = {
        "terminationGracePeriodSeconds": 1,  # sleep as process 1 ignores SIGTERM
        "containers": [main],
        "volumes": [{"name": f"{component}-storage", "emptyDir": {}}],
    }
    if installs_packages(app):
        mount = {"name": f"{component}-packages", "mountPath": PACKAGES_PATH}
        pod["initContainers"] = [{**build_installer(app), "image": main["image"], "volumeMounts": [mount]}]
        pod["volumes"].append(
            {"name": mount["name"], "persistentVolumeClaim": {"claimName": build_claim(app)["metadata"]["name"]}}
        )
        main["volumeMounts"].append(mount)
        main["env"].append({"name": "PYTHONPATH", "value": f"{PACKAGES_PATH}:${{PYTHONPATH}}"})
    over = copy.deepcopy(spec.get("podTemplate") or {})
    over_spec = over.get("spec") or {}
    containers = over_spec.pop("containers", [])
    if containers:
        _lay_over(main, containers[0], named=("env", "volumeMounts"))
        main["name"] = CONTAINER
        pod["containers"] += containers[1:]
    _lay_over(pod, over_spec, named=("volumes",))
    metadata = over.get("metadata") or {}
    labels = {**(metadata.get("labels") or {}), **build_labels(app)}
    return {"metadata": {**metadata, "labels": labels}, "spec": pod}


def installs_packages(app: Object) -> bool:
    """Whether the operator installs the app's packages by itself."""
    asked = (app["metadata"].get("annotations") or {}).get(INSTALLS) == "true"
    return asked and bool((app["spec"].get("pythonPackages") or {}).get("packages"))


def hash_packages(app: Object) -> str:
    """The operator's own name of a set of packages; not ours."""
    asked = app["spec"]["pythonPackages"]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]


def build_installer(app: Object) -> Object:
    asked = app["spec"]["pythonPackages"]
    options = ["--index-url", asked["indexUrl"]] if asked.get("indexUrl") else []
    for host in asked.get("trustedHosts") or []:
        options += ["--trusted-host", host]
    values = {
        "PACKAGES_PATH": PACKAGES_PATH,
        "PACKAGES_HASH": hash_packages(app),
        "PACKAGES": " ".join(asked["packages"]),
        "PACKAGES_JSON": json.dumps(asked["packages"]),
        "PIP_OPTIONS": " ".join(options),
        "ON_FAILURE": (asked.get("installPolicy") or {}).get("onFailure", "block"),
    }
    env = [{"name": name, "value": value} for name, value in values.items()]
    return {"name": INSTALLER, "command": ["/bin/bash", "-c"], "args": [INSTALL_SCRIPT], "env": env}


def build_claim(app: Object) -> Object:
    cache = app["spec"]["pythonPackages"].get("cache") or {}
    metadata = _metadata(app)
    metadata["name"] = f"{component_name(app)}-python-packages"
    metadata["labels"] = {**metadata["labels"], "kaspr.io/component": "python-packages"}
    spec: Object = {
        "accessModes": [cache.get("accessMode", "ReadWriteMany")],
        "resources": {"requests": {"storage": cache.get("size", "256Mi")}},
    }
    if cache.get("storageClass"):
        spec["storageClassName"] = cache["storageClass"]
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}


def find_installed_pod(app: Object, pods: Sequence[Object]) -> str | None:
    """The pod that is asked for its marker: any one whose container of that name and hash ended well."""
    for pod in pods:
        specs = [one for one in pod["spec"].get("initContainers") or [] if one["name"] == INSTALLER]
        hashes = [env.get("value") for one in specs for env in one.get("env") or [] if env["name"] == "PACKAGES_HASH"]
        statuses = (pod.get("status") or {}).get("initContainerStatuses") or []
        ended = [one["state"].get("terminated") or {} for one in statuses if one["name"] == INSTALLER]
        if hash_packages(app) in hashes and [one.get("exitCode") for one in ended] == [0]:
            name: str = pod["metadata"]["name"]
            return name
    return None


def read_marker(app: Object, text: str) -> Object:
    """`status.pythonPackages`, as the operator makes it of its marker; an empty text: there is none."""
    status: Object = {"hash": hash_packages(app), "cacheMode": "ReadWriteMany"}
    if not text:
        return status | {"warnings": ["Installation completed but marker file not found"]}
    marker = json.loads(text)
    return status | {
        "installed": marker["packages"],
        "lastInstallTime": marker["install_time"],
        "installDuration": marker["duration"],
        "installedBy": marker["pod_name"],
    }


def build_replacements(app: Object) -> list[Object]:
    """The JSON patch that the real operator sends about every 10 s: what others added to these lists is gone."""
    pod = build_template(app)["spec"]
    main = pod["containers"][0]
    return [
        _replace("/spec/template/spec/containers/0/env", main["env"]),
        _replace("/spec/template/spec/containers/0/volumeMounts", main["volumeMounts"]),
        _replace("/spec/template/spec/volumes", pod["volumes"]),
    ]


def build_drift_patch(app: Object, live: Object) -> list[Object]:
    """The JSON patch that puts back scale and whole template; empty where the live StatefulSet has not drifted."""
    wanted = build_statefulset(app)["spec"]
    patch = []
    if live["spec"].get("replicas") != wanted["replicas"]:
        patch.append(_replace("/spec/replicas", wanted["replicas"]))
    if has_drifted(live["spec"]["template"], wanted["template"]):
        patch.append(_replace("/spec/template", wanted["template"]))
    return patch


def has_drifted(live: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether the live template says anything else than the wanted one, the API server's defaults aside."""
    added = any(len(live["spec"].get(name) or []) != len(wanted["spec"].get(name) or []) for name in _OWNED_LISTS)
    annotations = (live.get("metadata") or {}).get("annotations") or {}
    foreign = annotations != (wanted["metadata"].get("annotations") or {})
    return added or foreign or not _contains(live, wanted)


def rewrite_conditions(
    app: Object, statefulset: Object | None, snapshot: Sequence[Object], *, now: str
) -> list[Object]:
    """The whole `status.conditions`: the operator's own, made anew, and the others as the old snapshot had them."""
    wanted = app["spec"].get("replicas", 1)
    ready = ((statefulset or {}).get("status") or {}).get("readyReplicas", 0)
    complete = ready >= wanted
    mine = [
        _condition(
            "Ready", complete, "AllPodsReady" if complete else "PodsNotReady", f"{ready} of {wanted} pods ready"
        ),
        _condition("Progressing", not complete, "Reconciled" if complete else "RollingOut", ""),
    ]
    old = {item["type"]: item for item in read_conditions(app)}
    for condition in mine:
        before = old.get(condition["type"], {})
        same = before.get("status") == condition["status"]
        condition["lastTransitionTime"] = before.get("lastTransitionTime", now) if same else now
    return [*mine, *(item for item in snapshot if item["type"] not in OWN_CONDITIONS)]


def read_conditions(app: Object) -> list[Object]:
    return list((app.get("status") or {}).get("conditions") or [])


def _condition(kind: str, status: bool, reason: str, message: str) -> Object:
    return {"type": kind, "status": str(status), "reason": reason, "message": message}


def _metadata(app: Object) -> Object:
    return {
        "name": component_name(app),
        "namespace": app["metadata"]["namespace"],
        "labels": build_labels(app),
        "ownerReferences": [owner_reference(app)],
    }


def _replace(path: str, value: Any) -> Object:
    return {"op": "replace", "path": path, "value": value}


def _lay_over(under: Object, over: Mapping[str, Any], *, named: tuple[str, ...]) -> None:
    for key, value in over.items():
        under[key] = [*under[key], *value] if key in named else value


def _contains(live: Any, wanted: Any) -> bool:
    if isinstance(wanted, Mapping):
        return isinstance(live, Mapping) and all(
            # An empty value may have been dropped by the API server.
            _contains(live.get(key), value)
            for key, value in wanted.items()
            if value not in ({}, [], None)
        )
    if isinstance(wanted, list):
        return (
            isinstance(live, list)
            and len(live) == len(wanted)
            and all(_contains(one, other) for one, other in zip(live, wanted, strict=True))
        )
    return bool(live == wanted)
