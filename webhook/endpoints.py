"""What stands behind /validate and /inject: gathers what a decision needs, decides, and words the answer."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from webhook.install_containers import Tools
from webhook.pod_patch import Surroundings, plan_injection
from webhook.review import Review, allow, answer_violations, find_violations, is_judged
from webhook.secrets import Lookup, SecretReader, look_up_secret
from wheelwarden.api import names
from wheelwarden.api.errors import KubeError, NotFound, Unreachable
from wheelwarden.api.kinds import WorkloadKind, kind_of_pod
from wheelwarden.api.objects import Object, annotations_of, is_alive, mapping_in
from wheelwarden.api.redaction import shown
from wheelwarden.api.request import Request
from wheelwarden.api.violations import Action
from wheelwarden.kube import CLAIMS, LIMIT_RANGES, PODS, Listing, Resource, resource_for
from wheelwarden.parsing.request import locate_request_of
from wheelwarden.rules import judge
from wheelwarden.rules.policy import Policy, request_under

LOGGER = logging.getLogger(__name__)
Found = TypeVar("Found")
OWNER_TIMEOUT_SECONDS: Final = 2.0  # of the 5 that the API server gives us
SURROUNDINGS_TIMEOUT_SECONDS: Final = 1.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """An AdmissionReview to send, and the outcome to count (see `webhook.metrics`)."""

    document: Object
    outcome: str


class ObjectReader(Protocol):
    """What injection needs of `wheelwarden.kube.Cluster`."""

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object:
        """One object, read live. Raises NotFound, KubeError."""

    async def list(
        self, resource: Resource, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> Listing:
        """All objects with these labels. Raises KubeError."""


class Validation:
    """/validate: judges Notebooks and KasprApps.

    Args:
        objects: reads Secrets, where the policy wants to know of them.
        policy: gives the policy in force.
        kinds: which kinds are guarded.
    """

    def __init__(self, objects: SecretReader, *, policy: Callable[[], Policy], kinds: Collection[WorkloadKind]) -> None:
        self._objects = objects
        self._policy = policy
        self._kinds = frozenset(kinds)

    async def answer(self, review: Review) -> Answer:
        """The answer to one review; the same for a dry run."""
        policy = self._policy()
        lookup = Lookup()
        if review.located is not None and is_judged(review, self._kinds):
            lookup = await look_up_secret(self._objects, review.located, review.namespace, policy)
        violations = find_violations(review, policy, self._kinds, lookup.secret)
        notes = [lookup.warning] if lookup.warning else []
        if not violations:
            return Answer(document=allow(review, warnings=notes), outcome="warned" if notes else "allowed")
        rules = sorted({violation.rule for violation in violations if violation.action is Action.DENY})
        if rules:
            LOGGER.info(
                "denied %s of %s %s/%s: %s",
                review.operation,
                review.kind,
                review.namespace,
                review.name,
                ", ".join(rules),
            )
        return Answer(document=answer_violations(review, violations, notes), outcome="denied" if rules else "warned")

    def excuse(self, review: Review, fault: str) -> Object | None:
        """The answer where we failed ourselves: none, so that the registration's failurePolicy decides."""
        return None


