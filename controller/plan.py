"""What should be so: pure decisions over what was gathered. No I/O, no clock."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from packaging.requirements import InvalidRequirement, Requirement

from controller.foreign_packages import is_observed, missing, observed_condition
from controller.state import Installer, InstallResult, PodState, ProbeOutcome
from wheelwarden.api import names
from wheelwarden.api.conditions import (
    FALSE,
    REASON_OF_ERROR,
    REMEDY_OF_IMPORT,
    TRUE,
    UNKNOWN,
    Condition,
    Reason,
    find,
    shortened,
)
from wheelwarden.api.request import Request
from wheelwarden.verify.results import ModuleResult

SHOWN_MODULES: Final = 5  # failing modules that a message names
LISTED_LIMIT: Final = 350  # characters of a list of packages: there may be two, and warnings after them

# While one of these holds for a pod of the new request, no other pod is taken.
UNDECIDED: Final = frozenset({Reason.WAITING_FOR_POD, Reason.INSTALLING, Reason.PROBING, Reason.ROLLOUT_PENDING})

# Reasons for which the kubelet cannot start a container, with what to do.
KUBELET_REASONS: Final = frozenset(
    {"CreateContainerConfigError", "CreateContainerError", "ImagePullBackOff", "ErrImagePull", "InvalidImageName"}
)


def obstacle(reason: str, text: str) -> Condition:
    """What keeps all pods of an object from their packages: InvalidSpec, ClaimRefused, or for now ClaimPending."""
    tail = " Nothing is installed until it is corrected." if reason == Reason.INVALID_SPEC else ""
    return _packages(UNKNOWN if reason == Reason.CLAIM_PENDING else FALSE, reason, text + tail)


def packages_condition(
    request: Request,
    pod: PodState,
    hindrance: Condition | None,
    notes: Sequence[str] = (),
    outcome: ProbeOutcome | None = None,
) -> Condition | None:
    """PackagesInstalled of one pod; None where no packages are asked for and none were.

    Args:
        request: what the owner asks for now.
        pod: the pod.
        hindrance: an `obstacle` in the way of all pods, None where there is none.
        notes: what is to be said beside an installation that worked: where the packages are, if not where they should.
        outcome: of a probe, None while there is none: it tells what another owner's installer did.
    """
    wanted = request.packages is not None
    if not wanted and not pod.injected:
        return None
    if hindrance is not None and hindrance.reason == Reason.INVALID_SPEC:
        return hindrance
    if (found := _of_replacement(request, pod)) is not None:
        return found
    if is_observed(request, pod):
        if _waits(pod) and hindrance is not None:
            return hindrance
        return observed_condition(request, pod, outcome, probe_digest(request, pod))
    if not pod.injected:
        return _packages(
            FALSE,
            Reason.NOT_INJECTED,
            "This pod was made without the installer: the webhook was away, or does not see this namespace. "
            f"Delete pod {pod.name} to have it recreated with its packages.",
        )
    if hindrance is not None and _waits(pod):
        return hindrance
    if pod.unschedulable and _waits(pod):
        return _packages(UNKNOWN, Reason.WAITING_FOR_POD, f"No node takes the pod: {pod.unschedulable}")
    return _of_installer(pod.installer or Installer(phase="waiting"), request, notes)


def _of_replacement(request: Request, pod: PodState) -> Condition | None:
    """What is to be said of a pod that is to be replaced, or was in vain; None where what it has is to be judged."""
    if pod.outdated and (pod.ready or not pod.injected) and not _exit_code(pod):
        return _packages(UNKNOWN, Reason.ROLLOUT_PENDING, pod.outdated)
    if request.packages is not None and pod.injected and pod.hash != request.packages_hash and _exit_code(pod):
        text = f"The packages changed after pod {pod.name} was made, and those it was made for failed; it is recreated."
        return _packages(UNKNOWN, Reason.ROLLOUT_PENDING, text)
    if pod.came_back:
        return _packages(
            FALSE,
            Reason.NOT_INJECTED,
            f"Pod {pod.name} was recreated to get the installer and came back without it: the webhook is away, or does not "
            "see this namespace. It is tried again, with growing pauses. See the webhook's log, and whether the namespace "
            "is excluded.",
        )
    if pod.injected and pod.hash != request.packages_hash and pod.ready:
        return _restart(pod, f"The packages changed after pod {pod.name} was made; it keeps the old set")
    if pod.foreign_installer and request.packages is not None and _is_taken_over_by_hand(request):
        text = f"Pod {pod.name} was made before Wheelwarden took over; it keeps what its operator installed"
        return _restart(pod, text)
    return None


def _is_taken_over_by_hand(request: Request) -> bool:
    return request.install == "managed" and request.rollout == "manual"


def _restart(pod: PodState, text: str) -> Condition:
    return _packages(
        FALSE,
        Reason.RESTART_REQUIRED,
        f"{text} until it is restarted. Restart it when it suits (kubectl delete pod {pod.name}).",
    )


def _exit_code(pod: PodState) -> int:
    """Of the installer: not 0 where it failed, so that there is more to say of the pod than that it is outdated."""
    return (pod.installer.exit_code or 0) if pod.installer else 0


def _waits(pod: PodState) -> bool:
    return pod.installer is not None and pod.installer.phase == "waiting"


def _of_installer(installer: Installer, request: Request, notes: Sequence[str]) -> Condition:
    result = installer.result
    if result is not None and result.outcome in ("installed", "reused") and installer.phase == "ended":
        return _packages(TRUE, Reason.INSTALLED, ". ".join([_told_install(result), *notes]))
    if result is not None and result.outcome == "failed":
        reason = REASON_OF_ERROR.get(result.error_class, Reason.INSTALL_FAILED)
        degraded = installer.phase == "ended" and installer.exit_code == 0
        tail = " The pod runs without these packages (onFailure: allow)." if degraded else ""
        return _packages(FALSE, reason, result.error_message + tail)
    if installer.unreadable:
        return _packages(FALSE, Reason.INSTALL_FAILED, installer.unreadable)
    if installer.phase == "ended":
        text = f"The installer ended with exit code {installer.exit_code} ({installer.reason}) without a result: see its log"
        hint = "; raise resources.limits.memory." if installer.reason == "OOMKilled" else "."
        return _packages(FALSE, Reason.INSTALL_FAILED, text + hint)
    if installer.reason in KUBELET_REASONS:
        return _packages(
            FALSE, Reason.CONFIG_ERROR, f"The installer cannot start: {installer.reason}: {installer.message}"
        )
    if installer.phase == "running":
        asked = ", ".join(request.packages.packages) if request.packages else ""
        return _packages(UNKNOWN, Reason.INSTALLING, f"Installing {asked}")
    return _packages(UNKNOWN, Reason.WAITING_FOR_POD, "The installer has not started yet.")


def _told_install(result: InstallResult) -> str:
    how = "Installed" if result.outcome == "installed" else f"Reused what {result.installed_by} installed:"
    total = len(result.installed) + result.installed_omitted
    text = f"{how} {_listed(result.installed, total, 'distribution')}" if total else "Nothing had to be installed"
    if provided := len(result.provided) + result.provided_omitted:
        text += f". The image provides {_listed(result.provided, provided, 'distribution')}"
    more = [f"And {result.warnings_omitted} more warnings"] if result.warnings_omitted else []
    return ". ".join([text, *result.warnings, *more])


def _listed(entries: Sequence[str], total: int, noun: str) -> str:
    """How many there are, the first of them as a message has room for, and how many more: `3 things: a, b and 1 more`."""
    shown: list[str] = []
    for entry in entries:
        if len(", ".join([*shown, entry])) > LISTED_LIMIT:
            break
        shown.append(entry)
    count = f"{total} {noun}{'' if total == 1 else 's'}"
    more = f" and {total - len(shown)} more" if len(shown) < total else ""
    return f"{count}: {', '.join(shown)}{more}" if shown else count


def _packages(status: str, reason: str, message: str) -> Condition:
    return Condition(type=names.PACKAGES_INSTALLED, status=status, reason=reason, message=shortened(message))


def probe_digest(request: Request, pod: PodState) -> str:
    """What a probe's result holds for: another digest asks for another probe."""
    # What is observed is held against what is asked for now.
    packages = request.packages_hash if is_observed(request, pod) else pod.hash
    parts = [pod.uid, str(pod.restarts), packages, *request.verify_imports, request.verify_now]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


