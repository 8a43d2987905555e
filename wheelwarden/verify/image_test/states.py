"""The states of an image test, and its failures. Pure.

    Created ──► PodPending ──► PodRunning ──► Ready ──► Deleted
       └────────────┴──────────────┴────────────┴► Failed ──► Deleted

Modules are imported in `Ready` only. Every other state can change to `Deleted`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from wheelwarden.api.errors import WheelwardenError
from wheelwarden.api.kinds import NOTEBOOK
from wheelwarden.verify.image_test.configuration import CustomImageTestConfiguration
from wheelwarden.verify.image_test.diagnosis import PodDiagnosticInfo, PodFailureCategory, has_failed


class NotebookStatus(StrEnum):
    """The state of an image test."""

    CREATED = "Created"  # the object exists, its pod does not
    POD_PENDING = "PodPending"
    POD_RUNNING = "PodRunning"  # all containers have started
    READY = "Ready"  # all containers are ready: modules can be imported
    FAILED = "Failed"
    DELETED = "Deleted"
    # Aliases, spelled like the values.
    Created = CREATED
    PodPending = POD_PENDING
    PodRunning = POD_RUNNING
    Ready = READY
    Failed = FAILED
    Deleted = DELETED


TRANSITIONS: Final[Mapping[NotebookStatus, tuple[NotebookStatus, ...]]] = {
    NotebookStatus.CREATED: (NotebookStatus.POD_PENDING, NotebookStatus.FAILED, NotebookStatus.DELETED),
    NotebookStatus.POD_PENDING: (NotebookStatus.POD_RUNNING, NotebookStatus.FAILED, NotebookStatus.DELETED),
    NotebookStatus.POD_RUNNING: (NotebookStatus.READY, NotebookStatus.FAILED, NotebookStatus.DELETED),
    NotebookStatus.READY: (NotebookStatus.FAILED, NotebookStatus.DELETED),
    NotebookStatus.FAILED: (NotebookStatus.DELETED,),
    NotebookStatus.DELETED: (),
}


def _all_started(pod: Mapping[str, Any]) -> bool:
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    running = [status for status in statuses if (status.get("state") or {}).get("running") is not None]
    return len(running) == len(pod["spec"]["containers"])


def _is_ready(pod: Mapping[str, Any]) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


# For each state, in order: a condition on the pod, and the state that follows.
_STEPS: Final[Mapping[NotebookStatus, tuple[tuple[Callable[[Mapping[str, Any]], bool], NotebookStatus], ...]]] = {
    NotebookStatus.CREATED: ((lambda _: True, NotebookStatus.POD_PENDING),),
    NotebookStatus.POD_PENDING: ((has_failed, NotebookStatus.FAILED), (_all_started, NotebookStatus.POD_RUNNING)),
    NotebookStatus.POD_RUNNING: ((has_failed, NotebookStatus.FAILED), (_is_ready, NotebookStatus.READY)),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class NotebookResource:
    """The object under test; `pod_name` and `container_name` are read from its pod and None until then."""

    name: str
    namespace: str
    image: str
    pod_name: str | None = None
    container_name: str | None = None
    status: NotebookStatus = NotebookStatus.CREATED

    @classmethod
    def of(cls, configuration: CustomImageTestConfiguration) -> "NotebookResource":
        """The resource for a configuration, in state `Created`."""
        return cls(
            name=configuration.notebook_name,
            namespace=configuration.namespace,
            image=configuration.custom_image,
        )

    def move(self, status: NotebookStatus) -> "NotebookResource":
        """The resource in another state. Raises ValueError if there is no such transition."""
        if status not in TRANSITIONS[self.status]:
            raise ValueError(f"{self.status} cannot change to {status}")
        return replace(self, status=status)

    def observe(self, pod: Mapping[str, Any] | None) -> "NotebookResource":
        """The resource after its pod was read (None: there is no pod yet).

        Advances through all states that the pod has reached, and never goes back: a restarted container stays started.
        """
        if pod is None or self.status not in _STEPS:
            return self
        name = pod["metadata"]["name"]
        container = NOTEBOOK.main_container(self.name, pod["spec"]["containers"])
        found = replace(self, pod_name=name, container_name=container["name"] if container else None)
        while True:
            for is_reached, status in _STEPS.get(found.status, ()):
                if is_reached(pod):
                    found = found.move(status)
                    break
            else:
                return found


class PodFailure(WheelwardenError):
    """The pod of an image did not become ready or did not stay ready; `diagnostics` has the details."""

    def __init__(self, diagnostics: PodDiagnosticInfo) -> None:
        super().__init__(f"{diagnostics.error_category}: {diagnostics.cause}")
        self.diagnostics = diagnostics


class ImagePullError(PodFailure):
    """The image could not be pulled, or its name is invalid."""


class ContainerCrashError(PodFailure):
    """A container ended although it should keep running, or could not be started."""


class PodReadinessTimeout(PodFailure):
    """The pod was not ready in time."""


def failure_of(diagnostics: PodDiagnosticInfo, *, timed_out: bool) -> PodFailure:
    """The error for these diagnostics."""
    if diagnostics.error_category in (PodFailureCategory.IMAGE_PULL_ERROR, PodFailureCategory.INVALID_IMAGE):
        return ImagePullError(diagnostics)
    if diagnostics.error_category is PodFailureCategory.CRASH_LOOP:
        return ContainerCrashError(diagnostics)
    return PodReadinessTimeout(diagnostics) if timed_out else PodFailure(diagnostics)
