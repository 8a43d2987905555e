"""One object, from its key: gather, decide, act, write its status once, tell what changed.

CR, its pods, its claim ──► plan (pure) ──► claim, pods' conditions, CR's status ──► events, metrics ──► replacement
"""

import datetime
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from controller import plan, rollout
from controller.app_report import AppReporter
from controller.backoff import Backoff
from controller.claim_controller import ClaimKeeper, Settled
from controller.foreign_packages import installed_versions
from controller.install_owner import InstallOwner, observed_generation
from controller.metrics import Metrics
from controller.owner_evidence import OwnerKeeper, View
from controller.pod_report import Outcomes, Reporter
from controller.probe import Prober
from controller.refusals import Refusals
from controller.state import Key, PodState, read_pod
from controller.status import claim_troubles, conditions_of, package_status, usage_of
from controller.status_patch import TYPES, written_before
from controller.summary import sum_up
from wheelwarden.api import names
from wheelwarden.api.conditions import Condition, Reason, find
from wheelwarden.api.errors import Blocked, Conflict, NotFound
from wheelwarden.api.kinds import KASPR_APP, KINDS, NOTEBOOK, is_alive, wanted_replicas
from wheelwarden.api.request import Request
from wheelwarden.api.violations import Action
from wheelwarden.api.volumes import EMPTY, cache_mode
from wheelwarden.kube import KASPRAPPS, NOTEBOOKS, PODS, Cluster, Object
from wheelwarden.kube.events import Recorder
from wheelwarden.rules import judge
from wheelwarden.rules.policy import Policy, request_under

LOGGER = logging.getLogger(__name__)
BLOCKED_SECONDS: Final = 30.0  # before an eviction that a budget forbade is tried again
PROBE_RETRY_SECONDS: Final = 30.0  # before a probe that could not run is tried again; doubled each time
PROBE_RETRY_LIMIT: Final = 900.0
LOOK_SECONDS: Final = 590.0  # between two looks at how full a volume is; the resync brings the object up again

_RESOURCES: Final = {NOTEBOOK.name: NOTEBOOKS, KASPR_APP.name: KASPRAPPS}
_KINDS: Final = {kind.name: kind for kind in KINDS}


@dataclass(frozen=True, kw_only=True, slots=True)
class Wait:
    """Until when a pod is not probed again for the same digest, and how long that pause is, in seconds."""

    digest: str
    until: float
    pause: float


