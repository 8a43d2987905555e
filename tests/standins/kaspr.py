"""What the public Kaspr operator (v0.18.51) makes of a KasprApp, as far as Wheelwarden meets it: decisions only.

The pod runs nothing but `sleep`, unless `spec.podTemplate` (of this stand-in alone) says otherwise. Two annotations of
this stand-in alone: `INSTALLS` makes it an operator of 0.14 or later for that app, with an installer of its own, and
`DELAY` makes it an operator under load, which needs that many seconds to the app's StatefulSet.
"""

import copy
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.standins.loop import owner_reference
from wheelwarden.api.objects import Object

APP_LABEL = "kaspr.io/app"
CONTAINER = "kaspr"
DEFAULT_IMAGE = "registry.example.com/kaspr:0.18.51"
OWN_CONDITIONS = ("Ready", "Progressing", "PythonPackagesReady")
PORT = 6065
INSTALLS = "standins.example.com/installs-packages"
FINALIZER = "kopf.zalando.org/KopfFinalizerMarker"
DELAY = "standins.example.com/statefulset-delay-seconds"
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
# Without a volume of its own there is no marker, and each start installs again.
EPHEMERAL_SCRIPT = """
python3 -m pip install --no-cache-dir --disable-pip-version-check --target "$PACKAGES_PATH" $PIP_OPTIONS $PACKAGES ||
  test "$ON_FAILURE" = allow
"""
EPHEMERAL_WARNING = "Ephemeral storage: each pod installs again when it starts"
# What a waiting installer says when it has failed and is started again.
_FAILING = ("CrashLoopBackOff", "Error", "ErrImagePull", "ImagePullBackOff")
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
        pod["initContainers"] = [{**build_installer(app), "image": main["image"]}]
        pod["volumes"] += _read_template(app, "pod").get("volumes") or []
        pod["volumes"].append(build_packages_volume(app))
        main["volumeMounts"].append({"name": f"{component}-packages", "mountPath": PACKAGES_PATH, "readOnly": True})
        main["env"].append({"name": "PYTHONPATH", "value": f"{PACKAGES_PATH}:${{PYTHONPATH}}"})
        main["env"].append({"name": "PACKAGES_HASH", "value": hash_packages(app)})  # so that a change rolls the pods
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


def keeps_packages(app: Object) -> bool:
    """Whether the operator makes a volume for them; without a word about it, it does not."""
    cache = app["spec"]["pythonPackages"].get("cache") or {}
    return bool(cache.get("enabled")) and cache.get("type", "pvc") == "pvc"


def read_delay_seconds(app: Object) -> float:
    return float((app["metadata"].get("annotations") or {}).get(DELAY, 0))


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
        **({"PACKAGES_HASH": hash_packages(app)} if keeps_packages(app) else {}),
        "PACKAGES": " ".join(asked["packages"]),
        "PACKAGES_JSON": json.dumps(asked["packages"]),
        "PIP_OPTIONS": " ".join(options),
        "ON_FAILURE": (asked.get("installPolicy") or {}).get("onFailure", "block"),
    }
    env = [{"name": name, "value": value} for name, value in values.items()]
    # The user's own settings of this container reach it as they are, after the operator's.
    theirs = _read_template(app, "pythonPackagesInitContainer")
    mount = {"name": f"{component_name(app)}-packages", "mountPath": PACKAGES_PATH}
    return {
        "name": INSTALLER,
        "command": ["/bin/bash", "-c"],
        "args": [INSTALL_SCRIPT if keeps_packages(app) else EPHEMERAL_SCRIPT],
        "env": [*env, *(theirs.get("env") or [])],
        "volumeMounts": [mount, *(theirs.get("volumeMounts") or [])],
        "resources": asked.get("resources") or {},
    }


def build_packages_volume(app: Object) -> Object:
    source: Object = {"emptyDir": {}}
    if keeps_packages(app):
        source = {"persistentVolumeClaim": {"claimName": build_claim(app)["metadata"]["name"]}}
    return {"name": f"{component_name(app)}-packages", **source}


def build_claim(app: Object) -> Object:
    cache = app["spec"]["pythonPackages"].get("cache") or {}
    metadata = _metadata(app)
    metadata["name"] = f"{component_name(app)}-python-packages"
    metadata["labels"] |= {"kaspr.io/component": "python-packages", "app.kubernetes.io/managed-by": "kaspr-operator"}
    if cache.get("deleteClaim") is False:
        del metadata["ownerReferences"]
    spec: Object = {
        "accessModes": [cache.get("accessMode", "ReadWriteMany")],
        "resources": {"requests": {"storage": cache.get("size", "256Mi")}},
    }
    if cache.get("storageClass"):
        spec["storageClassName"] = cache["storageClass"]
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}