def _has_import_verdict(request: Request, pod: PodState) -> bool:
    """Whether ImportsVerified on the pod says what a probe for the digest of now found: a digest alone is no verdict."""
    known = find(pod.conditions, names.IMPORTS_VERIFIED)
    decided = known is not None and (known.status != UNKNOWN or known.reason == Reason.OUT_OF_MEMORY)
    return decided and pod.probed == probe_digest(request, pod)


def _is_proven(request: Request, pod: PodState) -> bool:
    """Whether the pod's conditions hold every verdict that a probe gives; somebody may have dropped or replaced one."""
    if not _has_import_verdict(request, pod):
        return False
    if request.packages is None or not is_observed(request, pod):
        return True
    if pod.foreign_installer and (pod.installer is None or pod.installer.phase != "ended"):
        return True  # while that installer runs, no probe can judge its packages
    known = find(pod.conditions, names.PACKAGES_INSTALLED)
    return known is not None and known.status != UNKNOWN


def needs_probe(request: Request, pod: PodState) -> bool:
    """Whether this pod is to be probed: it runs, something is to be proven, and no verdict of this digest stands there."""
    if not pod.ready or pod.deleting or pod.outdated or _is_proven(request, pod):
        return False
    return bool(request.verify_imports) or _has_derivable(request, pod)


