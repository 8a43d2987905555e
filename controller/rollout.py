"""Pods that are about to be replaced, or have to be: pure decisions, and the little that must be remembered between rounds.

A pod of an older spec that its operator (or we) will replace is not wrong yet: it gets Unknown `RolloutPending` and no
warning, until the replacement is there to be judged.
"""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from controller.install_owner import Ownership
from controller.state import PodState, Template
from wheelwarden.api.install_owner import InstallOwner
from wheelwarden.api.request import Request

# An operator that was seen to act on generations may take this long for one (a reconcile of Kaspr takes it 3-8 s).
OPERATOR_SECONDS: Final = 120.0
# One that never says which generation it has acted on.
SILENT_OPERATOR_SECONDS: Final = 15.0
STUCK_SECONDS: Final = 60.0  # that a pod may stay unschedulable although its claim can be used
UNINJECTED_SECONDS: Final = 60.0  # before a pod that came back without the installer is tried again; doubled each time
UNINJECTED_LIMIT: Final = 3600.0

_TURN: Final = (
    "it keeps what it has until its turn in the rollout: one pod at a time, the next when the one before is ready and "
    "proven."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Edit:
    """The packages that were asked for when we last looked, and the change of them that the operator has not acted on yet.

    Attributes:
        packages_hash: of the request.
        template_generation: of the StatefulSet then; 0 where there was none.
        since: when the change was seen first (seconds); None once the operator has acted.
    """

    packages_hash: str
    template_generation: int
    since: float | None = None


def follow_edit(
    before: Edit | None, request: Request, template: Template | None, observed: int | None, clock: float
) -> Edit:
    """What to remember after this look.

    Args:
        before: from the last look, None at the first: then only the operator can tell whether it has acted on what there is.
        request: what the object asks for.
        template: of its StatefulSet.
        observed: the generation that the operator says it has acted on, None where it says none.
        clock: the time in seconds.
    """
    generation = template.generation if template else 0
    now = Edit(packages_hash=request.packages_hash, template_generation=generation)
    # None where the operator does not tell.
    behind = None if observed is None or request.generation is None else observed < request.generation
    if before is None:
        return replace(now, since=clock) if behind else now
    if before.packages_hash != request.packages_hash:
        # Against what the template was before the change: the operator may have been faster than we.
        before = replace(before, packages_hash=request.packages_hash, since=clock)
    if before.since is None:
        return now
    if behind is None:
        acted = generation != before.template_generation or clock - before.since >= SILENT_OPERATOR_SECONDS
    else:
        acted = not behind or clock - before.since >= OPERATOR_SECONDS
    return now if acted else before


def why_outdated(
    request: Request, pod: PodState, ownership: Ownership, template: Template | None, *, acted: bool, came_back: bool
) -> str:
    """Why a pod is about to be replaced, so that it is not judged; empty where it stays as it is.

    Args:
        request: what the object asks for.
        pod: the pod.
        ownership: who installs.
        template: of its StatefulSet, None where there is none.
        acted: whether the operator has acted on the last change of the packages.
        came_back: whether it was replaced for want of our installer and came back without it: waiting does not help then.
    """
    if request.packages is None and not pod.injected:
        return ""
    if ownership.owner is InstallOwner.UNKNOWN:
        return f"Who installs the packages is not clear yet: {ownership.reason}." if not pod.injected else ""
    if ownership.owner is InstallOwner.OURS:
        if request.rollout == "auto" and pod.injected and pod.hash != request.packages_hash:
            return f"The packages changed after pod {pod.name} was made; {_TURN}"
        return ""
    if request.packages is not None and pod.injected and pod.hash == request.packages_hash:
        return ""  # installed by us for what is asked for now, whatever the operator still has to do
    if not acted:
        return "The packages changed, and the operator has not acted on it yet."
    if request.packages is not None and request.install == "managed" and pod.foreign_installer and not came_back:
        if request.rollout == "auto":
            return f"Pod {pod.name} was made before Wheelwarden took over the installation; {_TURN}"
        return ""
    if template is not None and _is_older(pod, template):
        return f"Pod {pod.name} is of an older template than its StatefulSet; the operator is about to replace it."
    return ""


def _is_older(pod: PodState, template: Template) -> bool:
    if pod.owners_hash and template.owners_hash:
        return pod.owners_hash != template.owners_hash
    return bool(pod.revision and template.revision) and pod.revision != template.revision


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """The last pod that was replaced for want of our installer.

    Attributes:
        pod, uid: which.
        at: when, in seconds.
        pause: until the next, where it comes back without the installer.
    """

    pod: str
    uid: str
    at: float
    pause: float = UNINJECTED_SECONDS


def came_back(attempt: Attempt | None, pods: Sequence[PodState]) -> str:
    """The pod that was replaced and has no installer again, so that the webhook is away or passes it by; empty otherwise."""
    if attempt is None:
        return ""
    return next(
        (pod.name for pod in pods if pod.name == attempt.pod and pod.uid != attempt.uid and not pod.injected), ""
    )


def next_pause(attempt: Attempt | None, pods: Sequence[PodState], clock: float) -> tuple[float, float]:
    """(seconds until the next replacement may be tried, the pause after it): no wait while replacements get the installer."""
    if attempt is None or not came_back(attempt, pods):
        return 0.0, UNINJECTED_SECONDS
    return max(0.0, attempt.at + attempt.pause - clock), min(2 * attempt.pause, UNINJECTED_LIMIT)


def stuck_pod(
    pods: Sequence[PodState], name: str, claim: dict[str, Any] | None, *, usable: bool, now: datetime.datetime
) -> tuple[PodState | None, float]:
    """(a pod that the scheduler gave up on before its claim was there, seconds until one may have to be called so).

    A claim that is recreated while a pod waits for it may be missed: the pod stays unschedulable though the claim can be
    used. A replacement is younger than the claim, so it is never replaced for this again.

    Args:
        pods: of the object.
        name: of the claim.
        claim: as it is now.
        usable: whether a pod that is scheduled now can have it.
        now: the time.
    """
    if claim is None or not usable:
        return None, 0.0
    made = _time(claim["metadata"]["creationTimestamp"])
    waiting = [
        pod for pod in pods
        if name in pod.claims and not pod.deleting and not pod.node and pod.created
        and "persistentvolumeclaim" in pod.unschedulable.lower() and _time(pod.created) <= made
    ]  # fmt: skip
    if not waiting:
        return None, 0.0
    left = STUCK_SECONDS - (now - made).total_seconds()
    return (waiting[0], 0.0) if left <= 0 else (None, left)


def _time(stamp: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(stamp)
