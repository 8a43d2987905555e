"""What is added to a Pod so that it finds its packages. Pure: decides, and gives a JSON patch or the reason for none.

Adds, never replaces: volumes, init containers at the end of the list (sidecars that are init containers run by then), two
mounts and one variable of the main container, two annotations. The pod's security context, its other containers and
everything else stay as they are.

Where asked to (`install: managed`), another owner's installer is taken over: ours stands in its place under its name, its
volume is our store, and our view is mounted where its packages were, with the marker that its owner looks for. What that
container was given to install with (variables, mounts, resources, security context) ours keeps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from webhook.install_containers import (
    Tools,
    Work,
    file_mounts,
    is_within,
    make_install_container,
    make_store_mount,
    make_tools_container,
    workload_variables,
)
from wheelwarden.api import names
from wheelwarden.api.foreign_installer import PYTHON_PATH, ForeignInstaller, find_installer, has_own_size
from wheelwarden.api.objects import Object, annotations_of, mapping_in
from wheelwarden.api.request import Request
from wheelwarden.api.volumes import EMPTY, cache_mode

# How people mean the image's own value, which Kubernetes does not put there: it takes these as they stand.
IMAGE_REFERENCES: Final = ("${PYTHONPATH}", "$PYTHONPATH", "$(PYTHONPATH)")
OUR_VOLUMES: Final = (names.STORE_VOLUME, names.VIEW_VOLUME, names.TOOLS_VOLUME)
# Where the API server says which containers it gave the default resources of a LimitRange.
LIMIT_RANGER: Final = "kubernetes.io/limit-ranger"
OUR_PATHS: Final = (names.STORE_PATH, names.VIEW_PATH, names.TOOLS_PATH)


@dataclass(frozen=True, kw_only=True, slots=True)
class PodPatch:
    """What comes of a pod.

    Attributes:
        patch: operations of RFC 6902; empty where the pod stays as it is.
        reason: why, for the log.
        warning: for the one who made the pod; empty where there is nothing to do about it.
    """

    patch: tuple[Object, ...] = ()
    reason: str
    warning: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """What there is of the owner beside the pod.

    Attributes:
        claim: the claim of the wanted name; None where there is none yet, or it could not be read.
        in_use: packages hashes of its live pods; None where they are not known.
        limit_ranges: of the namespace; none where they are not known.
    """

    claim: Mapping[str, Any] | None = None
    in_use: tuple[str, ...] | None = None
    limit_ranges: tuple[Mapping[str, Any], ...] = ()


NOTHING_KNOWN: Final = Surroundings()


def plan_injection(  # noqa: C901 - one list of what stands in the way, in the order in which it is looked for
    pod: Mapping[str, Any], request: Request, tools: Tools, surroundings: Surroundings = NOTHING_KNOWN
) -> PodPatch:
    """Decides on one pod at its creation.

    Args:
        pod: as the API server sends it.
        request: what the pod's owner asks for; not denied by any rule.
        tools: how the installer comes into pods.
        surroundings: what else there is of the owner.
    """
    packages = request.packages
    if packages is None:
        return PodPatch(reason="no packages are asked for")
    # The owner wants to be watched only.
    if request.install == "observe":
        return PodPatch(reason="its packages are only observed, as asked for")
    spec = mapping_in(pod, "spec")
    containers: list[Mapping[str, Any]] = list(spec.get("containers") or [])
    main = request.kind.main_container(request.name, containers)
    if main is None:
        return PodPatch(reason="the pod has no container")
    main_path = f"/spec/containers/{containers.index(main)}"
    init_containers: list[Mapping[str, Any]] = list(spec.get("initContainers") or [])
    installer = _position(init_containers, names.INSTALL_CONTAINER)
    injected_hash = annotations_of(pod).get(names.POD_HASH_ANNOTATION)
    # We were here: the API server asks again after others changed the pod (reinvocationPolicy).
    if injected_hash == request.packages_hash and installer is not None:
        patch = _follow(init_containers[installer], f"/spec/initContainers/{installer}", main)
        return PodPatch(patch=patch, reason="the pod is injected already")
    # A copy of an older pod, made by hand.
    if injected_hash is not None:
        return _refuse(request, f"the pod already carries the annotation {names.POD_HASH_ANNOTATION}", "Remove it")
    replaced = None
    if installer is not None:
        reason = f"the pod comes with an {names.INSTALL_CONTAINER} of its own, which is left as it is"
        if request.install != "managed":
            return PodPatch(reason=reason)
        replaced = find_installer(main, init_containers)
        if replaced is None:
            text = f"{reason}: it cannot be told which of its volumes holds the packages"
            return PodPatch(reason=text, warning=f"{request.kind.name} {request.name}: {text}")
    if mapping_in(spec, "os").get("name") == "windows":
        return _refuse(request, "the pod is for Windows", f"Remove the packages from the {request.kind.name}")
    others = [one for one in init_containers if one.get("name") != names.INSTALL_CONTAINER or replaced is None]
    if taken := _find_collision(spec, main, others) or _find_mount(replaced.mounts if replaced else []):
        return _refuse(request, f"{taken} of the pod is one that Wheelwarden needs", "Choose another")
    work = Work(
        request=request,
        packages=packages,
        tools=tools,
        in_use=surroundings.in_use,
        replaced=replaced,
        defaulted=f"init container {names.INSTALL_CONTAINER}" in str(annotations_of(pod).get(LIMIT_RANGER, "")),
        limit_ranges=surroundings.limit_ranges,
        containers=len(containers) + len(others) + (2 if tools.enabled else 1),
        report_usage=_has_own_size(spec, request, surroundings.claim, replaced),
    )
    marks = {
        names.POD_HASH_ANNOTATION: request.packages_hash,
        names.POD_WORKLOAD_ANNOTATION: f"{request.kind.name}/{request.name}",
    }
    return PodPatch(
        patch=(
            *_annotate(pod, marks),
            *_append("/spec/volumes", spec.get("volumes"), _volumes(work, surroundings.claim)),
            *_install(spec, main, work),
            *_mount(f"{main_path}/volumeMounts", main, replaced),
            _set_python_path(f"{main_path}/env", main.get("env") or [], replaced),
        ),
        reason="injected" if replaced is None else f"injected in the place of its own {names.INSTALL_CONTAINER}",
    )


def _install(spec: Mapping[str, Any], main: Mapping[str, Any], work: Work) -> list[Object]:
    """The init containers: at the end of the list, or in the place of the one that is taken over."""
    installer = make_install_container(spec, main, work)
    before = [make_tools_container(spec, main, work)] if work.tools.enabled else []
    if work.replaced is None:
        return _append("/spec/initContainers", spec.get("initContainers"), [*before, installer])
    path = f"/spec/initContainers/{work.replaced.position}"
    # An insertion moves what stood there by one.
    return [{"op": "replace", "path": path, "value": installer}, *(_add(path, container) for container in before)]


def _mount(path: str, main: Mapping[str, Any], replaced: ForeignInstaller | None) -> list[Object]:
    view = {"name": names.VIEW_VOLUME, "mountPath": names.VIEW_PATH, "readOnly": True}
    patch = _append(path, main.get("volumeMounts"), [make_store_mount(replaced, read_only=True), view])
    if replaced is not None:
        there = {**view, "mountPath": replaced.path}
        patch.append({"op": "replace", "path": f"{path}/{replaced.main_position}", "value": there})
    return patch


def python_path(value: str | None, replaced: ForeignInstaller | None = None) -> str:
    """The main container's PYTHONPATH.

    Args:
        value: what the pod says, as it stands there; None where that cannot be read at admission (of the image, a
            ConfigMap, a Secret). The installer sees it then and links its entries under IMAGE_PATHS.
        replaced: the installer whose folder no longer holds packages, None where there is none.
    """
    if value is None:
        return ":".join([names.SITE_PACKAGES_PATH, *names.IMAGE_PATHS])
    if replaced is not None:
        kept: list[str] = []
        for entry in value.split(":"):
            if entry in IMAGE_REFERENCES:
                kept += names.IMAGE_PATHS
            elif entry and entry.rstrip("/") != replaced.path.rstrip("/"):
                kept.append(entry)
        value = ":".join(kept)
    # An empty entry would be the working directory.
    return f"{names.SITE_PACKAGES_PATH}:{value}" if value else names.SITE_PACKAGES_PATH


def _refuse(request: Request, reason: str, remedy: str) -> PodPatch:
    warning = (
        f"{request.kind.name} {request.name}: its Python packages are not installed into this pod, because {reason}. "
        f"{remedy}, then delete the pod."
    )
    return PodPatch(reason=reason, warning=warning)


def _find_collision(
    spec: Mapping[str, Any], main: Mapping[str, Any], init_containers: Sequence[Mapping[str, Any]]
) -> str:
    """What of the pod stands where we have to, in words; empty where there is room."""
    for volume in spec.get("volumes") or []:
        if volume.get("name") in OUR_VOLUMES:
            return f"the volume name {volume['name']}"
    for container in [*init_containers, *(spec.get("containers") or [])]:
        if container.get("name") in (names.TOOLS_CONTAINER, names.INSTALL_CONTAINER):
            return f"the container name {container['name']}"
    return _find_mount(main.get("volumeMounts") or [])


def _find_mount(mounts: Sequence[Mapping[str, Any]]) -> str:
    """The mount of a container that stands where ours have to, in words; empty where none does."""
    for mount in mounts:
        path = str(mount.get("mountPath"))
        # Also below one of ours: there it could not be made, ours are read-only.
        if any(is_within(path, ours) for ours in OUR_PATHS):
            return f"the mount path {path}"
    return ""


def _has_own_size(
    spec: Mapping[str, Any], request: Request, claim: Mapping[str, Any] | None, replaced: ForeignInstaller | None
) -> bool:
    """Whether the store will have a size of its own."""
    if replaced is None:
        return cache_mode(request, claim) != EMPTY
    return has_own_size(spec, replaced.mount["name"])


def _volumes(work: Work, claim_there: Mapping[str, Any] | None) -> list[Object]:
    volumes: list[Object] = [{"name": names.VIEW_VOLUME, "emptyDir": {}}]
    if work.replaced is None:
        store: Object = {"name": names.STORE_VOLUME, "emptyDir": {}}
        if cache_mode(work.request, claim_there) != EMPTY:
            claim = work.request.kind.claim_name(work.request.name)
            store = {"name": names.STORE_VOLUME, "persistentVolumeClaim": {"claimName": claim}}
        volumes.insert(0, store)
    if work.tools.enabled:
        volumes.append({"name": names.TOOLS_VOLUME, "emptyDir": {}})
    return volumes


def _set_python_path(path: str, env: Sequence[Mapping[str, Any]], replaced: ForeignInstaller | None) -> Object:
    position = _position(env, PYTHON_PATH)
    if position is None:
        variable = {"name": PYTHON_PATH, "value": python_path(None)}
        return {"op": "add", "path": f"{path}/-", "value": variable} if env else _add(path, [variable])
    # In its own place: variables after it may refer to it, and its value to those before.
    found = env[position]
    value = None if found.get("valueFrom") else str(found.get("value") or "")
    variable = {"name": PYTHON_PATH, "value": python_path(value, replaced)}
    return {"op": "replace", "path": f"{path}/{position}", "value": variable}


def _follow(installer: Mapping[str, Any], path: str, main: Mapping[str, Any]) -> tuple[Object, ...]:
    """What others gave to the main container after our visit and the installer needs too: proxies, CA bundles."""
    known = {variable.get("name") for variable in installer.get("env") or []} | {PYTHON_PATH}
    variables = [variable for variable in workload_variables(main) if variable.get("name") not in known]
    mounted = {mount.get("mountPath") for mount in installer.get("volumeMounts") or []}
    mounts = [mount for mount in file_mounts(main) if mount.get("mountPath") not in mounted]
    return (
        *_append(f"{path}/env", installer.get("env"), variables),
        *_append(f"{path}/volumeMounts", installer.get("volumeMounts"), mounts),
    )


def _position(items: Sequence[Mapping[str, Any]], name: str) -> int | None:
    """Where the item of that name stands: the last one, which is the one that counts for variables."""
    return next((index for index in reversed(range(len(items))) if items[index].get("name") == name), None)


def _annotate(pod: Mapping[str, Any], marks: Mapping[str, str]) -> list[Object]:
    if not mapping_in(mapping_in(pod, "metadata"), "annotations"):
        return [_add("/metadata/annotations", dict(marks))]
    return [_add(f"/metadata/annotations/{_escape(key)}", value) for key, value in marks.items()]


def _append(path: str, present: Sequence[Any] | None, items: Sequence[Any]) -> list[Object]:
    if not items:
        return []
    return [_add(f"{path}/-", item) for item in items] if present else [_add(path, list(items))]


def _add(path: str, value: Any) -> Object:
    return {"op": "add", "path": path, "value": value}


def _escape(key: str) -> str:
    """A key as a part of a JSON pointer (RFC 6901, section 3)."""
    return key.replace("~", "~0").replace("/", "~1")
