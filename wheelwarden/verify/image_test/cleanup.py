"""What the test of an image has made on the cluster, and its removal: nothing else is ever deleted."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from wheelwarden.api import names
from wheelwarden.api.errors import Conflict, KubeError, NotFound, Unreachable
from wheelwarden.api.kinds import kind_of
from wheelwarden.api.objects import Object
from wheelwarden.kube import NAMESPACES, PODS, Cluster, Resource

LOOK_SECONDS: Final = 0.5  # between two looks at what is being deleted
REMOVAL_SECONDS: Final = 60.0  # for each object; then it is said to be left behind

Answer = TypeVar("Answer")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Creation:
    resource: Resource
    name: str
    namespace: str | None
    answer: "asyncio.Task[Object]"

    @property
    def removal(self) -> str:
        """What a person types to remove it."""
        where = f"-n {self.namespace} " if self.namespace else ""
        return f"kubectl {where}delete {self.resource.kind.lower()} {self.name}"


class Made:
    """Everything that one run makes.

    Args:
        cluster: where.
        run: the value of the label that everything made carries.
        tell: gets a line where something is left behind.
        monotonic: a clock in seconds.
        sleep: waits that many seconds.
    """

    def __init__(
        self,
        cluster: Cluster,
        run: str,
        *,
        tell: Callable[[str], None],
        monotonic: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._cluster = cluster
        self._run = run
        self._tell = tell
        self._monotonic = monotonic
        self._sleep = sleep
        self._creations: list[_Creation] = []

    async def make(self, resource: Resource, body: Object, namespace: str | None) -> Object:
        """Creates an object. The request is not broken off by an interrupt, which would leave unknown what became of it."""
        answer = asyncio.ensure_future(self._cluster.create(resource, body, namespace))
        name = body["metadata"]["name"]
        self._creations.append(_Creation(resource=resource, name=name, namespace=namespace, answer=answer))
        return await asyncio.shield(answer)

    def tell_kept(self) -> None:
        """Says how to remove what is there."""
        for creation in reversed(self._creations):
            if creation.answer.done() and not creation.answer.exception():
                self._tell(f"kept; to remove it: {creation.removal}")

    async def remove(self) -> bool:
        """Deletes everything, the last first, and waits until it is gone; what stays is told, never raised."""
        everything = True
        for creation in reversed(self._creations):
            deadline = self._monotonic() + REMOVAL_SECONDS
            cause = "it is still being deleted"
            while True:
                try:
                    if await self._is_gone(creation):
                        break
                except Exception as error:  # whatever it is, it must not keep the rest from being deleted
                    cause = str(error)
                if self._monotonic() >= deadline:
                    self._tell(f"left behind: {creation.resource.kind} {creation.name} ({cause}): {creation.removal}")
                    everything = False
                    break
                await self._sleep(LOOK_SECONDS)
        return everything

    async def _is_gone(self, creation: _Creation) -> bool:
        """Looks, and deletes what is there: by its uid, so never another of the same name."""
        if await _is_refused(creation.answer):
            return True
        try:
            found = await self._cluster.get(creation.resource, creation.name, creation.namespace)
        except NotFound:
            return not await self._pods_of(creation)
        metadata = found["metadata"]
        if (metadata.get("labels") or {}).get(names.IMAGE_TEST_LABEL) != self._run:
            return True
        if metadata.get("deletionTimestamp"):
            return False
        if creation.resource is NAMESPACES and await self._is_used(creation.name):
            self._tell(f"namespace {creation.name} stays, since others have pods in it by now")
            return True
        with contextlib.suppress(NotFound, Conflict):  # the next look tells
            await self._cluster.delete(creation.resource, creation.name, creation.namespace, uid=metadata["uid"])
        return False

    async def _pods_of(self, creation: _Creation) -> list[Object]:
        """The pods that its controller made for an object of a guarded kind: they go after it."""
        kind = kind_of(creation.resource.api_version, creation.resource.kind)
        if kind is None:
            return []
        pods = (await self._cluster.list(PODS, creation.namespace, labels=kind.pods_of(creation.name))).items
        answered = creation.answer.exception() is None
        since = creation.answer.result()["metadata"]["creationTimestamp"] if answered else ""
        return [pod for pod in pods if pod["metadata"]["creationTimestamp"] >= since]

    async def _is_used(self, namespace: str) -> bool:
        """Whether there are pods in a namespace that are not of this run."""
        labels = [pod["metadata"].get("labels") or {} for pod in (await self._cluster.list(PODS, namespace)).items]
        return any(label.get(names.IMAGE_TEST_LABEL) != self._run for label in labels)


async def _is_refused(answer: "asyncio.Task[Object]") -> bool:
    """Whether it is certain that nothing was made; where no answer came, the label tells."""
    try:
        await answer
    except Unreachable:
        return False
    except KubeError:
        return True
    except Exception:
        return False
    return False


async def unbroken(work: Coroutine[Any, Any, Answer]) -> Answer:
    """Waits for the end of work that has to be done; a cancellation meanwhile is raised after it."""
    task = asyncio.ensure_future(work)
    cancelled = False
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError
    return task.result()
