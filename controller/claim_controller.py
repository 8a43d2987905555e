"""Acts on the claim of one object: gathers what `controller.claim_plan` decides on, and does it."""

import datetime
import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from controller import plan
from controller.claim_plan import (
    FAILURES,
    ClaimEvent,
    ClaimPlan,
    Settled,
    can_be_used,
    describe_wait,
    is_pending,
    next_look,
    plan_claim,
    wants_claim,
)
from controller.refusals import CLAIM, COMMON, Manner, Refusals, is_refusal
from controller.state import Key, PodState
from wheelwarden.api import names
from wheelwarden.api.conditions import Condition, Reason
from wheelwarden.api.errors import AlreadyExists, Conflict, Forbidden, Invalid, KubeError, NotFound
from wheelwarden.api.install_owner import InstallOwner
from wheelwarden.api.objects import Object, annotations_of
from wheelwarden.api.request import Request
from wheelwarden.api.volumes import EMPTY, cache_mode, fallback_reason, is_ours, marks
from wheelwarden.kube import CLAIMS, EVENTS, Cluster
from wheelwarden.kube.events import Recorder

LOGGER = logging.getLogger(__name__)
REFUSED_SECONDS: Final = 60.0  # at most, before a claim that the API server refused is tried again
GONE_SECONDS: Final = 1.0  # before a claim that was just deleted is recreated
# The targets of our writes, in the words of `Refusals`.
_TARGET: Final = "claim "
_OWNERS: Final = "owners"
_MARKS: Final = "labels and annotations"
_DELETION: Final = "deletion"
_CREATION: Final = "creation"
_SIZE: Final = "size"
_USE: Final = "use"
NOT_GROWN: Final = "ClaimNotGrown"  # the event's reason
GROW_AGAIN_SECONDS: Final = 3600.0  # before growing that was refused is tried again: a storage class rarely changes


