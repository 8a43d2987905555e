"""The containers that bring packages into a Pod: the tools from our image, and the installer in the workload's own.

Pure: plain data in, plain data out. Nothing of the pod itself is changed here; see `webhook.pod_patch`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from webhook.container_resources import complete, fit
from wheelwarden.api import names
from wheelwarden.api.foreign_installer import HASH_VARIABLE, PYTHON_PATH, ForeignInstaller
from wheelwarden.api.objects import Object, mapping_in
from wheelwarden.api.request import Request
from wheelwarden.api.types import PackagesSpec
from wheelwarden.payload import bundle
from wheelwarden.payload.install.request import MESSAGE_BYTES, Credentials, InstallRequest

# What the kubelet keeps of the termination messages of a pod, shared evenly among its containers (core/v1
# Container.terminationMessagePath).
POD_MESSAGE_BYTES: Final = 12 * 1024
RETENTION_SECONDS: Final = 7 * 86400  # design, ruling 7
DEFAULT_RESOURCES: Final = {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "1Gi"}}  # ruling 9
# Copying uv (some 60 MB) goes through the page cache, which counts, but gives way.
TOOLS_RESOURCES: Final = {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "128Mi"}}
# The user of our image, for pods that would otherwise run it as root.
TOOLS_USER: Final = 65532
# Variables whose value names a file or folder that the installer needs too; SSL_CERT_DIR may hold several.
FILE_VARIABLES: Final = frozenset(
    {
        "PIP_CERT",
        "PIP_CLIENT_CERT",
        "PIP_CONFIG_FILE",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "SSL_CLIENT_CERT",
    }
)
OUR_VARIABLES: Final = frozenset(
    {
        names.REQUEST_VARIABLE,
        names.POD_VARIABLE,
        names.USERNAME_VARIABLE,
        names.PASSWORD_VARIABLE,
        names.NETRC_VARIABLE,
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Tools:
    """How uv and the installer come into a pod: copied by an init container of `image`, or inline where not enabled."""

    enabled: bool
    image: str = ""
    pull_policy: str = "IfNotPresent"


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """What the installer of one pod is to do.

    Attributes:
        request: what the pod's owner asks for.
        packages: its packages.
        tools: how the installer comes into pods.
        in_use: the hashes of the workload's live pods; None where they are not known, so that nothing is collected.
        replaced: the installer whose place it takes, None where there is none.
        defaulted: the resources of that installer are the namespace's defaults, put in by the API server.
        limit_ranges: of the pod's namespace, as far as they are known.
        containers: how many the pod will have.
        report_usage: whether the store has a size of its own: of an emptyDir, the figures would be the node's disk.
    """

    request: Request
    packages: PackagesSpec
    tools: Tools
    in_use: Sequence[str] | None
    replaced: ForeignInstaller | None = None
    defaulted: bool = False
    limit_ranges: Sequence[Mapping[str, Any]] = ()
    containers: int = 3
    report_usage: bool = True


def make_install_request(work: Work) -> InstallRequest:
    """What the installer is asked; it names the Secret and never holds its values."""
    packages, tools, replaced = work.packages, work.tools, work.replaced
    credentials = packages.credentials
    policy = packages.install_policy
    marker = f"{names.VIEW_PATH}/.installed-{replaced.packages_hash}" if replaced and replaced.packages_hash else None
    return InstallRequest(
        hash=work.request.packages_hash,
        packages=list(packages.packages),
        index_url=packages.index_url,
        extra_index_urls=list(packages.extra_index_urls),
        trusted_hosts=list(packages.trusted_hosts),
        credentials=None
        if credentials is None
        else Credentials(
            secret=credentials.name,
            username_key=credentials.username_key,
            password_key=credentials.password_key,
        ),
        installer="uv" if tools.enabled else "pip",
        uv=f"{names.TOOLS_PATH}/uv" if tools.enabled else None,
        # On another owner's volume all of it lies in one folder, out of that owner's way.
        store=names.STORE_PATH if replaced is None else f"{names.STORE_PATH}/{names.STORE_FOLDER}",
        view=names.VIEW_PATH,
        owners_marker=marker,
        retries=policy.retries,
        timeout_seconds=policy.timeout,
        on_failure=policy.on_failure,
        retention_seconds=RETENTION_SECONDS,
        keys_in_use=None if work.in_use is None else sorted(work.in_use),
        report_usage=work.report_usage,
        message_bytes=min(MESSAGE_BYTES, POD_MESSAGE_BYTES // work.containers),
    )


def make_tools_container(pod_spec: Mapping[str, Any], main: Mapping[str, Any], work: Work) -> Object:
    """The init container of our own image that copies uv and the installer for the next one."""
    tools = work.tools
    security: Object = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    if (pod_spec.get("securityContext") or {}).get("runAsUser") == 0:
        # Root by the pod's choice would clash with runAsNonRoot. Elsewhere no user is named: the image's own or the
        # pod's holds, and OpenShift refuses users outside the namespace's range.
        security["runAsUser"] = TOOLS_USER
    return {
        "name": names.TOOLS_CONTAINER,
        "image": tools.image,
        "imagePullPolicy": tools.pull_policy,
        "command": [
            "cp",
            f"{names.IMAGE_TOOLS_PATH}/uv",
            f"{names.IMAGE_TOOLS_PATH}/install.py",
            f"{names.TOOLS_PATH}/",
        ],
        "resources": fit(TOOLS_RESOURCES, main, _containers(pod_spec), work.limit_ranges),
        "securityContext": security,
        "terminationMessagePolicy": "File",
        "volumeMounts": [{"name": names.TOOLS_VOLUME, "mountPath": names.TOOLS_PATH}],
    }


def make_install_container(pod_spec: Mapping[str, Any], main: Mapping[str, Any], work: Work) -> Object:
    """The init container that installs: image and environment of the main one, and no more rights than it needs.

    On a takeover it also keeps what the replaced container was given, which counts where the main one says otherwise.
    """
    tools, replaced = work.tools, work.replaced
    command = ["python3", "-I"]
    command += [f"{names.TOOLS_PATH}/install.py"] if tools.enabled else ["-c", bundle("install")]
    mounts: list[Object] = [
        make_store_mount(replaced, read_only=False),
        {"name": names.VIEW_VOLUME, "mountPath": names.VIEW_PATH},
    ]
    if tools.enabled:
        mounts.append({"name": names.TOOLS_VOLUME, "mountPath": names.TOOLS_PATH, "readOnly": True})
    kept = {field: main[field] for field in ("image", "imagePullPolicy") if main.get(field)}
    if sources := [*(main.get("envFrom") or []), *((replaced and replaced.container.get("envFrom")) or [])]:
        kept["envFrom"] = sources  # of two sources with one name the later counts
    security = {**(main.get("securityContext") or {}), **_of_replaced(replaced, "securityContext")}
    return {
        "name": names.INSTALL_CONTAINER,
        **kept,
        "command": command,
        "env": [*_variables(main, replaced), *_our_variables(work)],
        "resources": _resources(pod_spec, main, work),
        "securityContext": tighten(security, pod_spec.get("securityContext") or {}),
        "terminationMessagePolicy": "File",
        "volumeMounts": [*mounts, *_mounts(main, replaced)],
    }


def _variables(main: Mapping[str, Any], replaced: ForeignInstaller | None) -> list[Mapping[str, Any]]:
    """What the installer is given of the workload's environment, each name once."""
    variables = workload_variables(main)
    if replaced is None:
        return variables
    own = [variable for variable in replaced.variables if variable.get("name") not in OUR_VARIABLES]
    # The owner's PYTHONPATH names its own folder; without it the installer sees the image's, and links that.
    known = {PYTHON_PATH, HASH_VARIABLE, *(variable.get("name") for variable in own)}
    # Its own come first: `$(NAME)` in them means what it meant before, and in the main container's it finds these.
    return [*own, *(variable for variable in variables if variable.get("name") not in known)]


