"""What the pods' conditions mean together: the cause of a failure decides and comes first, and no advice does harm. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from controller.state import PodState
from wheelwarden.api import names
from wheelwarden.api.conditions import FALSE, MESSAGE_LIMIT, TRUE, UNKNOWN, Condition, Reason, shortened
from wheelwarden.api.request import Request

# Which reason stands for the whole object where its pods differ, worst first. What must be corrected before anything can
# go on comes before what waits; a pod that runs well with the packages of before is the least of it, and only pods that
# are on their way come after it, so that an object in the middle of a rollout does not change to and fro.
SEVERITY: Final = (
    # Nothing is installed before the spec is corrected.
    (Reason.INVALID_SPEC,),
    # An installer failed, or an import does. A reason that is not listed here and False counts among these.
    (
        Reason.PACKAGE_NOT_FOUND, Reason.HASH_MISMATCH, Reason.AUTHENTICATION_FAILED, Reason.NETWORK_ERROR,
        Reason.INSTALL_TIMEOUT, Reason.DISK_FULL, Reason.BUILD_FAILED, Reason.GIT_MISSING, Reason.PYTHON_INCOMPATIBLE,
        Reason.INSTALL_FAILED,
        Reason.IMPORT_FAILED, Reason.MODULE_NOT_FOUND, Reason.ATTRIBUTE_NOT_FOUND, Reason.MISSING_SHARED_LIBRARY,
        Reason.INCOMPATIBLE_BINARY, Reason.CIRCULAR_IMPORT, Reason.SHADOWED, Reason.PROBE_TIMEOUT,
    ),
    # The installer cannot run.
    (Reason.CONFIG_ERROR, Reason.CLAIM_REFUSED, Reason.CLAIM_CONFLICT),
    # Another owner's installer left something else than is asked for.
    (Reason.PACKAGE_MISSING, Reason.VERSION_MISMATCH, Reason.FILES_DAMAGED),
    (Reason.NOT_INJECTED,),
    # Something outside of the pod is waited for, or cannot be told.
    (Reason.CLAIM_PENDING, Reason.OUT_OF_MEMORY, Reason.PROBE_FAILED),
    # The pod works, with the packages of before.
    (Reason.RESTART_REQUIRED,),
    (Reason.ROLLOUT_PENDING,),
    # On its way. A reason that is not listed here and Unknown counts among these.
    (Reason.WAITING_FOR_POD, Reason.INSTALLING, Reason.PROBING, Reason.WAITING_FOR_PACKAGES, Reason.OBSERVED),
)  # fmt: skip
_RANK: Final = {reason: rank for rank, reasons in enumerate(SEVERITY) for reason in reasons}
_RANK_OF_STATUS: Final = {FALSE: 1, UNKNOWN: len(SEVERITY) - 1, TRUE: len(SEVERITY)}
NAMED_PODS: Final = 3  # that are named together where all of them say the same
_MORE_LENGTH: Final = 32  # of " And NNNN more pods are not there."


def advised(
    request: Request, pods: Sequence[PodState], decided: Mapping[str, Sequence[Condition]]
) -> dict[str, list[Condition]]:
    """The same conditions by pod name, where `RestartRequired` gives no advice that would take down a good replica.

    While a pod that was made with the packages of now has not got them, a restart of another one would only cost one more.

    Args:
        request: what the owner asks for now.
        pods: its pods.
        decided: their conditions, each pod looked at by itself.
    """
    newer = [pod for pod in pods if pod.injected and pod.hash == request.packages_hash and not pod.deleting]
    failing = [pod.name for pod in newer if any(one.status == FALSE for one in decided[pod.name])]
    behind = any(
        one.status != TRUE for pod in newer for one in decided[pod.name] if one.type == names.PACKAGES_INSTALLED
    )
    told = "The packages changed after this pod was made; it runs on with those it was made with."
    if failing:
        told += f" Do not restart it: pod {failing[0]} was made with the new ones and fails. Correct that first."
    elif behind:
        told += " Restart it when the pod that was made with the new ones is ready."
    else:
        return {name: list(conditions) for name, conditions in decided.items()}
    return {
        name: [replace(one, message=told) if one.reason == Reason.RESTART_REQUIRED else one for one in conditions]
        for name, conditions in decided.items()
    }


def severity(condition: Condition) -> int:
    """How bad a condition is, 0 the worst."""
    if condition.status == TRUE:
        return _RANK_OF_STATUS[TRUE]
    return _RANK.get(condition.reason, _RANK_OF_STATUS.get(condition.status, 1))


def sum_up(type_: str, pods: Sequence[tuple[str, Condition]], replicas: int) -> Condition:
    """One condition for an object: the worst of its pods' by SEVERITY, with its cause at the head of the message.

    Args:
        type_: the condition type.
        pods: (pod name, its condition of that type), in the order in which they are to be named.
        replicas: how many there should be: while one is being recreated, what the others have is not the whole.
    """
    if not pods:
        return Condition(type=type_, status=UNKNOWN, reason=Reason.WAITING_FOR_POD, message="There is no pod yet.")
    good = sum(condition.status == TRUE for _, condition in pods)
    word = "have their packages" if type_ == names.PACKAGES_INSTALLED else "import everything"
    tally = f"{good} of {max(len(pods), replicas)} pods {word}."
    if good == len(pods) < replicas:
        awaited = "1 pod is" if replicas - good == 1 else f"{replicas - good} pods are"
        return Condition(
            type=type_, status=UNKNOWN, reason=Reason.WAITING_FOR_POD, message=f"{tally} {awaited} not there yet."
        )
    if good == len(pods):
        first = pods[0][1]
        return Condition(
            type=type_, status=TRUE, reason=first.reason, message=shortened(f"{tally} {_sentence(first.message)}")
        )
    told: dict[Condition, list[str]] = {}
    for pod, condition in pods:
        if condition.status != TRUE:
            told.setdefault(condition, []).append(pod)
    ranked = sorted(told, key=severity)  # stable: the order of the pods within a rank
    worst = ranked[0]
    parts = [f"{_named(told[condition])}: {_sentence(condition.message)}" for condition in ranked]
    counts = [len(told[condition]) for condition in ranked]
    return Condition(type=type_, status=worst.status, reason=worst.reason, message=_joined(parts, counts, tally))


def _joined(parts: Sequence[str], counts: Sequence[int], tally: str) -> str:
    """The worst part, the tally, and of the others as many as there is room for, each whole; the rest is counted."""
    text = f"{shortened(parts[0], MESSAGE_LIMIT - len(tally) - _MORE_LENGTH - 1)} {tally}"
    for index, part in enumerate(parts[1:], start=1):
        if len(text) + len(part) + 1 + _MORE_LENGTH > MESSAGE_LIMIT:
            left = sum(counts[index:])
            return f"{text} And {left} more {'pod is' if left == 1 else 'pods are'} not there."
        text = f"{text} {part}"
    return text


def _named(pods: Sequence[str]) -> str:
    if len(pods) <= NAMED_PODS:
        return ", ".join(pods)
    return f"{', '.join(pods[:NAMED_PODS])} and {len(pods) - NAMED_PODS} more"


def _sentence(message: str) -> str:
    return message if message.endswith((".", "!", "?", "…")) else f"{message}."