class ClaimKeeper:
    """Keeps the claims as they should be.

    Args:
        cluster: the client.
        recorder: writes events.
        refusals: remembers what the API server refused.
        monotonic: a clock in seconds; `now`: the wall clock, timezone-aware.
        again: asks for a key after some seconds.
    """

    def __init__(
        self,
        cluster: Cluster,
        recorder: Recorder,
        refusals: Refusals,
        *,
        monotonic: Callable[[], float],
        now: Callable[[], datetime.datetime],
        again: Callable[[Key, float], None],
    ) -> None:
        self._cluster = cluster
        self._recorder = recorder
        self._refusals = refusals
        self._monotonic = monotonic
        self._now = now
        self._again = again
        self._successors: dict[Key, Object] = {}  # claims to create when those before them are gone

    def forget(self, key: Key) -> None:
        """The object is gone."""
        self._successors.pop(key, None)

    async def read(self, request: Request) -> Object | None:
        """The claim of the wanted name, whoever made it; None where there is none."""
        try:
            return await self._cluster.get(CLAIMS, request.kind.claim_name(request.name), request.namespace)
        except NotFound:
            return None

    async def settle(
        self, request: Request, claim: Object | None, pods: Sequence[PodState], replicas: int, owner: InstallOwner
    ) -> Settled:
        """Creates, grows, replaces, gives up or deletes the claim of an object; looks at it only, where it is not ours."""
        name, key = request.kind.claim_name(request.name), _key(request)
        awaited = claim is None or is_pending(claim) or "deletionTimestamp" in claim["metadata"]
        # What the request means by default is our way to read it; another owner's pods tell what that owner makes of it.
        ours = owner is InstallOwner.OURS and wants_claim(request)
        mounted = any(name in pod.claims for pod in pods)
        awaited = awaited and (ours or mounted)
        events: list[ClaimEvent] | None = []
        if awaited and claim is not None:
            events = await self._look(request, claim, mounted=mounted)
        waiting = describe_wait(name, claim, events) if awaited else ""
        settled = Settled(
            claim=claim,
            name=name,
            waiting=plan.obstacle(Reason.CLAIM_PENDING, waiting) if waiting else None,
            usable=claim is not None and can_be_used(claim, events),
        )
        failures = [event.message for event in events or () if event.reason in FAILURES]
        if owner is not InstallOwner.OURS:
            if claim is None or not is_ours(request, claim):
                self._refusals.forget_others(key, _TARGET, ())
            return replace(settled, warnings=(waiting,) if failures else ())
        wanted = plan_claim(request, claim, pods, replicas=replicas, failures=failures, now=self._now())
        successor = self._successors.pop(key, None) if claim is None else None
        if wanted.create is not None and successor is not None and _asked_of(successor) == _asked_of(wanted.create):
            wanted = replace(wanted, create=successor)
        hindrance = await self._carry_out(request, name, claim, wanted)
        if wanted.create is not None:
            settled = replace(settled, waiting=None)  # it is there now, and its state comes with the next look
        unused = claim is not None and request.packages is not None and cache_mode(request, claim) == EMPTY
        refused = self._refusals.text_of(key, _target(name, _SIZE))
        return replace(
            settled,
            hindrance=hindrance,
            unused=name if unused else "",
            warnings=(*wanted.warnings, *([refused] if refused else [])),
        )

    async def take_back(self, request: Request, claim: Object, *, needed: bool) -> str:
        """Takes back a claim that we made before another owner's installer was seen; says what was done.

        Args:
            request: of the object.
            claim: ours; left alone otherwise.
            needed: whether a pod or the operator's template mounts it. Then it loses our marks only: it is the operator's
                from now on. Otherwise it is deleted.
        """
        name, uid = claim["metadata"]["name"], claim["metadata"]["uid"]
        if not is_ours(request, claim) or "deletionTimestamp" in claim["metadata"]:
            return ""
        if not needed:
            return f"the claim {name} is deleted" if await self._delete(request, claim, uid) else ""
        annotations = dict.fromkeys(
            (names.POD_HASH_ANNOTATION, names.CLAIM_ASKED_ANNOTATION,
             names.CACHE_MODE_ANNOTATION, names.CACHE_FALLBACK_ANNOTATION)
        )  # fmt: skip
        change = {"metadata": {"labels": dict.fromkeys(marks(request)), "annotations": annotations}}
        return f"the claim {name} is the operator's now" if await self._write(request, claim, _MARKS, change) else ""

    async def _look(self, request: Request, claim: Object, *, mounted: bool) -> list[ClaimEvent] | None:
        """What events say of a claim that is not bound, where somebody is told or waits; asks for the next look."""
        pause = next_look(claim, mounted=mounted, now=self._now())
        if pause > 0:
            self._again(_key(request), pause)
        # The status of an object without pods tells why, too; where the kind has none, there is nobody to tell.
        return await self._events(claim) if pause > 0 or request.kind.conditions is not None else []

    async def _events(self, claim: Object) -> list[ClaimEvent] | None:
        """What events say of a claim, the latest last; None where they may not be read."""
        fields = f"involvedObject.uid={claim['metadata']['uid']}"
        try:
            events = (await self._cluster.list(EVENTS, claim["metadata"]["namespace"], fields=fields)).items
        except Forbidden as error:
            LOGGER.info("why claim %s is not bound is not known: %s", claim["metadata"]["name"], error)
            return None
        events.sort(key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))
        return [ClaimEvent(reason=str(one.get("reason", "")), message=str(one.get("message", ""))) for one in events]

    async def _carry_out(
        self, request: Request, name: str, claim: Object | None, wanted: ClaimPlan
    ) -> Condition | None:
        if wanted.create is not None and (refused := await self._create(request, name, wanted.create)):
            return refused
        if claim is None:
            targets = [_target(name, _CREATION)] if wanted.create is not None else []
            self._refusals.forget_others(_key(request), _TARGET, targets)
        else:
            await self._change(request, claim, wanted)
        return plan.obstacle(Reason.CLAIM_PENDING, wanted.pending) if wanted.pending else None

    async def _create(self, request: Request, name: str, body: Mapping[str, Any]) -> Condition | None:
        key, target, wish = _key(request), _target(name, _CREATION), _digest(body)
        if not self._refusals.must_wait(key, target, wish):
            try:
                await self._cluster.create(CLAIMS, body, request.namespace)
            except AlreadyExists:
                self._again(key, GONE_SECONDS)
                self._refusals.accepted(key, target)
            except KubeError as error:
                manner = Manner(
                    reason=Reason.CLAIM_REFUSED, head=f"The claim {name} cannot be made", end="It is tried again.",
                    longest=REFUSED_SECONDS,
                )  # fmt: skip
                await self._refused(request, target, wish, error, manner)
            else:
                self._refusals.accepted(key, target)
        text = self._refusals.text_of(key, target)
        return plan.obstacle(Reason.CLAIM_REFUSED, text) if text else None

    async def _change(self, request: Request, claim: Object, wanted: ClaimPlan) -> None:
        due = {
            _SIZE: wanted.grow, _OWNERS: wanted.owners is not None, _MARKS: wanted.mark, _DELETION: wanted.delete,
            _USE: wanted.conflict,
        }  # fmt: skip
        key, about = _key(request), request.reference
        name = claim["metadata"]["name"]
        self._refusals.forget_others(key, _TARGET, [_target(name, part) for part, is_due in due.items() if is_due])
        if wanted.conflict:
            target, reason = _target(name, _USE), Reason.CLAIM_CONFLICT
            await self._refusals.hindered(key, target, wanted.conflict, what=CLAIM, about=about, reason=reason)
        if wanted.grow:
            await self._grow(request, claim, wanted.grow)
        if wanted.owners is not None:
            await self._write(request, claim, _OWNERS, {"metadata": {"ownerReferences": list(wanted.owners)}})
        if wanted.mark is not None:
            await self._mark(request, claim, wanted.mark)
        if wanted.delete and not await self._delete(request, claim, wanted.delete):
            return
        if wanted.successor is not None:
            # It is gone in a moment, when the API server has seen that no pod uses it.
            self._successors[key] = dict(wanted.successor)
            self._again(key, GONE_SECONDS)
            fallback = fallback_reason(wanted.successor)
            if fallback and fallback != fallback_reason(claim):
                await self._tell(request, "Warning", "CacheFallback", fallback)

    async def _mark(self, request: Request, claim: Object, mark: Mapping[str, str]) -> None:
        if await self._write(request, claim, _MARKS, {"metadata": {"annotations": dict(mark)}}):
            claim["metadata"].setdefault("annotations", {}).update(mark)
            await self._tell(request, "Warning", "CacheFallback", mark[names.CACHE_FALLBACK_ANNOTATION])

    async def _grow(self, request: Request, claim: Object, size: str) -> None:
        """Grows a claim; not every storage class can, and one that cannot is not asked again at each look."""
        text = f"The claim {claim['metadata']['name']} keeps its size, growing it to {size} was refused"
        patch = {"spec": {"resources": {"requests": {"storage": size}}}}
        manner = Manner(reason=NOT_GROWN, head=text, seconds=GROW_AGAIN_SECONDS, longest=GROW_AGAIN_SECONDS)
        await self._write(request, claim, _SIZE, patch, manner)

    async def _write(self, request: Request, claim: Object, part: str, patch: Object, manner: Manner = COMMON) -> bool:
        """Whether a part of a claim was written; a refusal is told in its manner, and in the way of nothing else."""
        target, wish = _target(claim["metadata"]["name"], part), _digest((claim["metadata"]["uid"], patch))
        if self._refusals.must_wait(_key(request), target, wish):
            return False
        try:
            written = await self._patch(claim, patch)
        except KubeError as error:
            await self._refused(request, target, wish, error, manner)
            return False
        self._refusals.accepted(_key(request), target)
        return written

    async def _delete(self, request: Request, claim: Object, uid: str) -> bool:
        """Whether this very claim is deleted, or was gone already; a refusal is in the way of nothing else."""
        name = claim["metadata"]["name"]
        target = _target(name, _DELETION)
        if self._refusals.must_wait(_key(request), target, uid):
            return False
        try:
            await self._cluster.delete(CLAIMS, name, request.namespace, uid=uid)
        except (NotFound, Conflict):
            LOGGER.debug("claim %s/%s is gone already", request.namespace, name)
        except KubeError as error:
            await self._refused(request, target, uid, error)
            return False
        self._refusals.accepted(_key(request), target)
        return True

    async def _refused(
        self, request: Request, target: str, wish: str, error: KubeError, manner: Manner = COMMON
    ) -> None:
        if not is_refusal(error):
            raise error
        await self._refusals.refused(
            _key(request), target, wish, what=CLAIM, about=request.reference, error=error, manner=manner
        )

    async def _patch(self, claim: Object, patch: Object) -> bool:
        """Patches this very claim; False where another of its name has come since."""
        metadata = claim["metadata"]
        body = {**patch, "metadata": {**patch.get("metadata", {}), "uid": metadata["uid"]}}
        try:
            await self._cluster.patch(CLAIMS, metadata["name"], body, metadata["namespace"])
        except (NotFound, Conflict) as error:
            LOGGER.info("claim %s/%s changed meanwhile: %s", metadata["namespace"], metadata["name"], error)
            return False
        except Invalid as error:  # how the API server refuses another uid in a patch
            if not _is_of_uid(error):
                raise
            return False
        return True

    async def _tell(self, request: Request, type_: str, reason: str, text: str) -> None:
        LOGGER.info("%s/%s: %s", request.namespace, request.name, text)
        await self._recorder.record(request.reference, request.namespace, type_, reason, text)


def _target(name: str, part: str) -> str:
    """One write of a claim, in the words of `Refusals`."""
    return f"{_TARGET}{name} ({part})"


def _digest(wish: object) -> str:
    return hashlib.sha256(repr(wish).encode()).hexdigest()[:24]


def _is_of_uid(error: KubeError) -> bool:
    return "metadata.uid" in error.message


def _asked_of(claim: Mapping[str, Any]) -> tuple[str | None, str]:
    return annotations_of(claim).get(names.CLAIM_ASKED_ANNOTATION), str(
        claim["spec"]["resources"]["requests"]["storage"]
    )


def _key(request: Request) -> Key:
    return Key(request.kind.name, request.namespace, request.name)
