"""Why a pod did not become ready, decided from the pod and its events. No I/O."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from wheelwarden.verify.image_test.reference import clean

EVENTS_KEPT: Final = 20
_TO_THE_SECOND: Final = len("2026-01-31T10:00:00")  # of a time as RFC 3339 writes it

# Reasons of waiting containers, k8s.io/kubernetes/pkg/kubelet/images/types.go and kubelet/container/sync_result.go.
_INVALID_IMAGE: Final = ("InvalidImageName",)
_PULL_GIVEN_UP: Final = ("ImagePullBackOff", "ErrImageNeverPull")
_PULL_FAILED: Final = (*_PULL_GIVEN_UP, "ErrImagePull", "ImageInspectError", "SignatureValidationFailed")
_CRASHED_AGAIN: Final = ("CrashLoopBackOff",)
_NOT_STARTED: Final = ("RunContainerError", "CreateContainerError", "PostStartHookError")
# Reasons of failed pods whose node is short of resources (kubelet/eviction, kubelet/lifecycle/predicate.go).
_EVICTED: Final = ("Evicted", "Preempting")
_NODE_FULL_PREFIX: Final = "OutOf"
_SCARCE: Final = ("Insufficient ", "Too many pods", "exceeded quota", "failed quota")
_QUOTA_UNSPECIFIED: Final = "must specify"
# In the kubelet's message if it cannot verify that the image runs as another user than root.
_ROOT_REFUSED: Final = "runAsNonRoot"


class PodFailureCategory(StrEnum):
    """The kind of failure that kept a pod from becoming ready."""

    IMAGE_PULL_ERROR = "ImagePullBackOff"
    CRASH_LOOP = "CrashLoopBackOff"
    INVALID_IMAGE = "InvalidImageName"
    TIMEOUT = "TimeoutWaitingForReady"
    RESOURCE_CONSTRAINTS = "InsufficientResources"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, kw_only=True, slots=True)
class ContainerStatus:
    """One container, init containers and sidecars included; `state` is waiting, running or terminated."""

    name: str
    ready: bool
    state: str
    state_reason: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class PodDiagnosticInfo:
    """The diagnosis of a pod that did not become ready; redacted, safe to show.

    Attributes:
        pod_name: empty if no pod was created.
        pod_phase: Pending, Running, Failed …; empty if no pod was created.
        container_statuses: init containers first.
        error_category: the kind of failure.
        logs: the last lines of each container by its name, empty if there are none.
        events: `TYPE REASON: MESSAGE`, oldest first.
        cause: the cause of the failure, one line.
        remedy: what to do, one sentence without the final full stop.
    """

    pod_name: str
    pod_phase: str
    container_statuses: tuple[ContainerStatus, ...]
    error_category: PodFailureCategory
    logs: Mapping[str, str] = field(default_factory=dict)
    events: tuple[str, ...] = ()
    cause: str = ""
    remedy: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Finding:
    category: PodFailureCategory
    cause: str
    remedy: str


def has_failed(pod: Mapping[str, Any]) -> bool:
    """Whether waiting longer is useless: the image cannot be pulled, a container is in a crash loop, or the pod has ended.

    A pod that cannot be scheduled has not failed: the cluster may grow.
    """
    if _status(pod).get("phase") in ("Failed", "Succeeded"):
        return True
    final = (*_INVALID_IMAGE, *_PULL_GIVEN_UP, *_CRASHED_AGAIN)
    waiting = [_state(status, "waiting") for status in _containers(pod)]
    return any(state.get("reason") in final or _ROOT_REFUSED in state.get("message", "") for state in waiting)


def has_restarted(pod: Mapping[str, Any]) -> bool:
    """Whether a container (other than an init container) has ended at least once."""
    statuses = _status(pod).get("containerStatuses") or []
    return any(status.get("restartCount") or _state(status, "terminated") for status in statuses)


def waits_for(pod: Mapping[str, Any] | None, events: Sequence[Mapping[str, Any]] = ()) -> str:
    """What a pod that is not ready waits for, in one line; empty if unknown.

    If there is no pod (None), the line has the last warning event of the object that should create it.
    """
    if pod is None:
        warnings = [_text(event, "message") for event in sorted(events, key=_time_of) if event.get("type") == "Warning"]
        return "; ".join(("its pod has not been created yet", *(_one_line(text) for text in warnings[-1:])))
    unscheduled = _unscheduled(pod)
    if unscheduled:
        return unscheduled
    for status in _containers(pod):
        if _state(status, "waiting").get("reason"):
            return _waiting_cause(status)
    unready = [status["name"] for status in _status(pod).get("containerStatuses") or [] if not status.get("ready")]
    return f"container {unready[0]} is running but not ready" if unready else ""


def diagnose(
    pod: Mapping[str, Any] | None, events: Sequence[Mapping[str, Any]], logs: Mapping[str, str] | None = None
) -> PodDiagnosticInfo:
    """Diagnose a pod that did not become ready.

    Args:
        pod: the pod as read from the API server; None if it was never created.
        events: the events of the pod and of the object that creates it.
        logs: the last lines of its containers, by name.
    """
    ordered = sorted(events, key=_time_of)[-EVENTS_KEPT:]
    finding = _find(pod, ordered)
    containers = _containers(pod) if pod else []
    return PodDiagnosticInfo(
        pod_name=pod["metadata"]["name"] if pod else "",
        pod_phase=_status(pod).get("phase", "") if pod else "",
        container_statuses=tuple(_container_status(status) for status in containers),
        error_category=finding.category,
        logs={status["name"]: clean((logs or {}).get(status["name"], "")) for status in containers},
        events=tuple(
            _one_line(f"{_text(event, 'type')} {_text(event, 'reason')}: {_text(event, 'message')}")
            for event in ordered
        ),
        cause=finding.cause,
        remedy=finding.remedy,
    )


def events_since(events: Sequence[Mapping[str, Any]], created: str) -> list[Mapping[str, Any]]:
    """The events since an object was created. Older events may be from an earlier object with the same name."""
    return [event for event in events if _time_of(event)[:_TO_THE_SECOND] >= created[:_TO_THE_SECOND]]


def _find(pod: Mapping[str, Any] | None, events: Sequence[Mapping[str, Any]]) -> _Finding:
    """Return the first finding; the most certain ones come first."""
    candidates = [] if pod is None else [*_waiting_findings(pod), *_crash_findings(pod), *_end_findings(pod)]
    if candidates:
        return candidates[0]
    warnings = [_text(event, "message") for event in events if event.get("type") == "Warning"]
    hindrance = _unscheduled(pod) if pod else (warnings or [""])[-1]
    if any(sign in hindrance for sign in _SCARCE):
        remedy = "Request less CPU or memory, or enlarge the cluster or the namespace's quota"
        if _QUOTA_UNSPECIFIED in hindrance:
            remedy = "Set requests and limits for CPU and memory: the namespace's quota requires them"
        return _Finding(category=PodFailureCategory.RESOURCE_CONSTRAINTS, cause=_one_line(hindrance), remedy=remedy)
    waits = waits_for(pod)
    last = warnings[-1] if warnings and not _unscheduled(pod or {}) else ""
    return _Finding(
        category=PodFailureCategory.TIMEOUT,
        cause=_one_line("; ".join(part for part in (waits, last) if part)) or "it did not become ready in time",
        remedy="Allow more time, or look in its events and logs for what it waits for",
    )


def _waiting_findings(pod: Mapping[str, Any]) -> Iterator[_Finding]:
    by_reason = {_state(status, "waiting").get("reason"): status for status in reversed(_containers(pod))}
    for reason in _INVALID_IMAGE:
        if reason in by_reason:
            yield _Finding(
                category=PodFailureCategory.INVALID_IMAGE,
                cause=_waiting_cause(by_reason[reason]),
                remedy="Correct the image's name; an admission webhook may have changed it",
            )
    for reason in _PULL_FAILED:
        if reason in by_reason:
            yield _Finding(
                category=PodFailureCategory.IMAGE_PULL_ERROR,
                cause=_waiting_cause(by_reason[reason]),
                remedy=(
                    "Correct registry, repository and tag; for a private registry add an imagePullSecret to the "
                    "namespace's service account"
                ),
            )


def _crash_findings(pod: Mapping[str, Any]) -> Iterator[_Finding]:
    init = _status(pod).get("initContainerStatuses") or []
    all_ready = all(status.get("ready") for status in _containers(pod))
    for status in _containers(pod):
        waiting = _state(status, "waiting")
        if _ROOT_REFUSED in waiting.get("message", ""):
            yield _Finding(
                category=PodFailureCategory.UNKNOWN,
                cause=_waiting_cause(status),
                remedy="The namespace does not allow root: set a numeric user other than 0 that the image can run as",
            )
        crashed = waiting.get("reason") in (*_CRASHED_AGAIN, *_NOT_STARTED)
        ended = _state(status, "terminated") or (status.get("lastState") or {}).get("terminated") or {}
        unexpected = ended.get("exitCode") if status in init else ended
        # A container that runs again is the cause only if no container is unready.
        if not crashed and not (unexpected and (all_ready or not status.get("ready"))):
            continue
        if ended.get("reason") == "OOMKilled":
            cause = f"container {status['name']} was killed for using more memory than its limit"
            remedy = "Raise its memory limit"
        elif ended:
            message = ended.get("message") or ""
            cause = f"container {status['name']} ended with exit code {ended.get('exitCode')}"
            cause += f" ({ended['reason']})" if ended.get("reason") else ""
            cause += f": {message}" if message else ""
            remedy = "Read its log: its command must keep running"
        else:
            cause, remedy = _waiting_cause(status), "Fix the container's command"
        yield _Finding(category=PodFailureCategory.CRASH_LOOP, cause=_one_line(cause), remedy=remedy)


def _end_findings(pod: Mapping[str, Any]) -> Iterator[_Finding]:
    status = _status(pod)
    phase, reason = status.get("phase"), status.get("reason") or ""
    if phase not in ("Failed", "Succeeded"):
        return
    cause = _one_line(f"the pod ended as {phase}{': ' + reason if reason else ''} {status.get('message') or ''}")
    if reason in _EVICTED or reason.startswith(_NODE_FULL_PREFIX):
        remedy = "Request less, or add CPU, memory or disk to the cluster"
        yield _Finding(category=PodFailureCategory.RESOURCE_CONSTRAINTS, cause=cause, remedy=remedy)
    else:
        remedy = "Read its events, and try again"
        yield _Finding(category=PodFailureCategory.UNKNOWN, cause=cause, remedy=remedy)


def _container_status(status: Mapping[str, Any]) -> ContainerStatus:
    state = next(
        (name for name in ("running", "terminated", "waiting") if name in (status.get("state") or {})), "waiting"
    )
    reason = _state(status, state).get("reason")
    return ContainerStatus(name=status["name"], ready=bool(status.get("ready")), state=state, state_reason=reason)


def _waiting_cause(status: Mapping[str, Any]) -> str:
    waiting = _state(status, "waiting")
    message = waiting.get("message") or ""
    return _one_line(f"container {status['name']}: {waiting.get('reason')}{': ' + message if message else ''}")


def _unscheduled(pod: Mapping[str, Any]) -> str:
    for condition in _status(pod).get("conditions") or []:
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return _one_line(condition.get("message") or condition.get("reason") or "no node was found for it")
    return ""


def _containers(pod: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    status = _status(pod)
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def _status(pod: Mapping[str, Any]) -> Mapping[str, Any]:
    return pod.get("status") or {}


def _state(container: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return (container.get("state") or {}).get(name) or {}


def _time_of(event: Mapping[str, Any]) -> str:
    """The time in RFC 3339 and UTC: texts sort like times, except for fractions of a second."""
    times = (event.get("lastTimestamp"), event.get("eventTime"), event["metadata"].get("creationTimestamp"))
    return next((time for time in times if time), "")


def _text(event: Mapping[str, Any], key: str) -> str:
    return str(event.get(key) or "")


def _one_line(text: str) -> str:
    return clean(" ".join(text.split()))
