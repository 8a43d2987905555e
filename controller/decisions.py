"""All that one round decides about one object, in one value. Pure: what was gathered goes in, `Decisions` come out.

`controller.pod_report` and `controller.status_report` write it where it is not there yet; `controller.replacing` acts on it.
"""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from controller import plan, rollout
from controller.claim_plan import Settled
from controller.foreign_packages import installed_versions
from controller.install_owner import View
from controller.state import PodState, ProbeOutcome
from controller.status import cache_warnings, claim_troubles, package_status, usage_of, usage_warnings
from controller.status_patch import written_before
from controller.summary import advised, sum_up
from wheelwarden.api import names
from wheelwarden.api.conditions import Condition
from wheelwarden.api.install_owner import InstallOwner
from wheelwarden.api.objects import Object
from wheelwarden.api.request import Request
from wheelwarden.api.volumes import EMPTY, cache_mode
from wheelwarden.verify.results import Usage

# What probes came to, by the pod's uid, as it was when the round began: what comes meanwhile is for the next round.
Outcomes = Mapping[str, ProbeOutcome]


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """All that a round has gathered when it decides.

    Attributes:
        view: the object, its pods, who installs.
        settled: what came of its claim.
        outcomes: of probes.
        seen: how full its volume was at the last probe; None where there was none.
        invalid: what rules deny of its request; empty where they deny nothing.
        now: the time.
    """

    view: View
    settled: Settled
    outcomes: Outcomes
    seen: Usage | None
    invalid: str
    now: datetime.datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Decisions:
    """What is to be said and done.

    Attributes:
        pods: the conditions of each pod, by its name.
        conditions: of the whole object, PackagesInstalled first; none where the kind has no status of ours.
        packages: what the status tells of its packages; None where none are asked for, or the kind has no status of ours.
        last_results: (probe digest, what is to be kept as the last result), the last one wins; none where the kind has a
            status of ours.
        usage: how full the volume is; None where nobody knows.
        mode: the cache mode, as in `wheelwarden.api.volumes`.
        troubles: what is wrong with the claim, in the metric's words.
        replacement: the pod that is to be recreated; None where none is.
        stuck_seconds: after which a pod may have to be called stuck; 0 where none is about to.
    """

    pods: Mapping[str, Sequence[Condition]]
    conditions: Sequence[Condition]
    packages: Object | None
    last_results: Sequence[tuple[str, Object]]
    usage: Usage | None
    mode: str
    troubles: Sequence[str]
    replacement: plan.Replacement | None
    stuck_seconds: float


def decide(facts: Facts) -> Decisions:
    """What is to be said and done about one object now."""
    view, settled = facts.view, facts.settled
    request, owner = view.request, view.ownership.owner
    asks = request.packages is not None
    mode = cache_mode(request, settled.claim, owner=owner) if asks else EMPTY
    pods = _decide_pods(facts, mode)
    before = written_before(view.obj.get("status") or {}, owner)
    usage = usage_of(request, view.pods, before, facts.seen, mode=mode)
    conditions = _sum_up(view, pods, settled) if request.kind.conditions is not None else []
    replacement, stuck_seconds = _decide_replacement(facts, pods)
    return Decisions(
        pods=pods,
        conditions=conditions,
        packages=_packages_status(facts, conditions, before, usage) if conditions and asks else None,
        last_results=_last_results(facts) if request.kind.last_result_annotation else [],
        usage=usage,
        mode=mode,
        troubles=claim_troubles(request, settled, owner) if asks else [],
        replacement=replacement,
        stuck_seconds=stuck_seconds,
    )


def _decide_pods(facts: Facts, mode: str) -> Mapping[str, Sequence[Condition]]:
    """The conditions of each pod, by its name."""
    request = facts.view.request
    notes = _notes(facts, mode)
    decided: dict[str, list[Condition]] = {}
    for pod in facts.view.pods:
        outcome = facts.outcomes.get(pod.uid)
        found = [
            plan.packages_condition(request, pod, facts.settled.hindrance_of(pod), notes, outcome),
            plan.imports_condition(request, pod, outcome),
        ]
        decided[pod.name] = [condition for condition in found if condition is not None]
    return advised(request, facts.view.pods, decided)


