"""The controller's decisions: whole values for each state that a pod can be in."""

from dataclasses import replace

import pytest

from controller.plan import (
    Replacement,
    distributions,
    imports_condition,
    needs_probe,
    obstacle,
    packages_condition,
    probe_digest,
    replacement,
)
from controller.state import Installer, InstallResult, PodState, ProbeOutcome
from tests.cases import request_of
from wheelwarden.api import names
from wheelwarden.api.conditions import FALSE, TRUE, UNKNOWN, Condition, Reason
from wheelwarden.api.request import Request
from wheelwarden.verify.results import ModuleResult, ProbeReport

INSTALLED = InstallResult(outcome="installed", hash="h", installed=("six==1.17.0",), installed_by="app-0")
ENDED = Installer(phase="ended", exit_code=0, result=INSTALLED)


def request(*packages: str, verify: str = "", rollout: str = "", install: str = "") -> Request:
    annotations = {names.VERIFY_IMPORTS_ANNOTATION: verify} if verify else {}
    if rollout:
        annotations[names.ROLLOUT_ANNOTATION] = rollout
    if install:
        annotations[names.INSTALL_ANNOTATION] = install
    metadata = {"name": "demo", "namespace": "team", "uid": "u", "annotations": annotations}
    spec = {"pythonPackages": {"packages": list(packages)}} if packages else {}
    return request_of({"apiVersion": "kaspr.io/v1alpha1", "kind": "KasprApp", "metadata": metadata, "spec": spec})


SIX = request("six")


def pod(name: str = "demo-app-0", **changes: object) -> PodState:
    """A ready pod that installed what SIX asks for."""
    ready = PodState(
        name=name,
        uid=f"uid-{name}",
        deleting=False,
        ready=True,
        node="node-1",
        main="kaspr",
        crashing=False,
        restarts=0,
        injected=True,
        hash=SIX.packages_hash,
        probed="",
        foreign_installer=False,
        taken_over=False,
        search_path=names.SITE_PACKAGES_PATH,
        installer=ENDED,
        conditions=(),
        claims=frozenset(),
    )
    return replace(ready, **changes)  # type: ignore[arg-type]


def failed(kind: str, message: str = "No.", *, phase: str = "waiting", exit_code: int = 1) -> Installer:
    result = InstallResult(outcome="failed", hash="h", error_class=kind, error_message=message)
    return Installer(phase=phase, reason="CrashLoopBackOff", exit_code=exit_code, result=result)


def installed_condition(state: PodState, wanted: Request = SIX, hindrance: Condition | None = None) -> Condition | None:
    return packages_condition(wanted, state, hindrance)


