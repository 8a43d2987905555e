"""The states of an image test: their transitions, and how they follow from a pod."""

import itertools
from typing import Any

import pytest

from tests.unit.verify.test_image_test_diagnosis import pod, running, waiting
from wheelwarden.verify import (
    ContainerCrashError,
    CustomImageTestConfiguration,
    ImagePullError,
    NotebookResource,
    NotebookStatus,
    PodDiagnosticInfo,
    PodFailure,
    PodFailureCategory,
    PodReadinessTimeout,
)
from wheelwarden.verify.image_test.states import TRANSITIONS, failure_of

READY = {"conditions": [{"type": "Ready", "status": "True"}]}
ALLOWED = {
    ("Created", "PodPending"), ("Created", "Failed"), ("Created", "Deleted"),
    ("PodPending", "PodRunning"), ("PodPending", "Failed"), ("PodPending", "Deleted"),
    ("PodRunning", "Ready"), ("PodRunning", "Failed"), ("PodRunning", "Deleted"),
    ("Ready", "Failed"), ("Ready", "Deleted"),
    ("Failed", "Deleted"),
}  # fmt: skip


def _resource(status: NotebookStatus = NotebookStatus.CREATED) -> NotebookResource:
    return NotebookResource(name="lab", namespace="test-lab", image="registry.example.com/lab:1", status=status)


@pytest.mark.parametrize(("start", "end"), list(itertools.product(NotebookStatus, repeat=2)))
def test_only_the_transitions_of_the_table_are_possible(start: NotebookStatus, end: NotebookStatus) -> None:
    if (str(start), str(end)) in ALLOWED:
        assert _resource(start).move(end).status is end
    else:
        with pytest.raises(ValueError, match=f"{start} cannot change to {end}"):
            _resource(start).move(end)


def test_every_state_can_change_to_deleted() -> None:
    assert set(TRANSITIONS) == set(NotebookStatus)
    assert all(NotebookStatus.DELETED in after for state, after in TRANSITIONS.items() if after)


@pytest.mark.parametrize(
    ("found", "status"),
    [
        (None, "Created"),
        (pod(), "PodPending"),
        (pod(waiting("ContainerCreating")), "PodPending"),
        (pod(running(), waiting("ContainerCreating", name="kube-rbac-proxy")), "PodPending"),
        (pod(running(ready=False), phase="Running"), "PodRunning"),
        (pod(running(), running("kube-rbac-proxy"), phase="Running", **READY), "Ready"),
        (pod(waiting("ImagePullBackOff")), "Failed"),
        (pod(running(), waiting("CrashLoopBackOff", name="kube-rbac-proxy"), phase="Running"), "Failed"),
    ],
)
def test_reading_the_pod_advances_through_all_states_that_it_has_reached(
    found: dict[str, Any] | None, status: str
) -> None:
    assert _resource().observe(found).status == status


def test_the_names_of_pod_and_container_are_read_from_the_pod() -> None:
    found = pod(running("kube-rbac-proxy"), running("lab")) | {"metadata": {"name": "nb-x7f2k-0"}}
    seen = _resource().observe(found)
    assert (seen.pod_name, seen.container_name) == ("nb-x7f2k-0", "lab")
    assert _resource().observe(pod(running("other"))).container_name == "other"
    assert (_resource().pod_name, _resource().container_name) == (None, None)


def test_a_container_that_restarts_does_not_change_the_state_back() -> None:
    seen = _resource().observe(pod(running(ready=False), phase="Running"))
    assert seen.observe(pod(waiting("ContainerCreating"))).status is NotebookStatus.POD_RUNNING
    assert seen.observe(pod(waiting("CrashLoopBackOff"))).status is NotebookStatus.FAILED


def test_ready_and_final_states_do_not_change_with_the_pod() -> None:
    for status in (NotebookStatus.READY, NotebookStatus.FAILED, NotebookStatus.DELETED):
        assert _resource(status).observe(pod()) == _resource(status)


def test_the_resource_has_the_names_and_the_image_of_the_configuration() -> None:
    configuration = CustomImageTestConfiguration(
        namespace="test-lab",
        notebook_name="lab",
        custom_image="registry.example.com/lab:1",
        packages_to_verify=["json"],
    )
    assert NotebookResource.of(configuration) == _resource()


@pytest.mark.parametrize(
    ("category", "timed_out", "error"),
    [
        (PodFailureCategory.IMAGE_PULL_ERROR, False, ImagePullError),
        (PodFailureCategory.INVALID_IMAGE, False, ImagePullError),
        (PodFailureCategory.CRASH_LOOP, False, ContainerCrashError),
        (PodFailureCategory.CRASH_LOOP, True, ContainerCrashError),
        (PodFailureCategory.TIMEOUT, True, PodReadinessTimeout),
        (PodFailureCategory.RESOURCE_CONSTRAINTS, True, PodReadinessTimeout),
        (PodFailureCategory.UNKNOWN, False, PodFailure),
    ],
)
def test_each_kind_of_failure_has_its_error_with_the_diagnostics(
    category: PodFailureCategory, timed_out: bool, error: type[PodFailure]
) -> None:
    diagnostics = PodDiagnosticInfo(
        pod_name="lab-0", pod_phase="Pending", container_statuses=(), error_category=category, cause="no idea"
    )
    raised = failure_of(diagnostics, timed_out=timed_out)
    assert (type(raised), raised.diagnostics, str(raised)) == (error, diagnostics, f"{category}: no idea")
