"""What the controller knows of one object when it decides: frozen projections of what the API server gave."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from wheelwarden.api import names
from wheelwarden.api.conditions import REASON_OF_ERROR
from wheelwarden.api.foreign_installer import find_installer, has_own_size, owners_hash
from wheelwarden.api.kinds import WorkloadKind
from wheelwarden.api.objects import annotations_of
from wheelwarden.verify.results import ProbeReport, Usage, number, parse_usage

MESSAGE_LIMIT: Final = 4096  # of a termination message (core/v1 Container.terminationMessagePath)
FAILURE: Final = re.compile(
    r"Error class: (?P<kind>[a-z_]{1,40})\. Attempts: (?P<attempts>[0-9]{1,6})\. Packages hash: (?P<hash>[0-9A-Za-z-]{1,64})\."
    r"(?: Volume: (?P<totalBytes>[0-9]{1,18}) bytes, (?P<usedBytes>[0-9]{1,18}) used, "
    r"(?P<availableBytes>[0-9]{1,18}) available\.)?"
)

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
    """Reads a termination message; None where it is not one of the installer's (it was killed, or somebody else wrote it).

    A sentence, a line of facts, a line of lists, which the kubelet may have cut off; of a failure the facts in words and no
    lists; or all in one line of JSON, as installers of the release before wrote it. What runs in the pod can write
    anything there: a value of the wrong type or size makes it none of the installer's.
    """
    sentence, *lines = message.split("\n") if len(message) <= MESSAGE_LIMIT else [""]
    try:
        if not lines:
            facts = _object(sentence)
            kept = {"installed": len(facts["installed"]) + facts.get("installedOmitted", 0)}
            return _result(facts, facts, kept, _error(facts))
        if failure := FAILURE.fullmatch(lines[0]):
            return _result(_facts_of_failure(failure), {}, {}, (failure["kind"], _text(sentence)))
        facts = _object(lines[0])
        if facts["outcome"] == "failed":
            return None
        return _result(facts, _lists(lines[1:]), facts.get("counts") or {}, ("", ""))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None


def _result(
    facts: Mapping[str, Any], lists: Mapping[str, Any], counts: Mapping[str, Any], error: tuple[str, str]
) -> InstallResult:
    """Raises ValueError, KeyError, TypeError, AttributeError or OverflowError where a value is not what it should be."""
    outcome = facts["outcome"]
    if outcome not in ("installed", "reused", "failed"):
        raise ValueError(outcome)
    installed, provided, warnings = (
        tuple(_text(entry) for entry in lists.get(name) or ()) for name in ("installed", "provided", "warnings")
    )
    kind, text = error
    return InstallResult(
        outcome=outcome,
        hash=_text(facts["hash"]),
        installed=installed,
        provided=provided,
        warnings=warnings,
        installed_omitted=_omitted(counts, "installed", installed),
        provided_omitted=_omitted(counts, "provided", provided),
        warnings_omitted=_omitted(counts, "warnings", warnings),
        installed_at=_text(facts.get("installedAt") or ""),
        installed_by=_text(facts.get("installedBy") or ""),
        install_seconds=number(facts.get("installSeconds") or 0),
        attempts=int(number(facts["attempts"])),
        # A metric and a condition are named by it, so a class that we do not know is none.
        error_class="" if outcome != "failed" else kind if kind in REASON_OF_ERROR else "unknown",
        error_message=text if outcome == "failed" else "",
        usage=parse_usage(facts.get("usage")),
    )


def _facts_of_failure(failure: re.Match[str]) -> Mapping[str, Any]:
    sizes = {name: failure[name] and int(failure[name]) for name in ("totalBytes", "usedBytes", "availableBytes")}
    return {
        "outcome": "failed",
        "hash": failure["hash"],
        "attempts": int(failure["attempts"]),
        "usage": sizes if failure["totalBytes"] else None,
    }


def _lists(lines: Sequence[str]) -> Mapping[str, Any]:
    try:
        return _object(lines[0])
    except (IndexError, ValueError):
        return {}  # cut off


def _error(facts: Mapping[str, Any]) -> tuple[str, str]:
    error = facts["error"] or {}
    return _text(error.get("class", "")), _text(error.get("message", ""))


def _object(line: str) -> Mapping[str, Any]:
    found = json.loads(line)
    if not isinstance(found, dict):
        raise TypeError(line)
    return found


def _text(value: Any) -> str:
    """Printable, on one line."""
    if not isinstance(value, str):
        raise TypeError(value)
    return "".join(character if character.isprintable() else " " for character in value)


def _omitted(counts: Mapping[str, Any], name: str, shown: Sequence[str]) -> int:
    return max(0, int(number(counts.get(name, 0))) - len(shown))