@pytest.mark.parametrize(
    ("state", "status", "reason", "message"),
    [
        (pod(), TRUE, "Installed", "Installed 1 distribution: six==1.17.0"),
        (
            pod(installer=Installer(phase="ended", exit_code=0, result=replace(INSTALLED, outcome="reused"))),
            TRUE,
            "Installed",
            "Reused what app-0 installed: 1 distribution: six==1.17.0",
        ),
        (
            pod(ready=False, installer=Installer(phase="waiting", reason="PodInitializing")),
            UNKNOWN,
            "WaitingForPod",
            "The installer has not started yet.",
        ),
        (pod(ready=False, installer=Installer(phase="running")), UNKNOWN, "Installing", "Installing six"),
        (pod(ready=False, installer=failed("package_not_found")), FALSE, "PackageNotFound", "No."),
        (pod(ready=False, installer=failed("network")), FALSE, "NetworkError", "No."),
        (pod(ready=False, installer=failed("authentication")), FALSE, "AuthenticationFailed", "No."),
        (pod(ready=False, installer=failed("hash_mismatch")), FALSE, "HashMismatch", "No."),
        (pod(ready=False, installer=failed("timeout")), FALSE, "InstallTimeout", "No."),
        (pod(ready=False, installer=failed("disk_full")), FALSE, "DiskFull", "No."),
        (pod(ready=False, installer=failed("build_failed")), FALSE, "BuildFailed", "No."),
        (pod(ready=False, installer=failed("python_incompatible")), FALSE, "PythonIncompatible", "No."),
        (pod(ready=False, installer=failed("unknown")), FALSE, "InstallFailed", "No."),
        (
            pod(installer=failed("network", phase="ended", exit_code=0)),
            FALSE,
            "NetworkError",
            "No. The pod runs without these packages (onFailure: allow).",
        ),
        (
            pod(ready=False, installer=Installer(phase="ended", reason="OOMKilled", exit_code=137)),
            FALSE,
            "InstallFailed",
            "The installer ended with exit code 137 (OOMKilled) without a result: see its log; raise resources.limits.memory.",
        ),
        (
            pod(ready=False, installer=Installer(phase="waiting", reason="ImagePullBackOff", message="no such image")),
            FALSE,
            "ConfigError",
            "The installer cannot start: ImagePullBackOff: no such image",
        ),
        (
            pod(injected=False, hash="", installer=None),
            FALSE,
            "NotInjected",
            (
                "This pod was made without the installer: the webhook was away, or does not see this namespace. "
                "Delete pod demo-app-0 to have it recreated with its packages."
            ),
        ),
        (
            pod(injected=False, hash="", installer=None, came_back=True),
            FALSE,
            "NotInjected",
            (
                "Pod demo-app-0 was recreated to get the installer and came back without it: the webhook is away, or does "
                "not see this namespace. It is tried again, with growing pauses. See the webhook's log, and whether the "
                "namespace is excluded."
            ),
        ),
        (
            pod(hash="older", outdated="It is about to be replaced."),
            UNKNOWN,
            "RolloutPending",
            "It is about to be replaced.",
        ),
        (
            pod(hash="older", ready=False, installer=failed("network"), outdated="It is about to be replaced."),
            UNKNOWN,
            "RolloutPending",
            "The packages changed after pod demo-app-0 was made, and those it was made for failed; it is recreated.",
        ),
        (
            pod(ready=False, installer=Installer(phase="waiting"), unschedulable="0/1 nodes: Insufficient cpu."),
            UNKNOWN,
            "WaitingForPod",
            "No node takes the pod: 0/1 nodes: Insufficient cpu.",
        ),
        (
            pod(injected=False, hash="", installer=None, foreign_installer=True),
            UNKNOWN,
            "Observed",
            "The pod's own installer is at work; Wheelwarden only observes it.",
        ),
        (
            pod(hash="older"),
            FALSE,
            "RestartRequired",
            (
                "The packages changed after pod demo-app-0 was made; it keeps the old set until it is restarted. "
                "Restart it when it suits (kubectl delete pod demo-app-0)."
            ),
        ),
    ],
)
def test_each_state_of_a_pod_has_its_condition(state: PodState, status: str, reason: str, message: str) -> None:
    assert installed_condition(state) == Condition(
        type=names.PACKAGES_INSTALLED, status=status, reason=reason, message=message
    )


def test_a_broken_rule_and_a_claim_of_somebody_else_come_first() -> None:
    invalid = obstacle(Reason.INVALID_SPEC, "packages[0] is no requirement.")
    assert invalid.message == "packages[0] is no requirement. Nothing is installed until it is corrected."
    assert installed_condition(pod(), hindrance=invalid) == invalid
    waiting = pod(ready=False, installer=Installer(phase="waiting"))
    conflict = obstacle(Reason.CLAIM_CONFLICT, "The claim is somebody's.")
    assert installed_condition(waiting, hindrance=conflict) == conflict
    going = installed_condition(pod(), hindrance=conflict)
    assert going is not None
    assert going.status == TRUE  # what runs already is not made worse by it


def test_nothing_is_said_where_nothing_is_asked() -> None:
    plain = pod(injected=False, hash="", installer=None)
    assert installed_condition(plain, request()) is None
    assert imports_condition(request(), plain, None) is None