def imports_condition(request: Request, pod: PodState, outcome: ProbeOutcome | None) -> Condition | None:
    """ImportsVerified of one pod; None where nothing is to be proven.

    Args:
        request: what the owner asks for now.
        pod: the pod.
        outcome: of a probe for the digest of now; None while there is none.
    """
    if not request.verify_imports and request.packages is None and not pod.injected:
        return None
    if outcome is not None and outcome.digest == probe_digest(request, pod):
        return _of_outcome(outcome)
    decided = _has_import_verdict(request, pod)
    if pod.outdated and pod.ready and not decided:
        return _imports(UNKNOWN, Reason.ROLLOUT_PENDING, "The imports are tried in the pod that replaces this one.")
    if pod.ready and not request.verify_imports and _failed(pod):
        text = "The packages are not installed, so nothing of them can be imported: see PackagesInstalled."
        return _imports(FALSE, Reason.MODULE_NOT_FOUND, text)
    known = find(pod.conditions, names.IMPORTS_VERIFIED)
    if known is not None and (decided or known.reason == Reason.PROBE_FAILED):
        return known
    if not request.verify_imports and not _has_derivable(request, pod):
        return _imports(UNKNOWN, Reason.WAITING_FOR_PACKAGES, "The imports are tried when the packages are installed.")
    if not pod.ready:
        return _imports(UNKNOWN, Reason.WAITING_FOR_POD, "The imports are tried when the pod is ready.")
    return _imports(UNKNOWN, Reason.PROBING, "The imports are being tried.")


def _of_outcome(outcome: ProbeOutcome) -> Condition:
    if outcome.report is None:
        text = f"The imports could not be tried, which says nothing about them: {outcome.failure} It is tried again."
        return _imports(UNKNOWN, Reason.PROBE_FAILED, text)
    results = outcome.report.results
    untried = [result.module for result in results if result.reason == Reason.OUT_OF_MEMORY]
    failed = [result for result in results if not result.ok and result.module not in untried]
    if failed:
        head = f"{len(failed)} of {len(results)} imports failed"
        told = " ".join(_told(result) for result in failed[:SHOWN_MODULES])
        more = f" And {len(failed) - SHOWN_MODULES} more." if len(failed) > SHOWN_MODULES else ""
        reason = failed[0].reason or Reason.IMPORT_FAILED
        return _imports(FALSE, reason, f"{head}. {told}{more}")
    if untried:
        text = (
            f"{len(untried)} of {len(results)} imports could not be tried beside the running process, which says nothing about "
            f"them: {', '.join(untried[:SHOWN_MODULES])} needs more memory than the container has left of its limit."
        )
        return _imports(UNKNOWN, Reason.OUT_OF_MEMORY, text)
    if outcome.report.derived and (absent := missing(outcome.report)):
        text = f"{', '.join(absent[:SHOWN_MODULES])} is not installed, so nothing of it can be imported: see PackagesInstalled."
        return _imports(FALSE, Reason.MODULE_NOT_FOUND, text)
    if not results:
        return _imports(TRUE, Reason.NOTHING_TO_VERIFY, "What was installed has no importable modules.")
    tried = ", ".join(result.module for result in results)
    return _imports(TRUE, Reason.IMPORTS_SUCCEEDED, f"Every import works in Python {outcome.report.python}: {tried}")


def _told(result: ModuleResult) -> str:
    remedy = REMEDY_OF_IMPORT.get(result.reason or "", REMEDY_OF_IMPORT[Reason.IMPORT_FAILED])
    return f"{result.module}: {result.error}. {remedy}."


def _imports(status: str, reason: str, message: str) -> Condition:
    return Condition(type=names.IMPORTS_VERIFIED, status=status, reason=reason, message=shortened(message))


def _has_derivable(request: Request, pod: PodState) -> bool:
    """Whether modules can be derived from what is installed in the pod.

    Not from an older set: which modules the packages of now bring says nothing about it.
    """
    if is_observed(request, pod):
        return request.packages is not None
    result = pod.installer.result if pod.installer else None
    current = pod.hash == request.packages_hash or request.packages is None
    return current and result is not None and result.outcome in ("installed", "reused")


