"""What the controller knows of one object when it decides: frozen projections of what the API server gave."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from wheelwarden import names
from wheelwarden.installers import find_installer, owners_hash
from wheelwarden.targets import Kind, annotations_of, main_container
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
    """The installer's own word (docs/architecture.md)."""

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
    usage: Usage | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Installer:
    """The install container of a pod: `phase` is waiting, running or ended; `result` its last word, if any."""

    phase: str
    reason: str = ""
    message: str = ""
    exit_code: int | None = None
    result: InstallResult | None = None


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
        counted: the installation of this pod that the metrics have already (`manifests.install_mark`).
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


def read_pod(kind: Kind, name: str, pod: Mapping[str, Any]) -> PodState:
    """The projection of a pod that belongs to the object `name`."""
    metadata, spec, status = pod["metadata"], pod.get("spec") or {}, pod.get("status") or {}
    annotations = annotations_of(pod)
    main = main_container(kind, name, spec.get("containers") or []) or {}
    main_status = _status_of(status.get("containerStatuses"), main.get("name"))
    init_containers = spec.get("initContainers") or []
    installers = [one for one in init_containers if one.get("name") == names.INSTALL_CONTAINER]
    injected = names.POD_HASH_ANNOTATION in annotations
    volumes = spec.get("volumes") or []
    if injected:
        search_path = names.SITE_PACKAGES_PATH
    else:
        foreign = find_installer(main, init_containers)
        search_path = foreign.path if foreign else ""
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
        return Installer(
            phase="ended",
            reason=terminated.get("reason", ""),
            exit_code=terminated.get("exitCode"),
            result=parse_result(terminated.get("message", "")),
        )
    before = (own.get("lastState") or {}).get("terminated") or {}
    last = parse_result(before.get("message", ""))
    if "running" in state:
        return Installer(phase="running", exit_code=before.get("exitCode"), result=last)
    waiting = state.get("waiting") or {}
    return Installer(
        phase="waiting",
        reason=waiting.get("reason", ""),
        message=waiting.get("message", ""),
        exit_code=before.get("exitCode"),
        result=last,
    )


def parse_result(message: str) -> InstallResult | None:
    """Reads a termination message; None where it is none of the installer's (killed, or cut by somebody)."""
    try:
        data = json.loads(message)
        error = dict(data["error"] or {})
        seconds = float(data["installSeconds"])
        return InstallResult(
            outcome=data["outcome"],
            hash=data["hash"],
            installed=tuple(map(str, data["installed"])),
            provided=tuple(map(str, data.get("provided") or ())),
            installed_at=str(data["installedAt"] or ""),
            installed_by=str(data["installedBy"] or ""),
            install_seconds=seconds if math.isfinite(seconds) else 0.0,
            attempts=int(data["attempts"]),
            error_class=str(error.get("class", "")),
            error_message=str(error.get("message", "")),
            warnings=tuple(map(str, data["warnings"])),
            usage=parse_usage(data["usage"]),
        )
    except (ValueError, KeyError, TypeError):
        return None