class Reconciler:
    """Works on one key at a time; holds nothing that could not be found out again, but for what limits its own writes.

    Args:
        cluster: the client.
        prober: runs import probes.
        recorder: writes events.
        metrics: where transitions are counted.
        policy: gives the policy in force.
        monotonic: a clock in seconds; `now`: the wall clock, timezone-aware.
        again: asks for a key after some seconds.
    """

    def __init__(
        self,
        cluster: Cluster,
        prober: Prober,
        recorder: Recorder,
        metrics: Metrics,
        policy: Callable[[], Policy],
        *,
        monotonic: Callable[[], float],
        now: Callable[[], datetime.datetime],
        again: Callable[[Key, float], None],
    ) -> None:
        self._cluster = cluster
        self._prober = prober
        self._recorder = recorder
        self._metrics = metrics
        self._policy = policy
        self._monotonic = monotonic
        self._now = now
        self._again = again
        self._refusals = Refusals(recorder, metrics, monotonic=monotonic, again=again)
        self._reporter = Reporter(cluster, recorder, metrics, self._refusals, now=now)
        self._app_reporter = AppReporter(
            cluster, recorder, metrics, self._refusals, monotonic=monotonic, now=now, again=again
        )
        self._claims = ClaimKeeper(cluster, recorder, monotonic=monotonic, now=now, again=again)
        self._owners = OwnerKeeper(cluster, self._claims, recorder)
        self._attempts: dict[Key, rollout.Attempt] = {}
        self._edits: dict[Key, rollout.Edit] = {}
        self._unclear: Backoff[Key] = Backoff()
        self._probe_again: dict[Key, dict[str, Wait]] = {}
        self._claimless: set[Key] = set()
        self._looked: dict[Key, float] = {}

    async def reconcile(self, key: Key) -> None:
        """Brings one object to where it should be. Raises KubeError where the API server refused: try again later."""
        kind, resource = _KINDS[key.kind], _RESOURCES[key.kind]
        try:
            obj = await self._cluster.get(resource, key.name, key.namespace)
        except NotFound:
            self._forget(key)
            return
        obj = {"apiVersion": kind.api_version, "kind": kind.name, **obj}
        request = request_under(self._policy(), obj)
        if request is None or "deletionTimestamp" in obj["metadata"]:
            return
        listing = await self._cluster.list(PODS, key.namespace, labels=f"{kind.pod_label}={key.name}")
        pods = [read_pod(kind, key.name, pod) for pod in listing.items if is_alive(pod)]
        pods.sort(key=lambda pod: (len(pod.name), pod.name))
        ours = any(pod.injected for pod in pods)
        reported = any(find(conditions_of(obj), type_) for type_ in TYPES)
        replicas = wanted_replicas(kind, obj)
        if request.wanted or ours or reported:
            self._claimless.discard(key)
            view = await self._owners.look(key, request, obj, pods, replicas)
            await self._work(replace(view, pods=self._mark(view)))
            return
        self._metrics.hide(key.name, key.namespace)
        if key not in self._claimless:
            # A claim may be left of packages that are no longer asked for; where there is none, nobody looks again.
            claim = await self._claims.read(request)
            settled = await self._claims.settle(request, claim, pods, replicas, InstallOwner.OURS)
            if settled.claim is None:
                self._claimless.add(key)

    async def _work(self, view: View) -> None:
        """Decides and acts on what was gathered."""
        key, request, pods, owner = view.key, view.request, view.pods, view.ownership.owner
        found = {pod.uid: self._prober.outcome(pod) for pod in pods}
        outcomes = {uid: outcome for uid, outcome in found.items() if outcome is not None}
        invalid = self._invalid(view.obj)
        if invalid:
            settled = Settled(hindrance=plan.obstacle(Reason.INVALID_SPEC, invalid))
        else:
            settled = await self._claims.settle(request, view.claim, pods, view.replicas, owner)
        if request.kind is NOTEBOOK:
            # Before the pods: killed in between, the next of us finds no digest there and probes again.
            await self._reporter.keep_last_result(key, request, view.obj, pods, outcomes)
        beside = owner is not InstallOwner.OURS
        decided = await self._reporter.report_pods(key, request, pods, outcomes, settled, beside=beside)
        mode = EMPTY if request.packages is None else cache_mode(request, settled.claim, beside=beside)
        conflict = await self._report_app(view, outcomes, settled, decided, mode=mode)
        if not invalid:
            self._probe(key, request, pods, outcomes, unwritten=conflict is not None or self._refusals.is_open(key))
            if request.kind is KASPR_APP:
                self._look(key, pods)
            if owner is not InstallOwner.UNKNOWN:
                await self._replace(view, decided, settled)
        if conflict is not None:
            raise conflict

    async def _report_app(
        self, view: View, outcomes: Outcomes, settled: Settled, decided: Mapping[str, Sequence[Condition]], *, mode: str
    ) -> Conflict | None:
        """Shows usage, and sums up what is said of the pods in the status of a KasprApp.

        Returns a conflict where somebody wrote in between: then the rest goes on, and the object is worked on again.
        """
        key, request, pods, obj = view.key, view.request, view.pods, view.obj
        beside = view.ownership.owner is not InstallOwner.OURS
        before = written_before(obj.get("status") or {}, beside=beside)
        usage = usage_of(request, pods, before, self._prober.usage(key), mode=mode)
        if request.packages is not None:
            troubles = claim_troubles(request, settled, beside=beside)
            self._metrics.show(key.name, key.namespace, request.packages, usage, mode=mode, troubles=troubles)
        else:
            self._metrics.hide(key.name, key.namespace)
        if request.kind is not KASPR_APP:
            return None
        summed = self._sum_up(request, pods, decided, settled, view.replicas)
        packages = None
        if request.packages is not None:
            packages = package_status(
                request, pods, summed[0], settled.claim, beside=beside, own_image=bool(obj["spec"].get("image")),
                observed=self._observed(request, pods, outcomes, before), usage=usage, troubles=settled.warnings,
            )  # fmt: skip
        unclear = view.ownership.owner is InstallOwner.UNKNOWN
        try:
            await self._app_reporter.report(key, obj, summed, packages, beside=None if unclear else beside)
        except Conflict as error:
            return error
        return None

    def _forget(self, key: Key) -> None:
        self._attempts.pop(key, None)
        self._edits.pop(key, None)
        self._unclear.forget(key)
        self._owners.forget(key)
        self._reporter.forget(key)
        self._app_reporter.forget(key)
        self._refusals.forget(key)
        self._claims.forget(key)
        self._claimless.discard(key)
        self._looked.pop(key, None)
        self._probe_again.pop(key, None)
        self._prober.forget_object(key)
        self._metrics.forget(key.name, key.namespace)

    def _invalid(self, obj: Object) -> str:
        for violation in judge(obj, policy=self._policy()):
            if violation.action is Action.DENY:
                return violation.message
        return ""

    def _mark(self, view: View) -> list[PodState]:
        """The pods, with why each is about to be replaced."""
        key, request, owner, acted = view.key, view.request, view.ownership.owner, True
        if owner is InstallOwner.UNKNOWN:
            self._again(key, self._unclear.next(key, 0.0))
        else:
            self._unclear.forget(key)
        if request.kind is KASPR_APP:
            observed = observed_generation(view.obj)
            edit = rollout.follow_edit(self._edits.get(key), request, view.template, observed, self._monotonic())
            self._edits[key] = edit
            acted = edit.since is None
        if not acted and owner is InstallOwner.FOREIGN:
            self._again(key, rollout.SILENT_OPERATOR_SECONDS)
        back = rollout.came_back(self._attempts.get(key), view.pods)
        return [
            replace(
                pod,
                came_back=pod.name == back,
                outdated=rollout.why_outdated(
                    request, pod, view.ownership, view.template, acted=acted, came_back=pod.name == back
                ),
            )
            for pod in view.pods
        ]

    def _probe(
        self, key: Key, request: Request, pods: Sequence[PodState], outcomes: Outcomes, *, unwritten: bool
    ) -> None:
        """Starts the probes that are due; one that could not run is tried again after a while, each time a longer one.

        While something of the object is `unwritten`, what a probe found is kept: it is written then, and not probed again.
        """
        uids = {pod.uid for pod in pods}
        waits = {uid: wait for uid, wait in self._probe_again.pop(key, {}).items() if uid in uids}
        for pod in pods:
            outcome, digest = self._prober.outcome(pod), plan.probe_digest(request, pod)
            if outcome is not outcomes.get(pod.uid):
                continue  # it came meanwhile: it is told in the next round
            if not (unwritten and outcome is not None and outcome.report is not None):
                self._prober.forget(pod.uid)
            if pod.uid in waits and waits[pod.uid].digest != digest:
                del waits[pod.uid]  # something else is asked now, or the same by verify-now: that does not wait
            current = outcome is not None and outcome.digest == digest
            if outcome is not None and current and outcome.report is None:
                pause = min(2 * waits[pod.uid].pause, PROBE_RETRY_LIMIT) if pod.uid in waits else PROBE_RETRY_SECONDS
                waits[pod.uid] = Wait(digest=digest, until=self._monotonic() + pause, pause=pause)
            elif current or not plan.needs_probe(request, pod):
                waits.pop(pod.uid, None)
                continue
            left = waits[pod.uid].until - self._monotonic() if pod.uid in waits else 0.0
            if left > 0:
                self._again(key, left)
            else:
                self._prober.start(key, request, pod)
        if waits:
            self._probe_again[key] = waits

    def _observed(
        self, request: Request, pods: Sequence[PodState], outcomes: Outcomes, before: Mapping[str, Any]
    ) -> list[str]:
        """What was found of another owner's packages: by the probe that just ended, else as the status has it."""
        for pod in pods:
            outcome = outcomes.get(pod.uid)
            if outcome is not None and outcome.report is not None and outcome.report.distributions:
                return installed_versions(outcome.report)
        known = before.get("installed") if before.get("hash") == request.packages_hash else None
        return list(known or ()) if any(pod.foreign_installer for pod in pods) else []

    def _look(self, key: Key, pods: Sequence[PodState]) -> None:
        """Has a look at how full the volume is, now and then, for as long as no probe tells."""
        looked = self._looked.setdefault(key, self._monotonic())
        ready = next((pod for pod in pods if pod.ready and pod.search_path and pod.own_size and not pod.deleting), None)
        if ready is not None and self._monotonic() - looked >= LOOK_SECONDS:
            self._looked[key] = self._monotonic()
            self._prober.look(key, ready)

    def _sum_up(
        self,
        request: Request,
        pods: Sequence[PodState],
        decided: Mapping[str, Sequence[Condition]],
        settled: Settled,
        replicas: int,
    ) -> list[Condition]:
        """The conditions of the whole app, PackagesInstalled first where packages are asked for."""
        summed = []
        if request.packages is not None:
            hindrance = None if pods else settled.hindrance
            summed.append(hindrance or _summed(names.PACKAGES_INSTALLED, pods, decided, replicas))
        if request.wanted:
            summed.append(_summed(names.IMPORTS_VERIFIED, pods, decided, replicas))
        return summed

    async def _replace(self, view: View, decided: Mapping[str, Sequence[Condition]], settled: Settled) -> None:
        """Recreates one pod, where one is due."""
        key, request, pods = view.key, view.request, view.pods
        due = self._stuck(key, pods, settled)
        due = due or plan.replacement(request, pods, decided, replicas=view.replicas, unused_claim=settled.unused)
        if due is None:
            return
        attempt, clock = self._attempts.get(key), self._monotonic()
        wait, pause = rollout.next_pause(attempt, pods, clock)
        if due.not_injected and wait > 0:
            self._again(key, wait)
            return
        try:
            if due.evict:
                await self._cluster.evict(due.pod.name, key.namespace, uid=due.pod.uid)
            else:
                await self._cluster.delete(PODS, due.pod.name, key.namespace, uid=due.pod.uid)
        except Blocked as error:
            LOGGER.info("pod %s/%s is not evicted yet: %s", key.namespace, due.pod.name, error)
            self._again(key, BLOCKED_SECONDS)
            return
        except (NotFound, Conflict):
            return
        if due.not_injected:
            self._attempts[key] = rollout.Attempt(pod=due.pod.name, uid=due.pod.uid, at=clock, pause=pause)
        text = f"Pod {due.pod.name} is made anew: {due.reason}"
        LOGGER.info("%s/%s: %s", key.namespace, key.name, text)
        await self._recorder.record(request.reference, key.namespace, "Normal", "PodReplaced", text)

    def _stuck(self, key: Key, pods: Sequence[PodState], settled: Settled) -> plan.Replacement | None:
        """A pod that missed its claim, and so waits for ever."""
        pod, left = rollout.stuck_pod(pods, settled.name, settled.claim, usable=settled.usable, now=self._now())
        if left > 0:
            self._again(key, left)
        if pod is None:
            return None
        reason = f"it stays unschedulable though its claim {settled.name} can be used, which was created after it"
        return plan.Replacement(pod=pod, evict=False, reason=reason)


def _summed(
    type_: str, pods: Sequence[PodState], decided: Mapping[str, Sequence[Condition]], replicas: int
) -> Condition:
    found = [
        (pod.name, condition)
        for pod in pods
        for condition in decided[pod.name]
        # One that goes because it is outdated counts until it is gone: the rollout is not done.
        if condition.type == type_ and (not pod.deleting or pod.outdated)
    ]
    return sum_up(type_, found, replicas)