def report(*results: ModuleResult) -> ProbeReport:
    return ProbeReport(python="3.11.2", executable="/usr/bin/python3", derived=False, results=results)


def proven(state: PodState, wanted: Request, *results: ModuleResult) -> Condition | None:
    return imports_condition(wanted, state, ProbeOutcome(digest=probe_digest(wanted, state), report=report(*results)))


def test_a_report_becomes_a_condition() -> None:
    good = ModuleResult(module="six", ok=True, seconds=0.1)
    bad = ModuleResult(
        module="cv2", ok=False, seconds=0.1, reason="MissingSharedLibrary", error="ImportError: libGL.so.1"
    )
    assert proven(pod(), SIX, good) == Condition(
        type=names.IMPORTS_VERIFIED,
        status=TRUE,
        reason="ImportsSucceeded",
        message="Every import works in Python 3.11.2: six",
    )
    assert proven(pod(), SIX, good, bad) == Condition(
        type=names.IMPORTS_VERIFIED,
        status=FALSE,
        reason="MissingSharedLibrary",
        message="1 of 2 imports failed. cv2: ImportError: libGL.so.1. "
        "Use an image that has this system library, or a package that bundles it.",
    )
    nothing = proven(pod(), SIX)
    assert nothing is not None
    assert (nothing.status, nothing.reason) == (TRUE, "NothingToVerify")


def test_many_failures_stay_on_a_screen() -> None:
    bad = [ModuleResult(module=f"m{n}", ok=False, seconds=0, reason="ImportFailed", error="x" * 300) for n in range(50)]
    condition = proven(pod(), SIX, *bad)
    assert condition is not None
    assert condition.message.startswith("50 of 50 imports failed. m0: xxx")
    assert len(condition.message) <= 1000


def test_a_probe_that_could_not_run_says_nothing_about_the_imports() -> None:
    outcome = ProbeOutcome(digest=probe_digest(SIX, pod()), failure="exec is forbidden.")
    condition = imports_condition(SIX, pod(), outcome)
    assert condition is not None
    assert (condition.status, condition.reason) == (UNKNOWN, "ProbeFailed")
    assert "exec is forbidden." in condition.message


def test_the_outcome_of_an_older_state_of_the_pod_does_not_count() -> None:
    outcome = ProbeOutcome(digest="older", report=report())
    condition = imports_condition(SIX, pod(), outcome)
    assert condition is not None
    assert condition.reason == "Probing"
    waiting = imports_condition(SIX, pod(ready=False), None)
    assert waiting is not None
    assert waiting.reason == "WaitingForPod"
    bare = imports_condition(SIX, pod(installer=Installer(phase="running"), ready=False), None)
    assert bare is not None
    assert bare.reason == "WaitingForPackages"


def verdict(
    status: str = TRUE, reason: str = "ImportsSucceeded", type_: str = names.IMPORTS_VERIFIED
) -> dict[str, str]:
    """A condition as it stands on a pod."""
    return {"type": type_, "status": status, "reason": reason, "message": "As it was found."}


@pytest.mark.parametrize(
    ("conditions", "probing"),
    [
        ((), True),
        ((verdict(UNKNOWN, "Probing"),), True),
        ((verdict(UNKNOWN, "RolloutPending"),), True),
        ((verdict(UNKNOWN, "ProbeFailed"),), True),
        ((verdict(UNKNOWN, "OutOfMemory"),), False),
        ((verdict(FALSE, "ImportFailed"),), False),
    ],
)
def test_a_digest_counts_only_beside_a_verdict(conditions: tuple[dict[str, str], ...], *, probing: bool) -> None:
    marked = pod(conditions=conditions, probed=probe_digest(SIX, pod()))
    assert needs_probe(SIX, marked) is probing


