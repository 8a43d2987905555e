"""What the controller knows of one object when it decides: frozen projections of what the API server gave."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from wheelwarden.api import names
from wheelwarden.api.foreign_installer import find_installer, has_own_size, owners_hash
from wheelwarden.api.kinds import WorkloadKind
from wheelwarden.api.objects import annotations_of
from wheelwarden.payload.install.message_reader import read_message
from wheelwarden.payload.install.schema import VersionError
from wheelwarden.verify.results import ProbeReport, Usage, parse_usage

# apps/v1 StatefulSet: which revision of the template a pod was made from.
REVISION_LABEL: Final = "controller-revision-hash"


class Key(NamedTuple):
    """Which object: the unit of work."""

    kind: str
    namespace: str
    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class InstallResult:
    """What the installer reports (docs/architecture.md).

    The `*_omitted` count what its message had no room for: the lists are shorter by so many.
    """

    outcome: str
    hash: str
    installed: tuple[str, ...] = ()
    provided: tuple[str, ...] = ()
    installed_at: str = ""
    installed_by: str = ""
    install_seconds: float = 0.0
    attempts: int = 0
    error_class: str = ""
    error_message: str = ""
    warnings: tuple[str, ...] = ()
    installed_omitted: int = 0
    provided_omitted: int = 0
    warnings_omitted: int = 0
    usage: Usage | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Installer:
    """The install container of a pod: `phase` is waiting, running or ended; `result` its last word, if any.

    `unreadable`: why there is no result, where it left one that this release cannot read.
    """

    phase: str
    reason: str = ""
    message: str = ""
    exit_code: int | None = None
    result: InstallResult | None = None
    unreadable: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class PodState:
    """One pod of the object.

    Attributes:
        crashing: its main container has ended time and again, and nothing runs in it now.
        injected: it has our installer; `taken_over`: in the place of another owner's, on that owner's volume.
        foreign_installer: it has another owner's installer.
        search_path: where its packages are; empty where they can only be the image's.
        created: when it was made (RFC 3339).
        unschedulable: what the scheduler says of why it has no node; empty where it has one, or was not tried yet.
        revision: of its StatefulSet's template that it was made from.
        owners_hash: what its operator calls its set of packages; empty where it does not say.
        outdated: why it is about to be replaced, so that what it has is not judged; empty where it stays.
        came_back: it was replaced to get our installer, and has none again.
        counted: the installation of this pod that the metrics have already (`controller.status.install_mark`).
        own_size: the volume that they are on has a size of its own; of an emptyDir, the figures are the node's disk.
    """

    name: str
    uid: str
    deleting: bool
    ready: bool
    node: str
    main: str
    crashing: bool
    restarts: int
    injected: bool
    hash: str
    probed: str
    foreign_installer: bool
    taken_over: bool
    search_path: str
    installer: Installer | None
    conditions: tuple[Mapping[str, Any], ...]
    claims: frozenset[str]
    created: str = ""
    unschedulable: str = ""
    revision: str = ""
    owners_hash: str = ""
    outdated: str = ""
    came_back: bool = False
    counted: str = ""
    own_size: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Template:
    """The pod template of the StatefulSet that an operator keeps for its object.

    Attributes:
        installs: it has an installer of its own.
        owners_hash: what the operator calls the set of packages; empty where it does not say.
        claims: that its volumes name.
        generation: of the StatefulSet: it rises with each change of the template.
        revision: that pods made now are of; empty while the StatefulSet's controller has not seen the last change.
    """

    installs: bool
    owners_hash: str
    claims: frozenset[str]
    generation: int
    revision: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ProbeOutcome:
    """What a probe came to: a report, or why there is none."""

    digest: str
    report: ProbeReport | None = None
    failure: str = ""


def read_pod(kind: WorkloadKind, name: str, pod: Mapping[str, Any]) -> PodState:
    """The projection of a pod that belongs to the object `name`."""
    metadata, spec, status = pod["metadata"], pod.get("spec") or {}, pod.get("status") or {}
    annotations = annotations_of(pod)
    main = kind.main_container(name, spec.get("containers") or []) or {}
    main_status = _status_of(status.get("containerStatuses"), main.get("name"))
    init_containers = spec.get("initContainers") or []
    installers = [one for one in init_containers if one.get("name") == names.INSTALL_CONTAINER]
    injected = names.POD_HASH_ANNOTATION in annotations
    volumes = spec.get("volumes") or []
    if injected:
        search_path = names.SITE_PACKAGES_PATH
        mounts = [mount for installer in installers for mount in installer.get("volumeMounts") or []]
        store = next((mount.get("name") for mount in mounts if mount.get("mountPath") == names.STORE_PATH), None)
    else:
        foreign = find_installer(main, init_containers)
        search_path, store = (foreign.path, foreign.mount["name"]) if foreign else ("", None)
    return PodState(
        name=metadata["name"],
        uid=metadata["uid"],
        deleting="deletionTimestamp" in metadata,
        ready=bool(main_status.get("ready")),
        node=spec.get("nodeName", ""),
        main=main.get("name", ""),
        crashing=((main_status.get("state") or {}).get("waiting") or {}).get("reason") == "CrashLoopBackOff",
        restarts=int(main_status.get("restartCount") or 0),
        injected=injected,
        hash=annotations.get(names.POD_HASH_ANNOTATION, ""),
        probed=annotations.get(names.POD_PROBED_ANNOTATION, ""),
        foreign_installer=bool(installers) and not injected,
        taken_over=injected and any(_has_foreign_store(installer) for installer in installers),
        search_path=search_path,
        installer=_installer(status) if installers else None,
        conditions=tuple(status.get("conditions") or ()),
        claims=_claims(volumes),
        created=metadata.get("creationTimestamp", ""),
        unschedulable=_unschedulable(status.get("conditions") or ()),
        revision=(metadata.get("labels") or {}).get(REVISION_LABEL, ""),
        owners_hash=owners_hash([*installers, main]),
        counted=annotations.get(names.POD_COUNTED_ANNOTATION, ""),
        own_size=has_own_size(spec, store),
    )


def read_template(stateful: Mapping[str, Any]) -> Template:
    """The projection of a StatefulSet."""
    metadata, status = stateful["metadata"], stateful.get("status") or {}
    spec = stateful["spec"]["template"].get("spec") or {}
    installers = [one for one in spec.get("initContainers") or [] if one.get("name") == names.INSTALL_CONTAINER]
    generation = int(metadata.get("generation") or 0)
    seen = status.get("observedGeneration") == generation
    return Template(
        installs=bool(installers),
        owners_hash=owners_hash([*installers, *(spec.get("containers") or [])[:1]]),
        claims=_claims(spec.get("volumes") or []),
        generation=generation,
        revision=status.get("updateRevision", "") if seen else "",
    )


def _claims(volumes: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    found = {(volume.get("persistentVolumeClaim") or {}).get("claimName", "") for volume in volumes}
    return frozenset(found - {""})


def _unschedulable(conditions: Sequence[Mapping[str, Any]]) -> str:
    for entry in conditions:
        if (entry.get("type"), entry.get("status")) == ("PodScheduled", "False"):
            return str(entry.get("message") or entry.get("reason") or "")
    return ""


def _has_foreign_store(installer: Mapping[str, Any]) -> bool:
    return any(
        mount.get("mountPath") == names.STORE_PATH and mount.get("name") != names.STORE_VOLUME
        for mount in installer.get("volumeMounts") or []
    )


def _status_of(statuses: Any, name: str | None) -> Mapping[str, Any]:
    for status in statuses or []:
        if status.get("name") == name:
            found: Mapping[str, Any] = status
            return found
    return {}


def _installer(status: Mapping[str, Any]) -> Installer:
    own = _status_of(status.get("initContainerStatuses"), names.INSTALL_CONTAINER)
    state = own.get("state") or {}
    if terminated := state.get("terminated"):
        result, unreadable = _result_of(terminated)
        return Installer(
            phase="ended",
            reason=terminated.get("reason", ""),
            exit_code=terminated.get("exitCode"),
            result=result,
            unreadable=unreadable,
        )
    before = (own.get("lastState") or {}).get("terminated") or {}
    last, unreadable = _result_of(before)
    if "running" in state:
        return Installer(phase="running", exit_code=before.get("exitCode"), result=last, unreadable=unreadable)
    waiting = state.get("waiting") or {}
    return Installer(
        phase="waiting",
        reason=waiting.get("reason", ""),
        message=waiting.get("message", ""),
        exit_code=before.get("exitCode"),
        result=last,
        unreadable=unreadable,
    )


def _result_of(terminated: Mapping[str, Any]) -> tuple[InstallResult | None, str]:
    """What the installer reported, and why that cannot be read."""
    try:
        return parse_result(terminated.get("message", "")), ""
    except VersionError as error:
        return None, str(error)


def parse_result(message: str) -> InstallResult | None:
    """Reads a termination message; None where it is not one of the installer's (it was killed, or somebody else wrote it).

    Raises:
        VersionError: it is of a version that this release does not know.
    """
    found = read_message(message)
    if found is None:
        return None
    result, omitted = found
    return InstallResult(
        outcome=result.outcome,
        hash=result.hash,
        installed=tuple(result.installed),
        provided=tuple(result.provided),
        warnings=tuple(result.warnings),
        installed_omitted=omitted["installed"],
        provided_omitted=omitted["provided"],
        warnings_omitted=omitted["warnings"],
        installed_at=result.installed_at or "",
        installed_by=result.installed_by,
        install_seconds=result.install_seconds,
        attempts=result.attempts,
        error_class=result.error.kind if result.error else "",
        error_message=result.error.message if result.error else "",
        usage=parse_usage(result.usage),
    )