class Injection:
    """/inject: adds the installer to the pods of guarded kinds. Whatever goes wrong, the pod is admitted.

    Args:
        objects: reads the owner live: a cache may not know yet what the pod is made for.
        policy: gives the policy in force.
        kinds: which kinds are guarded.
        tools: how the installer comes into pods.
    """

    def __init__(
        self, objects: ObjectReader, *, policy: Callable[[], Policy], kinds: Collection[WorkloadKind], tools: Tools
    ) -> None:
        self._objects = objects
        self._policy = policy
        self._kinds = frozenset(kinds)
        self._tools = tools

    async def answer(self, review: Review) -> Answer:
        """The answer to one review; the same for a dry run."""
        pod = review.obj
        if pod is None or review.operation != "CREATE" or review.kind != "Pod" or review.group or review.subresource:
            return self._skip(review, "not the creation of a pod")
        owner = kind_of_pod(mapping_in(mapping_in(pod, "metadata"), "labels"))
        if owner is None or owner[0] not in self._kinds:
            return self._skip(review, "not a pod of a guarded kind")
        kind, name = owner
        try:
            obj = await self._read_owner(kind, name, review.namespace)
        except NotFound:
            return self._skip(review, f"there is no {kind.name} {name}")
        except KubeError as error:
            LOGGER.warning("%s %s/%s could not be read: %s", kind.name, review.namespace, name, error)
            return self._warn(
                review,
                f"{kind.name} {shown(name)} could not be read, so the pod starts without its Python packages; "
                "Wheelwarden's controller looks after it",
            )
        located, policy = locate_request_of(kind, obj), self._policy()
        if located.reading is None or not located.reading.spec.packages:
            return self._skip(review, "no packages are asked for")
        denials = [violation for violation in judge(located, policy=policy) if violation.action is Action.DENY]
        if denials:
            more = f" (and {len(denials) - 1} more)" if len(denials) > 1 else ""
            return self._warn(
                review,
                f"{kind.name} {shown(name)} asks for packages that are not allowed, so none are installed into the "
                f"pod: {denials[0].message}{more}",
            )
        request = request_under(policy, located)
        planned = plan_injection(pod, request, self._tools, await self._look_around(request))
        if planned.patch:
            LOGGER.info("%s %s/%s: %s", kind.name, review.namespace, name, planned.reason)
            return Answer(document=allow(review, patch=planned.patch), outcome="injected")
        if planned.warning:
            return self._warn(review, planned.warning)
        return self._skip(review, planned.reason)

    def excuse(self, review: Review, fault: str) -> Object | None:
        """The answer where we failed ourselves: the pod passes, and its maker is told."""
        return allow(review, warnings=[f"{fault}; the pod starts without its Python packages"])

    async def _look_around(self, request: Request) -> Surroundings:
        """Claim, live pods and limits, read side by side; what cannot be read in time is not known, and nobody waits for it."""
        namespace = request.namespace
        claim, pods, limits = await asyncio.gather(
            self._try_to_read(request, self._objects.get(CLAIMS, request.kind.claim_name(request.name), namespace)),
            self._try_to_read(request, self._objects.list(PODS, namespace, labels=request.kind.pods_of(request.name))),
            self._try_to_read(request, self._objects.list(LIMIT_RANGES, namespace)),
        )
        in_use = None
        if pods is not None:
            hashes = {annotations_of(pod).get(names.POD_HASH_ANNOTATION, "") for pod in pods.items if is_alive(pod)}
            in_use = tuple(sorted(hashes - {""}))
        return Surroundings(claim=claim, in_use=in_use, limit_ranges=tuple(limits.items) if limits is not None else ())

    async def _try_to_read(self, request: Request, reading: Awaitable[Found]) -> Found | None:
        try:
            async with asyncio.timeout(SURROUNDINGS_TIMEOUT_SECONDS):
                return await reading
        except NotFound:
            return None
        except (KubeError, TimeoutError) as error:
            LOGGER.warning(
                "not all that there is of %s/%s is known: %s", request.namespace, request.name, error or "no answer"
            )
            return None

    async def _read_owner(self, kind: WorkloadKind, name: str, namespace: str) -> Object:
        try:
            async with asyncio.timeout(OWNER_TIMEOUT_SECONDS):
                obj = await self._objects.get(resource_for(kind), name, namespace)
        except TimeoutError:
            raise Unreachable(0, "Timeout", f"no answer within {OWNER_TIMEOUT_SECONDS:g} s") from None
        return obj

    def _skip(self, review: Review, reason: str) -> Answer:
        LOGGER.debug("pod %s/%s is not injected: %s", review.namespace, review.name, reason)
        return Answer(document=allow(review), outcome="skipped")

    def _warn(self, review: Review, warning: str) -> Answer:
        LOGGER.warning("pod %s/%s is not injected: %s", review.namespace, review.name, warning)
        return Answer(document=allow(review, warnings=[warning]), outcome="warned")
