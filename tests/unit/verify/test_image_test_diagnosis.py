"""Why a pod did not become ready: pods and events as kubelet, scheduler and controllers write them."""

from typing import Any

import pytest

from wheelwarden.verify import ContainerStatus, PodFailureCategory
from wheelwarden.verify.image_test.diagnosis import diagnose, has_failed, has_restarted, waits_for

Object = dict[str, Any]


def pod(*statuses: Object, phase: str = "Pending", **status: Any) -> Object:
    names = [{"name": entry["name"]} for entry in statuses] or [{"name": "lab"}]
    return {
        "metadata": {"name": "lab-0"},
        "spec": {"containers": names},
        "status": {"phase": phase, "containerStatuses": list(statuses), **status},
    }


def waiting(reason: str, message: str = "", name: str = "lab", **more: Any) -> Object:
    return {"name": name, "ready": False, "state": {"waiting": {"reason": reason, "message": message}}, **more}


def running(name: str = "lab", *, ready: bool = True) -> Object:
    return {
        "name": name,
        "ready": ready,
        "restartCount": 0,
        "state": {"running": {"startedAt": "2026-01-31T10:00:00Z"}},
    }


def ended(code: int, reason: str = "Error", message: str = "") -> Object:
    return {"terminated": {"exitCode": code, "reason": reason, "message": message}}


def event(reason: str, message: str, type_: str = "Warning", time: str = "2026-01-31T10:00:00Z") -> Object:
    return {"metadata": {"name": "x"}, "type": type_, "reason": reason, "message": message, "lastTimestamp": time}


def unscheduled(message: str) -> Object:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    made = pod(conditions=[condition])
    del made["status"]["containerStatuses"]
    return made


PULL = 'Back-off pulling image "registry.example.com/lab:1": ErrImagePull: failed to resolve reference: not found'
ROOT = "container has runAsNonRoot and image will run as root (pod: lab-0, container: lab)"
CONFIG_ERROR = "container lab: CreateContainerConfigError"
NO_CPU = "0/3 nodes are available: 3 Insufficient cpu. preemption: 0/3 nodes are available"
FULL = "0/3 nodes are available: 3 Too many pods."
NO_PROGRAM = 'exec: "no-such-program": executable file not found in $PATH'
CRASH: Object = {"restartCount": 2, "lastState": ended(3)}


@pytest.mark.parametrize(
    ("found", "category", "cause", "final"),
    [
        (pod(waiting("ImagePullBackOff", PULL)), "IMAGE_PULL_ERROR", f"container lab: ImagePullBackOff: {PULL}", True),
        (pod(waiting("ErrImagePull", "not found")), "IMAGE_PULL_ERROR", "container lab: ErrImagePull: not found", False),
        (pod(waiting("ErrImageNeverPull")), "IMAGE_PULL_ERROR", "container lab: ErrImageNeverPull", True),
        (pod(waiting("InvalidImageName", "bad")), "INVALID_IMAGE", "container lab: InvalidImageName: bad", True),
        (
            pod(running(), waiting("ImagePullBackOff", name="kube-rbac-proxy"), phase="Running"),
            "IMAGE_PULL_ERROR",
            "container kube-rbac-proxy: ImagePullBackOff",
            True,
        ),
        (
            pod(waiting("CrashLoopBackOff", "back-off 10s", **CRASH), phase="Running"),
            "CRASH_LOOP",
            "container lab ended with exit code 3 (Error)",
            True,
        ),
        (
            pod(waiting("CrashLoopBackOff", lastState=ended(137, "OOMKilled")), phase="Running"),
            "CRASH_LOOP",
            "container lab was killed for using more memory than its limit",
            True,
        ),
        (
            pod(waiting("RunContainerError", lastState=ended(128, "StartError", NO_PROGRAM)), phase="Running"),
            "CRASH_LOOP",
            f"container lab ended with exit code 128 (StartError): {NO_PROGRAM}",
            False,
        ),
        (
            pod({"name": "lab", "ready": False, "state": ended(1)}, phase="Running"),
            "CRASH_LOOP",
            "container lab ended with exit code 1 (Error)",
            False,
        ),
        (
            pod(running() | {"restartCount": 1, "lastState": ended(0, "Completed")}, phase="Running"),
            "CRASH_LOOP",
            "container lab ended with exit code 0 (Completed)",
            False,
        ),
        (
            pod(running(ready=False), running("proxy") | {"restartCount": 1, "lastState": ended(1)}, phase="Running"),
            "TIMEOUT",
            "container lab is running but not ready",
            False,
        ),
        (pod(waiting("CreateContainerConfigError", ROOT)), "UNKNOWN", f"{CONFIG_ERROR}: {ROOT}", True),
        (unscheduled(NO_CPU), "RESOURCE_CONSTRAINTS", NO_CPU, False),
        (unscheduled(FULL), "RESOURCE_CONSTRAINTS", FULL, False),
        (unscheduled("0/1 nodes: 1 had a taint"), "TIMEOUT", "0/1 nodes: 1 had a taint", False),
        (
            pod(phase="Failed", reason="Evicted", message="The node was low on resource: memory."),
            "RESOURCE_CONSTRAINTS",
            "the pod ended as Failed: Evicted The node was low on resource: memory.",
            True,
        ),
        (pod(phase="Failed", reason="OutOfcpu"), "RESOURCE_CONSTRAINTS", "the pod ended as Failed: OutOfcpu", True),
        (pod(phase="Failed", reason="NodeLost"), "UNKNOWN", "the pod ended as Failed: NodeLost", True),
        (pod(phase="Succeeded"), "UNKNOWN", "the pod ended as Succeeded", True),
        (pod(waiting("ContainerCreating")), "TIMEOUT", "container lab: ContainerCreating", False),
        (pod(running(ready=False), phase="Running"), "TIMEOUT", "container lab is running but not ready", False),
    ],
)  # fmt: skip
def test_every_kind_of_failure_is_recognised(found: Object, category: str, cause: str, final: bool) -> None:
    diagnosis = diagnose(found, [])
    assert (diagnosis.error_category.name, diagnosis.cause, has_failed(found)) == (category, cause, final)
    assert diagnosis.remedy
    assert not diagnosis.remedy.endswith(".")