def _mounts(main: Mapping[str, Any], replaced: ForeignInstaller | None) -> list[Mapping[str, Any]]:
    """What the installer is given of the workload's files, each place once."""
    if replaced is None:
        return [*file_mounts(main)]
    own = [
        # Only a privileged container may pass mounts on to the host, and ours is none.
        {field: value for field, value in mount.items() if (field, value) != ("mountPropagation", "Bidirectional")}
        for mount in replaced.mounts
    ]
    places = {str(mount.get("mountPath")).rstrip("/") for mount in own} | {replaced.path.rstrip("/")}
    return [*own, *(one for one in file_mounts(main) if str(one.get("mountPath")).rstrip("/") not in places)]


def _of_replaced(replaced: ForeignInstaller | None, field: str) -> Mapping[str, Any]:
    return {} if replaced is None else mapping_in(replaced.container, field)


def make_store_mount(replaced: ForeignInstaller | None, *, read_only: bool) -> Object:
    """The mount of the store: our own volume, or the one that the replaced installer wrote to."""
    mount: Object = {"name": names.STORE_VOLUME}
    if replaced is not None:
        mount = {field: value for field, value in replaced.mount.items() if field in ("name", "subPath", "subPathExpr")}
    mount["mountPath"] = names.STORE_PATH
    return {**mount, "readOnly": True} if read_only else mount