def test_a_pod_is_probed_once_and_again_when_something_changes() -> None:
    fresh = pod()
    done = replace(fresh, probed=probe_digest(SIX, fresh), conditions=(verdict(),))
    assert needs_probe(SIX, fresh)
    assert not needs_probe(SIX, done)
    assert needs_probe(SIX, replace(done, restarts=1))
    assert needs_probe(SIX, replace(done, uid="another"))
    assert needs_probe(request("six", verify="six:moves"), done)
    assert not needs_probe(SIX, replace(fresh, ready=False))
    assert not needs_probe(SIX, replace(fresh, deleting=True))
    assert not needs_probe(SIX, pod(injected=False, hash="", installer=None))
    assert needs_probe(request(verify="json"), pod(injected=False, hash="", installer=None))


def test_the_names_of_requirements_are_found_and_nameless_references_left_out() -> None:
    asked = [
        "requests[socks]>=2; python_version>'3'",
        "pkg @ https://example.com/p.whl",
        "git+https://example.com/r.git",
    ]
    assert distributions([*asked, "git+ssh://git@example.com/o/p.git@v1#egg=own&x=1"]) == ["requests", "pkg", "own"]


OLD = {"hash": "older"}


def due(
    pods: list[PodState], wanted: Request = SIX, *, bad: str = "", replicas: int | None = None
) -> Replacement | None:
    false = Condition(type=names.IMPORTS_VERIFIED, status=FALSE, reason="ImportFailed", message="no")
    return replacement(wanted, pods, {bad: [false]}, replicas=len(pods) if replicas is None else replicas)


def test_outdated_pods_go_one_by_one_the_last_first() -> None:
    first, second = pod("demo-app-9", **OLD), pod("demo-app-10", **OLD)
    assert due([first, second]) == Replacement(pod=second, evict=True, reason="the packages changed")
    assert due([first, pod("demo-app-10")]) == Replacement(pod=first, evict=True, reason="the packages changed")
    assert due([pod("demo-app-9"), pod("demo-app-10")]) is None


def test_a_new_list_of_imports_is_not_tried_in_a_pod_that_is_about_to_be_replaced() -> None:
    wanted, old = request("six", verify="six:moves"), pod(hash="older", outdated="It is about to be replaced.")
    assert imports_condition(wanted, old, None) == Condition(
        type=names.IMPORTS_VERIFIED, status=UNKNOWN, reason="RolloutPending",
        message="The imports are tried in the pod that replaces this one.",
    )  # fmt: skip
    assert not needs_probe(wanted, old)
    proven = replace(old, probed=probe_digest(wanted, old), conditions=(verdict(),))
    assert imports_condition(wanted, proven, None) == Condition(**verdict())


def test_a_manual_takeover_asks_for_a_restart() -> None:
    asked = request("six", rollout="manual", install="managed")
    found = installed_condition(pod(injected=False, hash="", foreign_installer=True), asked)
    assert found is not None
    assert (found.status, found.reason) == (FALSE, "RestartRequired")
    assert "kubectl delete pod demo-app-0" in found.message


def test_the_rollout_waits_for_pods_that_are_missing_going_or_not_ready() -> None:
    old = pod("demo-app-0", **OLD)
    assert due([old], replicas=2) is None
    assert due([old, pod("demo-app-1", ready=False)]) is None
    assert due([old, pod("demo-app-1", deleting=True)]) is None


def test_the_rollout_stops_at_the_first_pod_that_fails() -> None:
    assert due([pod("demo-app-0", **OLD), pod("demo-app-1")], bad="demo-app-1") is None


@pytest.mark.parametrize("reason", [Reason.WAITING_FOR_POD, Reason.INSTALLING, Reason.PROBING])
def test_the_rollout_waits_until_the_new_pod_is_proven(reason: str) -> None:
    undecided = Condition(type=names.IMPORTS_VERIFIED, status=UNKNOWN, reason=reason, message="not yet")
    pods = [pod("demo-app-0", **OLD), pod("demo-app-1")]
    assert replacement(SIX, pods, {"demo-app-1": [undecided]}, replicas=2) is None


