"""Acts on the claim of one object: gathers what `controller.claims` decides on, and does it."""

import datetime
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from controller import plan
from controller.claims import FAILURES, ClaimPlan, is_pending, plan_claim, wants_claim
from controller.state import Key, PodState
from wheelwarden import names
from wheelwarden.claims import EMPTY, cache_mode, fallback_reason, is_ours
from wheelwarden.conditions import Condition, Reason
from wheelwarden.errors import AlreadyExists, Conflict, Forbidden, Invalid, NotFound
from wheelwarden.events import Recorder
from wheelwarden.kube import CLAIMS, EVENTS, Cluster, Object
from wheelwarden.request import Request
from wheelwarden.targets import annotations_of, claim_name

LOGGER = logging.getLogger(__name__)
REFUSED_SECONDS: Final = 60.0  # before a claim that the API server refused is tried again
PENDING_SECONDS: Final = 10.0  # between two looks at why a claim is not bound
GONE_SECONDS: Final = 1.0  # before a claim that was just deleted is made anew


@dataclass(frozen=True, kw_only=True, slots=True)
class Settled:
    """What came of it.

    Attributes:
        claim: as it is now, None where there is none.
        hindrance: why pods cannot have their packages from it, None where they can.
        unused: the name of a claim that is there and that new pods do not mount; empty where there is none.
    """

    claim: Object | None = None
    hindrance: Condition | None = None
    unused: str = ""


class ClaimKeeper:
    """Keeps the claims as they should be.

    Args:
        cluster: the client.
        recorder: writes events.
        now: the wall clock, timezone-aware.
        again: asks for a key after some seconds.
    """

    def __init__(
        self,
        cluster: Cluster,
        recorder: Recorder,
        *,
        now: Callable[[], datetime.datetime],
        again: Callable[[Key, float], None],
    ) -> None:
        self._cluster = cluster
        self._recorder = recorder
        self._now = now
        self._again = again
        self._anew: dict[Key, Object] = {}  # claims to be made when their predecessors are gone

    async def settle(self, request: Request, pods: Sequence[PodState], replicas: int, *, beside: bool) -> Settled:
        """Creates, grows, replaces, gives up or deletes the claim of an object.

        `beside`: another owner installs its packages, or did until taken over; then the claim is that owner's.
        """
        name = claim_name(request.kind, request.name)
        try:
            claim: Object | None = await self._cluster.get(CLAIMS, name, request.namespace)
        except NotFound:
            claim = None
        if beside:
            return Settled(claim=claim)
        failures: list[str] = []
        if claim is not None and wants_claim(request) and is_ours(request, claim) and is_pending(claim):
            failures = await self._failures(claim)
            self._again(_key(request), PENDING_SECONDS)
        wanted = plan_claim(request, claim, pods, replicas=replicas, failures=failures, now=self._now())
        successor = self._anew.pop(_key(request), None) if claim is None else None
        if wanted.create is not None and successor is not None and _asked_of(successor) == _asked_of(wanted.create):
            wanted = replace(wanted, create=successor)
        hindrance = await self._carry_out(request, name, wanted)
        if wanted.mark is not None and claim is not None:
            claim["metadata"].setdefault("annotations", {}).update(wanted.mark)
        unused = claim is not None and request.packages is not None and cache_mode(request, claim) == EMPTY
        return Settled(claim=claim, hindrance=hindrance, unused=name if unused else "")

    async def _failures(self, claim: Object) -> list[str]:
        """What events say of why a claim is not bound, the latest last."""
        fields = f"involvedObject.uid={claim['metadata']['uid']}"
        try:
            events = (await self._cluster.list(EVENTS, claim["metadata"]["namespace"], fields=fields)).items
        except Forbidden as error:
            LOGGER.info("why claim %s is not bound is not known: %s", claim["metadata"]["name"], error)
            return []
        told = [event for event in events if event.get("reason") in FAILURES]
        told.sort(key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))
        return [str(event.get("message", "")) for event in told]

    async def _carry_out(self, request: Request, name: str, wanted: ClaimPlan) -> Condition | None:
        namespace = request.namespace
        if wanted.create is not None:
            try:
                await self._cluster.create(CLAIMS, wanted.create, namespace)
            except AlreadyExists:
                self._again(_key(request), GONE_SECONDS)
            except (Forbidden, Invalid) as error:
                self._again(_key(request), REFUSED_SECONDS)
                text = f"The claim {name} cannot be made: {error}. It is tried again."
                return plan.obstacle(Reason.CLAIM_REFUSED, text)
        if wanted.grow:
            try:
                patch = {"spec": {"resources": {"requests": {"storage": wanted.grow}}}}
                await self._cluster.patch(CLAIMS, name, patch, namespace)
            except (Forbidden, Invalid) as error:  # not every storage class can
                text = f"The claim {name} keeps its size, growing it to {wanted.grow} was refused: {error}"
                await self._tell(request, "Warning", "ClaimNotGrown", text)
        if wanted.owners is not None:
            patch_owners = {"metadata": {"ownerReferences": list(wanted.owners)}}
            await self._cluster.patch(CLAIMS, name, patch_owners, namespace)
        if wanted.mark is not None:
            await self._cluster.patch(CLAIMS, name, {"metadata": {"annotations": dict(wanted.mark)}}, namespace)
            await self._tell(request, "Warning", "CacheFallback", wanted.mark[names.CACHE_FALLBACK_ANNOTATION])
        if wanted.delete:
            try:
                await self._cluster.delete(CLAIMS, name, namespace, uid=wanted.delete)
            except (NotFound, Conflict):
                LOGGER.debug("claim %s/%s is gone already", namespace, name)
        if wanted.anew is not None:
            # It is gone in a moment, when the API server has seen that no pod uses it.
            self._anew[_key(request)] = dict(wanted.anew)
            self._again(_key(request), GONE_SECONDS)
            if reason := fallback_reason(wanted.anew):
                await self._tell(request, "Warning", "CacheFallback", reason)
        if wanted.conflict:
            await self._tell(request, "Warning", Reason.CLAIM_CONFLICT, wanted.conflict)
        return plan.obstacle(Reason.CLAIM_PENDING, wanted.pending) if wanted.pending else None

    async def _tell(self, request: Request, type_: str, reason: str, text: str) -> None:
        LOGGER.info("%s/%s: %s", request.namespace, request.name, text)
        await self._recorder.record(request.reference, request.namespace, type_, reason, text)


def _asked_of(claim: Mapping[str, Any]) -> str | None:
    return annotations_of(claim).get(names.CLAIM_ASKED_ANNOTATION)


def _key(request: Request) -> Key:
    return Key(request.kind.name, request.namespace, request.name)