def _notes(facts: Facts, mode: str) -> list[str]:
    """What is to be said with an installation that worked: what is not as it was asked for."""
    request, settled = facts.view.request, facts.settled
    if request.packages is None:
        return []
    notes = [*cache_warnings(request, settled.claim, facts.view.ownership.owner), *settled.warnings]
    if request.kind.conditions is None:
        # No status of ours has room for it. Only what the installers said: that stays as it is while the pods do.
        notes += usage_warnings(usage_of(request, facts.view.pods, {}, None, mode=mode))
    return list(dict.fromkeys(notes))


def _sum_up(view: View, pods: Mapping[str, Sequence[Condition]], settled: Settled) -> list[Condition]:
    """The conditions of the whole object, PackagesInstalled first where packages are asked for."""
    summed = []
    if view.request.packages is not None:
        hindrance = None if view.pods else settled.hindrance
        summed.append(hindrance or _summed(names.PACKAGES_INSTALLED, view, pods))
    if view.request.wanted:
        summed.append(_summed(names.IMPORTS_VERIFIED, view, pods))
    return summed


def _summed(type_: str, view: View, pods: Mapping[str, Sequence[Condition]]) -> Condition:
    found = [
        (pod.name, condition)
        for pod in view.pods
        for condition in pods[pod.name]
        # One that goes because it is outdated counts until it is gone: the rollout is not done.
        if condition.type == type_ and (not pod.deleting or pod.outdated)
    ]
    return sum_up(type_, found, view.replicas)


def _packages_status(
    facts: Facts, conditions: Sequence[Condition], before: Mapping[str, Any], usage: Usage | None
) -> Object | None:
    view, settled = facts.view, facts.settled
    return package_status(
        view.request,
        view.pods,
        conditions[0],
        settled.claim,
        owner=view.ownership.owner,
        own_image=bool(view.request.kind.own_image(view.obj)),
        observed=_observed(view.request, view.pods, facts.outcomes, before),
        usage=usage,
        troubles=settled.warnings,
    )


def _observed(
    request: Request, pods: Sequence[PodState], outcomes: Outcomes, before: Mapping[str, Any]
) -> Sequence[str]:
    """What was found of another owner's packages: by the probe that just ended, else as the status has it."""
    for pod in pods:
        outcome = outcomes.get(pod.uid)
        if outcome is not None and outcome.report is not None and outcome.report.distributions:
            return installed_versions(outcome.report)
    known = before.get("installed") if before.get("hash") == request.packages_hash else None
    return list(known or ()) if any(pod.foreign_installer for pod in pods) else []


def _last_results(facts: Facts) -> list[tuple[str, Object]]:
    """What the probes of now found out."""
    found = []
    for pod in facts.view.pods:
        outcome = facts.outcomes.get(pod.uid)
        if outcome is None or outcome.report is None or outcome.digest != plan.probe_digest(facts.view.request, pod):
            continue
        result = pod.installer.result if pod.installer else None
        kept: Object = {
            "hash": pod.hash,
            "installed": list(result.installed) if result else [],
            "imports": plan.module_names(outcome),
        }
        found.append((outcome.digest, kept))
    return found


def _decide_replacement(facts: Facts, pods: Mapping[str, Sequence[Condition]]) -> tuple[plan.Replacement | None, float]:
    """(the pod that is to be recreated, seconds until one may be called stuck); none while it is not clear what is right."""
    view, settled = facts.view, facts.settled
    if facts.invalid or view.ownership.owner is InstallOwner.UNKNOWN:
        return None, 0.0
    stuck, left = rollout.stuck_pod(view.pods, settled.name, settled.claim, usable=settled.usable, now=facts.now)
    if stuck is not None:
        reason = f"it stays unschedulable though its claim {settled.name} can be used, which was created after it"
        return plan.Replacement(pod=stuck, evict=False, reason=reason), left
    due = plan.replacement(view.request, view.pods, pods, replicas=view.replicas, unused_claim=settled.unused)
    return due, left