def workload_variables(main: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The main container's variables that the installer gets too, PYTHONPATH included: it links those entries."""
    return [variable for variable in main.get("env") or [] if variable.get("name") not in OUR_VARIABLES]


def file_mounts(main: Mapping[str, Any]) -> list[Object]:
    """The main container's mounts that hold a CA bundle or pip configuration which its environment names; read-only."""
    files = [
        file
        for variable in main.get("env") or []
        if variable.get("name") in FILE_VARIABLES
        for file in str(variable.get("value") or "").split(":")
    ]
    found = []
    for mount in main.get("volumeMounts") or []:
        if any(is_within(file, str(mount.get("mountPath"))) for file in files):
            # Propagation from the container to the host is for privileged containers only.
            kept = {field: value for field, value in mount.items() if field != "mountPropagation"}
            found.append({**kept, "readOnly": True})
    return found


def is_within(path: str, folder: str) -> bool:
    """Whether an absolute path is a folder or lies below it."""
    folder = folder.rstrip("/")
    return path.startswith("/") and (path.rstrip("/") == folder or path.startswith(f"{folder}/"))


def tighten(own: Mapping[str, Any], of_pod: Mapping[str, Any]) -> Object:
    """A container's security context with nothing in it that an installer has no use for.

    User, group and SELinux stay: the files have to be readable for the main container. With it the installer meets the
    `restricted` Pod Security level wherever the main container does.
    """
    context = {field: value for field, value in own.items() if field not in ("privileged", "procMount")}
    context["allowPrivilegeEscalation"] = False
    context["capabilities"] = {"drop": ["ALL"]}
    if not own.get("seccompProfile") and not of_pod.get("seccompProfile"):
        context["seccompProfile"] = {"type": "RuntimeDefault"}
    return context


def _our_variables(work: Work) -> list[Object]:
    text = json.dumps(make_install_request(work).as_object(), separators=(",", ":"))
    return [
        *_credentials(work.packages),
        {"name": names.POD_VARIABLE, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}},
        # `$(NAME)` would be expanded by Kubernetes; `$` stands in strings only, where this escape means the same.
        {"name": names.REQUEST_VARIABLE, "value": text.replace("$", "\\u0024")},
    ]


def _credentials(packages: PackagesSpec) -> Sequence[Object]:
    if packages.credentials is None:
        return []
    keys = {
        names.USERNAME_VARIABLE: packages.credentials.username_key,
        names.PASSWORD_VARIABLE: packages.credentials.password_key,
        names.NETRC_VARIABLE: names.NETRC_KEY,
    }
    # Optional: a Secret has the pair or a netrc, and of one that is missing the installer speaks better than kubelet.
    return [
        {
            "name": variable,
            "valueFrom": {"secretKeyRef": {"name": packages.credentials.name, "key": key, "optional": True}},
        }
        for variable, key in keys.items()
    ]


def _resources(pod_spec: Mapping[str, Any], main: Mapping[str, Any], work: Work) -> Object:
    asked = work.packages.resources
    # What the owner asks for is the owner's word; only what it leaves out is completed.
    if asked is not None:
        return complete({"requests": asked.requests, "limits": asked.limits}, main)
    own = _of_replaced(work.replaced, "resources")
    if not work.defaulted and (own.get("requests") or own.get("limits")):
        return complete({kind: mapping_in(own, kind) for kind in ("requests", "limits")}, main)
    return fit(DEFAULT_RESOURCES, main, _containers(pod_spec), work.limit_ranges)


def _containers(pod_spec: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [*(pod_spec.get("initContainers") or []), *(pod_spec.get("containers") or [])]