def test_a_pod_that_waits_for_its_image_while_a_sidecar_waits_for_the_pod() -> None:
    found = pod(waiting("ImagePullBackOff", PULL), waiting("PodInitializing", name="kube-rbac-proxy"))
    diagnosis = diagnose(found, [], {"lab": "", "kube-rbac-proxy": ""})
    assert (diagnosis.pod_name, diagnosis.pod_phase) == ("lab-0", "Pending")
    assert diagnosis.error_category == "ImagePullBackOff"
    assert diagnosis.container_statuses == (
        ContainerStatus(name="lab", ready=False, state="waiting", state_reason="ImagePullBackOff"),
        ContainerStatus(name="kube-rbac-proxy", ready=False, state="waiting", state_reason="PodInitializing"),
    )
    assert diagnosis.logs == {"lab": "", "kube-rbac-proxy": ""}


def test_a_failed_init_container_is_a_crash_loop_with_its_log() -> None:
    init = {"name": "install-packages", "ready": False, **waiting("CrashLoopBackOff", lastState=ended(1))}
    init["name"] = "install-packages"
    diagnosis = diagnose(
        pod(waiting("PodInitializing"), initContainerStatuses=[init]), [], {"install-packages": "no index"}
    )
    assert [status.name for status in diagnosis.container_statuses] == ["install-packages", "lab"]
    assert diagnosis.error_category is PodFailureCategory.CRASH_LOOP
    assert diagnosis.logs == {"install-packages": "no index", "lab": ""}


def test_a_pod_that_was_never_created_is_explained_by_the_events_of_its_controller() -> None:
    quota = 'create Pod lab-0 failed: pods "lab-0" is forbidden: exceeded quota: small'
    policy = 'create Pod lab-0 failed: pods "lab-0" is forbidden: violates PodSecurity "restricted:latest"'
    scarce = diagnose(None, [event("FailedCreate", quota)])
    assert (scarce.error_category, scarce.cause, scarce.pod_name) == ("InsufficientResources", quota, "")
    unspecified = 'pods "lab-0" is forbidden: failed quota: small: must specify cpu for: lab'
    unset = diagnose(None, [event("FailedCreate", unspecified)])
    assert (unset.error_category, unset.remedy.split(":")[0]) == (
        "InsufficientResources",
        "Set requests and limits for CPU and memory",
    )
    late = diagnose(None, [event("FailedCreate", policy)])
    assert late.error_category is PodFailureCategory.TIMEOUT
    assert late.cause == f"its pod has not been created yet; {policy}"
    assert diagnose(None, []).cause == "its pod has not been created yet"


def test_events_are_sorted_by_time_limited_and_redacted() -> None:
    events = [
        event("Late", "https://alice:s3cret@registry.example.com", time="2026-01-31T10:00:09Z"),
        event("Early", "a\nb"),
    ]
    assert diagnose(pod(running()), events).events == (
        "Warning Early: a b",
        "Warning Late: https://***@registry.example.com",
    )
    many = [event(f"E{index:02}", "m", time=f"2026-01-31T10:00:{index:02}Z") for index in range(30)]
    assert [text.split()[1] for text in diagnose(pod(running()), many).events] == [
        f"E{index}:" for index in range(10, 30)
    ]


def test_the_last_warning_event_is_part_of_the_cause() -> None:
    events = [event("Unhealthy", "Readiness probe failed: connection refused"), event("Pulled", "there", "Normal")]
    assert diagnose(pod(running(ready=False)), events).cause == (
        "container lab is running but not ready; Readiness probe failed: connection refused"
    )


def test_secrets_and_control_characters_of_a_log_are_not_shown() -> None:
    diagnosis = diagnose(pod(running()), [], {"lab": "token=abc\n\x1b[2Jhello"})
    assert diagnosis.logs == {"lab": "token=***\n\\x1b[2Jhello"}


def test_a_restart_is_detected() -> None:
    assert not has_restarted(pod(running()))
    assert has_restarted(pod(running() | {"restartCount": 1}))
    assert has_restarted(pod({"name": "lab", "state": ended(0)}))


def test_without_a_status_it_is_unknown_what_the_pod_waits_for() -> None:
    assert waits_for({"metadata": {"name": "lab-0"}, "spec": {"containers": []}}) == ""
    assert (
        diagnose({"metadata": {"name": "lab-0"}, "spec": {"containers": []}}, []).cause
        == "it did not become ready in time"
    )
