"""One object, from its key: gather → decide → report → act.

object, its pods, its claim, its owner ──► decisions (pure) ──► conditions, status, events, metrics ──► probes, replacement

What the claim needs is done while gathering: whether it could be made is one of the facts. Reporting comes before acting, so
that a probe is dropped only when it is written, and a pod is recreated only when what was said of it is there.
"""

import datetime
from collections.abc import Callable, Sequence
from typing import Any

from controller import plan
from controller.claim_controller import ClaimKeeper
from controller.claim_plan import Settled
from controller.decisions import Decisions, Facts, decide
from controller.metrics import Metrics
from controller.owner_evidence import OwnerKeeper
from controller.pod_report import PodReporter
from controller.probe import Prober
from controller.probing import Probing
from controller.refusals import Refusals
from controller.replacing import Replacer
from controller.state import Key, PodState, read_pod
from controller.status import conditions_of
from controller.status_patch import TYPES
from controller.status_report import StatusReporter
from wheelwarden.api.conditions import Reason, find
from wheelwarden.api.errors import Conflict, NotFound
from wheelwarden.api.install_owner import InstallOwner
from wheelwarden.api.kinds import kind_named
from wheelwarden.api.objects import Object, is_alive
from wheelwarden.api.request import Request
from wheelwarden.api.violations import Action, Violation
from wheelwarden.kube import PODS, Cluster, resource_for
from wheelwarden.kube.events import Recorder
from wheelwarden.parsing.request import locate_request_of
from wheelwarden.rules import judge
from wheelwarden.rules.policy import Policy, request_under


class Reconciler:
    """Works on one key at a time. It remembers only what limits its own writes; everything else is read again each time.

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
        self._metrics = metrics
        self._policy = policy
        self._now = now
        timing: dict[str, Any] = {"monotonic": monotonic, "again": again}
        self._refusals = Refusals(recorder, metrics, **timing)
        self._pod_reporter = PodReporter(cluster, recorder, metrics, self._refusals, now=now)
        self._status_reporter = StatusReporter(cluster, recorder, metrics, self._refusals, now=now, **timing)
        self._claims = ClaimKeeper(cluster, recorder, self._refusals, now=now, **timing)
        self._owners = OwnerKeeper(cluster, self._claims, recorder, self._refusals, monotonic=monotonic)
        self._replacer = Replacer(cluster, recorder, **timing)
        self._probing = Probing(prober, **timing)
        self._claimless: set[Key] = set()

    async def reconcile(self, key: Key) -> None:
        """Brings one object to where it should be. Raises KubeError where the API server refused: try again later."""
        obj = await self._read(key)
        if obj is None:
            self._forget(key)
            return
        if "deletionTimestamp" in obj["metadata"]:
            return
        located, policy = locate_request_of(kind_named(key.kind), obj), self._policy()
        request = request_under(policy, located)
        pods = await self._read_pods(key, request)
        if not _concerns_us(request, obj, pods):
            await self._leave(key, request, obj, pods)
            return
        self._claimless.discard(key)
        facts = await self._gather(key, request, obj, pods, _fault(judge(located, policy=policy)))
        decisions = decide(facts)
        conflict = await self._report(facts, decisions)
        if not facts.invalid:
            await self._act(facts, decisions, unwritten=conflict is not None or self._refusals.is_unreported(key))
        if conflict is not None:
            raise conflict

    async def _read(self, key: Key) -> Object | None:
        kind = kind_named(key.kind)
        try:
            obj = await self._cluster.get(resource_for(kind), key.name, key.namespace)
        except NotFound:
            return None
        return {"apiVersion": kind.api_version, "kind": kind.name, **obj}

    async def _read_pods(self, key: Key, request: Request) -> list[PodState]:
        listing = await self._cluster.list(PODS, key.namespace, labels=request.kind.pods_of(key.name))
        pods = [read_pod(request.kind, key.name, pod) for pod in listing.items if is_alive(pod)]
        pods.sort(key=lambda pod: (len(pod.name), pod.name))
        return pods

    async def _leave(self, key: Key, request: Request, obj: Object, pods: list[PodState]) -> None:
        """Removes what is left of an object that asks for nothing any more."""
        self._metrics.hide(key.name, key.namespace)
        self._probing.forget(key)
        if key not in self._claimless:
            # A claim may be left of packages that are no longer asked for; where there is none, nobody looks again.
            claim = await self._claims.read(request)
            replicas = request.kind.wanted_replicas(obj)
            settled = await self._claims.settle(request, claim, pods, replicas, InstallOwner.OURS)
            if settled.claim is None:
                self._claimless.add(key)

    async def _gather(self, key: Key, request: Request, obj: Object, pods: list[PodState], invalid: str) -> Facts:
        replicas = request.kind.wanted_replicas(obj)
        view = self._replacer.mark(await self._owners.look(key, request, obj, pods, replicas))
        outcomes = self._probing.outcomes(key, view.pods)
        if invalid:
            settled = Settled(hindrance=plan.obstacle(Reason.INVALID_SPEC, invalid))
        else:
            settled = await self._claims.settle(request, view.claim, view.pods, replicas, view.ownership.owner)
        return Facts(
            view=view,
            settled=settled,
            outcomes=outcomes,
            seen=self._prober.usage(key),
            invalid=invalid,
            now=self._now(),
        )

    async def _report(self, facts: Facts, decisions: Decisions) -> Conflict | None:
        """Writes what was decided.

        Returns a conflict where somebody wrote to the status in between: then the rest goes on, and the object is worked on
        again.
        """
        view, key = facts.view, facts.view.key
        # Before the pods: killed in between, the next of us finds no digest there and probes again.
        await self._pod_reporter.keep_last_result(view, decisions)
        await self._pod_reporter.report(view, decisions, facts.outcomes)
        if view.request.packages is not None:
            self._metrics.show(
                key.name, key.namespace, view.request.packages, decisions.usage,
                mode=decisions.mode, troubles=decisions.troubles,
            )  # fmt: skip
        else:
            self._metrics.hide(key.name, key.namespace)
        try:
            await self._status_reporter.report(view, decisions)
        except Conflict as error:
            return error
        return None

    async def _act(self, facts: Facts, decisions: Decisions, *, unwritten: bool) -> None:
        """Starts the probes that are due, and recreates the pod that is."""
        view = facts.view
        self._probing.start(view.key, view.request, view.pods, facts.outcomes, unwritten=unwritten)
        if view.request.kind.conditions is not None:  # the status tells how full the volume is
            self._probing.look(view.key, view.pods)
        await self._replacer.carry_out(view, decisions.replacement, decisions.stuck_seconds)

    def _forget(self, key: Key) -> None:
        for keeper in (
            self._owners, self._pod_reporter, self._status_reporter, self._refusals, self._claims, self._replacer,
            self._probing,
        ):  # fmt: skip
            keeper.forget(key)
        self._claimless.discard(key)
        self._metrics.forget(key.name, key.namespace)


def _fault(violations: Sequence[Violation]) -> str:
    """The first violation that denies; empty where there is none."""
    return next((violation.message for violation in violations if violation.action is Action.DENY), "")


def _concerns_us(request: Request, obj: Object, pods: list[PodState]) -> bool:
    """Whether anything is asked of us, or was, and shows."""
    ours = any(pod.injected for pod in pods)
    return request.wanted or ours or any(find(conditions_of(obj), type_) for type_ in TYPES)