def _failed(pod: PodState) -> bool:
    result = pod.installer.result if pod.installer else None
    return result is not None and result.outcome == "failed"


def distributions(packages: Sequence[str]) -> list[str]:
    """The names of the requirements, for deriving modules; a direct reference without a name is left out."""
    found = []
    for package in packages:
        try:
            found.append(Requirement(package).name)
        except InvalidRequirement:
            _, marker, egg = package.partition("#egg=")
            if marker:
                found.append(egg.partition("&")[0])
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Replacement:
    """A pod to be recreated: `evict` honours disruption budgets, otherwise the pod serves nobody and is deleted."""

    pod: PodState
    evict: bool
    reason: str
    not_injected: bool = False


def replacement(
    request: Request,
    pods: Sequence[PodState],
    conditions: Mapping[str, Sequence[Condition]],
    *,
    replicas: int,
    unused_claim: str = "",
) -> Replacement | None:
    """The one pod to be replaced now, None where there is none or it must wait.

    A pod that never came up with an older request, or that crashes over and over with it, is deleted at once: a
    StatefulSet would wait for it for ever. With rollout auto, one outdated pod at a time is evicted, only while every pod
    of the new request is ready and proven: so a bad package never takes down more than one replica. Outdated pods that
    are not ready go first, since they serve nobody; one that is ready goes only while all others are ready too.

    Args:
        request: what the owner asks for.
        pods: its pods.
        conditions: by pod name, as decided for each pod.
        replicas: how many pods there should be; while one is missing, no other is taken.
        unused_claim: a claim that pods made now do not mount; those that wait for it wait for ever.
    """
    for pod in pods:
        if unused_claim in pod.claims and pod.injected and not pod.deleting and not pod.ready and _never_started(pod):
            return Replacement(pod=pod, evict=False, reason=f"it waits for the claim {unused_claim}, which is not used")
    outdated = [pod for pod in pods if _outdated(request, pod) and not pod.deleting]
    for pod in outdated:
        if pod.injected and not pod.ready and (_never_came_up(pod) or pod.crashing):
            return Replacement(
                pod=pod, evict=False, reason="it did not come up with packages that are no longer asked for"
            )
    if request.rollout != "auto" or not outdated or any(pod.deleting for pod in pods) or len(pods) < replicas:
        return None
    for pod in pods:
        if pod not in outdated and (not pod.ready or _unproven(conditions.get(pod.name, ()))):
            return None
    outdated = [pod for pod in outdated if not pod.ready] or outdated
    # The highest ordinal first, as a StatefulSet rolls.
    last = max(outdated, key=lambda pod: (len(pod.name), pod.name))
    if last.injected:
        reason = "the packages changed"
    elif last.foreign_installer:
        reason = "Wheelwarden takes over the installation"
    else:
        reason = "it was made without the installer"
    return Replacement(pod=last, evict=True, reason=reason, not_injected=not last.injected)


def _unproven(conditions: Sequence[Condition]) -> bool:
    """Whether a pod failed or is still to be proven. A probe that could not run holds nobody up: exec may be forbidden."""
    return any(condition.status == FALSE or condition.reason in UNDECIDED for condition in conditions)


def _outdated(request: Request, pod: PodState) -> bool:
    if is_observed(request, pod):
        # It can be taken over only when it is made.
        return pod.foreign_installer and request.install == "managed" and request.packages is not None
    # What was taken over is rolled by its owner, who knows of the change too.
    return pod.hash != request.packages_hash and not (pod.taken_over and pod.ready)


def _never_started(pod: PodState) -> bool:
    """Whether not even the installer has run."""
    installer = pod.installer or Installer(phase="waiting")
    return installer.phase == "waiting" and installer.exit_code is None


def _never_came_up(pod: PodState) -> bool:
    """Whether the installer has not done its work: then no user's process ever ran in this pod."""
    installer = pod.installer or Installer(phase="waiting")
    failed = installer.result is not None and installer.result.outcome == "failed"
    return failed or installer.phase != "ended" or bool(installer.exit_code)


def module_names(outcome: ProbeOutcome) -> Sequence[Mapping[str, Any]]:
    """What the last-result annotation says of each module."""
    results = outcome.report.results if outcome.report else ()
    return [
        {"module": result.module, "ok": True} if result.ok else
        {"module": result.module, "ok": False, "reason": result.reason, "error": result.error}
        for result in results
    ]  # fmt: skip