def find_installer(app: Object, pods: Sequence[Object]) -> tuple[str, Object] | None:
    """The pod that the operator looks at, and the state of its installer: one of the present hash before any other."""
    found = []
    for pod in pods:
        specs = [one for one in pod["spec"].get("initContainers") or [] if one["name"] == INSTALLER]
        hashes = [env.get("value") for one in specs for env in one.get("env") or [] if env["name"] == "PACKAGES_HASH"]
        statuses = (pod.get("status") or {}).get("initContainerStatuses") or []
        stale = hash_packages(app) not in hashes
        found += [(stale, pod["metadata"]["name"], one) for one in statuses if one["name"] == INSTALLER]
    if not found:
        return None
    _, name, state = min(found, key=lambda one: one[0])
    return name, state


def judge_installer(state: Object | None) -> tuple[str, str, str]:
    """Status, reason and message of the condition `PythonPackagesReady`; the container's last words are its message."""
    now = (state or {}).get("state") or {}
    ended = now.get("terminated")
    if ended and ended.get("exitCode") == 0:
        return "True", "PackagesInstalled", "The packages are installed"
    if ended:
        return "False", "InstallationFailed", ended.get("message") or "The installation failed"
    if (now.get("waiting") or {}).get("reason") in _FAILING:
        last = ((state or {}).get("lastState") or {}).get("terminated") or now["waiting"]
        return "False", "InstallationFailed", f"Installation failed: {last.get('message') or 'it is tried again'}"
    return "False", "Installing", "The packages are being installed"


def describe_packages(app: Object, marker: str | None) -> Object:
    """`status.pythonPackages` as the operator makes it.

    `marker` is the text of the marker in the pod, empty where there is none; None as long as no installer ended well.
    """
    keeps = keeps_packages(app)
    status: Object = {"cacheMode": "persistent" if keeps else "ephemeral"}
    if keeps:
        status["hash"] = hash_packages(app)
    if marker is None:
        return status
    if not keeps:
        return status | {"installed": app["spec"]["pythonPackages"]["packages"], "warnings": [EPHEMERAL_WARNING]}
    if not marker:
        return status | {"warnings": ["The installer ended well and left no marker"]}
    told = json.loads(marker)
    return status | {
        "installed": told["packages"],
        "lastInstallTime": told["install_time"],
        "installDuration": told["duration"],
        "installedBy": told["pod_name"],
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
    app: Object, statefulset: Object | None, snapshot: Sequence[Object], *, now: str, pods: Sequence[Object] = ()
) -> list[Object]:
    """The whole `status.conditions`: the operator's own from what it sees, the others as the old snapshot had them."""
    wanted = app["spec"].get("replicas", 1)
    ready = ((statefulset or {}).get("status") or {}).get("readyReplicas", 0)
    mine = {
        "Progressing": ("True", "Reconciling", f"{ready} of {wanted} members are ready"),
        "Ready": ("False", "NotReady", "The app is not ready"),
    }
    if ready >= wanted:
        mine = {
            "Progressing": ("False", "ReconcileComplete", f"{ready} of {wanted} members are ready"),
            "Ready": ("True", "Healthy", "The app is ready"),
        }
    if installs_packages(app):
        found = find_installer(app, pods)
        mine["PythonPackagesReady"] = judge_installer(found[1] if found else None)
    old = {item["type"]: item for item in read_conditions(app)}
    conditions = [_condition(app, kind, told, old=old.get(kind, {}), now=now) for kind, told in mine.items()]
    return [*conditions, *(item for item in snapshot if item["type"] not in OWN_CONDITIONS)]


def read_conditions(app: Object) -> list[Object]:
    return list((app.get("status") or {}).get("conditions") or [])


def _condition(app: Object, kind: str, told: tuple[str, str, str], *, old: Object, now: str) -> Object:
    status, reason, message = told
    same = old.get("status") == status
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": old.get("lastTransitionTime", now) if same else now,
        "observedGeneration": app["metadata"]["generation"],
    }


def _read_template(app: Object, part: str) -> Object:
    """A part of `spec.template`, empty where there is none."""
    found: Object = (app["spec"].get("template") or {}).get(part) or {}
    return found


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
