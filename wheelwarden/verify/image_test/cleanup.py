"""The objects that an image test creates, and their deletion. Nothing else is ever deleted."""

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

POLL_SECONDS: Final = 0.5  # between two checks of an object that is being deleted
REMOVAL_SECONDS: Final = 60.0  # for each object; after this it is reported as left behind

Answer = TypeVar("Answer")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Creation:
    resource: Resource
    name: str
    namespace: str | None
    answer: "asyncio.Task[Object]"

    @property
    def delete_command(self) -> str:
        """The command with which a person deletes it."""
        where = f"-n {self.namespace} " if self.namespace else ""
        return f"kubectl {where}delete {self.resource.kind.lower()} {self.name}"


class CreatedObjects:
    """The objects that one run creates.

    Args:
        cluster: the client.
        run: the value of the label on every object.
        report: called with a line for each object that is not deleted.
        monotonic: a clock in seconds.
        sleep: waits for a number of seconds.
    """

    def __init__(
        self,
        cluster: Cluster,
        run: str,
        *,
        report: Callable[[str], None],
        monotonic: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._cluster = cluster
        self._run = run
        self._report = report
        self._monotonic = monotonic
        self._sleep = sleep
        self._creations: list[_Creation] = []

    async def create(self, resource: Resource, body: Object, namespace: str | None) -> Object:
        """Create an object. An interrupt does not cancel the request, because then its outcome would be unknown."""
        answer = asyncio.ensure_future(self._cluster.create(resource, body, namespace))
        name = body["metadata"]["name"]
        self._creations.append(_Creation(resource=resource, name=name, namespace=namespace, answer=answer))
        return await asyncio.shield(answer)

    def report_kept(self) -> None:
        """Report how to delete the objects."""
        for creation in reversed(self._creations):
            if creation.answer.done() and not creation.answer.exception():
                self._report(f"kept; delete it with: {creation.delete_command}")

    async def remove(self) -> bool:
        """Delete all objects, the last first, and wait until they are gone. Report what remains; raise no exception.

        Returns:
            Whether all objects are gone.
        """
        all_gone = True
        for creation in reversed(self._creations):
            deadline = self._monotonic() + REMOVAL_SECONDS
            cause = "it is still being deleted"
            while True:
                try:
                    if await self._is_gone(creation):
                        break
                except Exception as error:  # no error may stop the deletion of the others
                    cause = str(error)
                if self._monotonic() >= deadline:
                    what = f"{creation.resource.kind} {creation.name}"
                    self._report(f"left behind: {what} ({cause}); delete it with: {creation.delete_command}")
                    all_gone = False
                    break
                await self._sleep(POLL_SECONDS)
        return all_gone

    async def _is_gone(self, creation: _Creation) -> bool:
        """Check for an object and delete it if it exists: by its uid, so never another object of the same name."""
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
            self._report(f"namespace {creation.name} is kept, because it has other pods now")
            return True
        with contextlib.suppress(NotFound, Conflict):  # the next check finds out
            await self._cluster.delete(creation.resource, creation.name, creation.namespace, uid=metadata["uid"])
        return False

    async def _pods_of(self, creation: _Creation) -> list[Object]:
        """The pods that its controller created for an object of a guarded kind; they are deleted after the object."""
        kind = kind_of(creation.resource.api_version, creation.resource.kind)
        if kind is None:
            return []
        pods = (await self._cluster.list(PODS, creation.namespace, labels=kind.pods_of(creation.name))).items
        answered = creation.answer.exception() is None
        since = creation.answer.result()["metadata"]["creationTimestamp"] if answered else ""
        return [pod for pod in pods if pod["metadata"]["creationTimestamp"] >= since]

    async def _is_used(self, namespace: str) -> bool:
        """Whether a namespace has pods that do not belong to this run."""
        labels = [pod["metadata"].get("labels") or {} for pod in (await self._cluster.list(PODS, namespace)).items]
        return any(label.get(names.IMAGE_TEST_LABEL) != self._run for label in labels)


async def _is_refused(answer: "asyncio.Task[Object]") -> bool:
    """Whether the object was certainly not created. Without a response it may exist, and its label decides."""
    try:
        await answer
    except Unreachable:
        return False
    except KubeError:
        return True
    except Exception:
        return False
    return False


async def run_to_completion(work: Coroutine[Any, Any, Answer]) -> Answer:
    """Wait for work that must not be cancelled; a cancellation in the meantime is raised when the work is done."""
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