def test_a_probe_that_cannot_run_does_not_hold_the_rollout_up() -> None:
    forbidden = Condition(type=names.IMPORTS_VERIFIED, status=UNKNOWN, reason=Reason.PROBE_FAILED, message="no exec")
    old = pod("demo-app-0", **OLD)
    found = replacement(SIX, [old, pod("demo-app-1")], {"demo-app-1": [forbidden]}, replicas=2)
    assert found == Replacement(pod=old, evict=True, reason="the packages changed")


def test_outdated_pods_that_serve_nobody_go_first() -> None:
    serving, silent = pod("demo-app-1", **OLD), pod("demo-app-0", ready=False, **OLD)
    assert due([silent, serving]) == Replacement(pod=silent, evict=True, reason="the packages changed")
    assert due([silent, serving, pod("demo-app-2", ready=False)]) is None


@pytest.mark.parametrize("rollout", ["auto", "manual"])
def test_an_outdated_pod_that_crashes_over_and_over_is_made_anew(rollout: str) -> None:
    crashing = pod("demo-app-0", ready=False, crashing=True, restarts=4, **OLD)
    found = due([crashing, pod("demo-app-1", ready=False, **OLD)], request("six", rollout=rollout))
    assert found is not None
    assert (found.pod, found.evict) == (crashing, False)
    assert due([pod("demo-app-0", ready=False, crashing=True)]) is None  # with the packages of now: its own affair


def test_manual_replaces_no_pod_that_runs_but_one_that_never_came_up() -> None:
    manual = request("six", rollout="manual")
    assert due([pod("demo-app-0", **OLD)], manual) is None
    stuck = pod("demo-app-0", ready=False, installer=failed("network"), **OLD)
    found = due([stuck], manual)
    assert found is not None
    assert (found.pod, found.evict) == (stuck, False)


def test_a_pod_that_fails_with_the_current_request_is_left_to_its_own_retries() -> None:
    assert due([pod(ready=False, installer=failed("network"))]) is None


def test_a_pod_without_the_installer_is_made_anew_and_a_foreign_one_left() -> None:
    bare = pod(injected=False, hash="", installer=None)
    assert due([bare]) == Replacement(
        pod=bare, evict=True, reason="it was made without the installer", not_injected=True
    )
    theirs = replace(bare, foreign_installer=True)
    assert due([theirs]) is None
    taken = due([theirs], request("six", install="managed"))
    assert (taken and taken.reason) == "Wheelwarden takes over the installation"


def test_packages_that_are_no_longer_asked_for_roll_the_pods_too() -> None:
    old = pod()
    assert due([old], request()) == Replacement(pod=old, evict=True, reason="the packages changed")


def test_what_is_only_observed_is_neither_missed_nor_replaced() -> None:
    watched = request("six", install="observe")
    bare = pod(injected=False, hash="", installer=None)
    found = installed_condition(bare, watched)
    assert found is not None
    assert (found.status, found.reason) == (UNKNOWN, "Observed")
    assert due([bare, pod("demo-app-1", injected=False, hash="", installer=None)], watched) is None


def test_an_import_that_there_was_no_memory_for_has_not_failed() -> None:
    greedy = ModuleResult(module="torch", ok=False, seconds=1.0, reason="OutOfMemory", error="no room")
    fine = ModuleResult(module="six", ok=True, seconds=0.1)
    report = ProbeReport(python="3.11.2", executable="python3", derived=True, results=(fine, greedy))
    found = imports_condition(SIX, pod(), ProbeOutcome(digest=probe_digest(SIX, pod()), report=report))
    assert found is not None
    assert (found.status, found.reason) == (UNKNOWN, "OutOfMemory")
    assert found.message.startswith("1 of 2 imports could not be tried beside the running process")
    assert "torch needs more memory" in found.message
