"""Running probes: one exec for each pod, few at a time, never two in one pod; what came of it is kept until it is written."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from typing import Any, Final, Protocol
from weakref import WeakValueDictionary

from controller.foreign_packages import is_observed
from controller.plan import distributions, probe_digest
from controller.state import Key, PodState, ProbeOutcome
from wheelwarden.api.errors import KubeError, NotFound
from wheelwarden.api.redaction import printable
from wheelwarden.api.request import Request
from wheelwarden.kube import Cluster
from wheelwarden.verify.results import ProbeReport, Usage
from wheelwarden.verify.running import run_probe

LOGGER = logging.getLogger(__name__)
MODULE_SECONDS: Final = 60
TOTAL_SECONDS: Final = 300
EXEC_MARGIN_SECONDS: Final = 15
NOT_THERE: Final = "the pod or its container was not found."
FAULT: Final = "the controller failed to run the probe; see its log."


class Prober(Protocol):
    """What the reconciler needs: starts probes and gives what came of them."""

    def start(self, key: Key, request: Request, pod: PodState) -> None:
        """Starts a probe of the pod, unless one runs; the key is worked on again when it is done."""
        ...

    def outcome(self, pod: PodState) -> ProbeOutcome | None:
        """What the last probe of this pod came to, until `forget`."""
        ...

    def forget(self, pod_uid: str) -> None:
        """The outcome was written."""
        ...

    def forget_others(self, key: Key, pod_uids: Collection[str]) -> None:
        """The object has these pods only; others are gone, maybe while they were probed."""
        ...

    def look(self, key: Key, pod: PodState) -> None:
        """Has a look at how full the pod's volume is, unless a probe runs there."""
        ...

    def usage(self, key: Key) -> Usage | None:
        """What the last probe of, or look into, a pod of this object saw."""
        ...

    def forget_object(self, key: Key) -> None:
        """The object is gone."""
        ...


class Places:
    """How many probes run at once: in all, on one node, in one namespace.

    A probe takes its places in one order, so no two wait for each other.
    """

    def __init__(self, *, total: int, per_node: int, per_namespace: int) -> None:
        self._all = asyncio.Semaphore(total)
        self._per_node = per_node
        self._per_namespace = per_namespace
        # A semaphore lives for as long as somebody holds it or waits for it.
        self._nodes: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._namespaces: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    @contextlib.asynccontextmanager
    async def taken(self, node: str, namespace: str) -> AsyncIterator[None]:
        """Waits for a place, and gives it back at the end."""
        of_namespace = self._namespaces.setdefault(namespace, asyncio.Semaphore(self._per_namespace))
        of_node = self._nodes.setdefault(node, asyncio.Semaphore(self._per_node))
        async with of_namespace, of_node, self._all:
            yield


class ExecProber:
    """Probes by exec.

    Args:
        cluster: the client.
        places: how many probes run at once.
        done: called with the key when a probe ended.
    """

    def __init__(self, cluster: Cluster, places: Places, done: Callable[[Key], None]) -> None:
        self._cluster = cluster
        self._places = places
        self._done = done
        self._running: dict[str, asyncio.Task[None]] = {}
        self._outcomes: dict[str, tuple[Key, ProbeOutcome]] = {}
        self._usages: dict[Key, Usage] = {}

    def start(self, key: Key, request: Request, pod: PodState) -> None:
        """See Prober."""
        if pod.uid not in self._running:
            named = distributions(request.packages.packages if request.packages else ())
            asked = _ask(request.verify_imports, named, pod, inspect=is_observed(request, pod))
            self._running[pod.uid] = asyncio.create_task(self._run(key, pod, asked, probe_digest(request, pod)))

    def look(self, key: Key, pod: PodState) -> None:
        """See Prober."""
        if pod.uid not in self._running:
            asked = _ask((), (), pod, inspect=False)
            self._running[pod.uid] = asyncio.create_task(self._run(key, pod, asked, None))

    def usage(self, key: Key) -> Usage | None:
        """See Prober."""
        return self._usages.get(key)

    def forget_object(self, key: Key) -> None:
        """See Prober."""
        self._usages.pop(key, None)
        self.forget_others(key, ())

    def outcome(self, pod: PodState) -> ProbeOutcome | None:
        """See Prober."""
        _, outcome = self._outcomes.get(pod.uid, (None, None))
        return outcome

    def forget(self, pod_uid: str) -> None:
        """See Prober."""
        self._outcomes.pop(pod_uid, None)

    def forget_others(self, key: Key, pod_uids: Collection[str]) -> None:
        """See Prober."""
        for uid in [uid for uid, (of, _) in self._outcomes.items() if of == key and uid not in pod_uids]:
            del self._outcomes[uid]

    async def close(self) -> None:
        """Ends all probes."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, key: Key, pod: PodState, asked: Mapping[str, Any], digest: str | None) -> None:
        """Runs one probe; without a digest it is a look, and only what it says of the volume is kept."""
        try:
            async with self._places.taken(pod.node, key.namespace):
                answer = await self._probe(key, pod, asked)
            if isinstance(answer, ProbeReport) and answer.usage is not None and pod.search_path and pod.own_size:
                self._usages[key] = answer.usage
            if digest is not None and isinstance(answer, ProbeReport):
                self._outcomes[pod.uid] = (key, ProbeOutcome(digest=digest, report=answer))
            elif digest is not None and isinstance(answer, str):
                self._outcomes[pod.uid] = (key, ProbeOutcome(digest=digest, failure=answer))
        except Exception:  # a fault in one probe is told like any failure, so that the next comes after a pause
            LOGGER.exception("probing pod %s/%s", key.namespace, pod.name)
            if digest is not None:
                self._outcomes[pod.uid] = (key, ProbeOutcome(digest=digest, failure=FAULT))
        finally:
            self._running.pop(pod.uid, None)
            self._done(key)

    async def _probe(self, key: Key, pod: PodState, asked: Mapping[str, Any]) -> ProbeReport | str:
        """The report, or why there is none."""
        try:
            return await run_probe(
                self._cluster,
                pod.name,
                key.namespace,
                pod.main,
                asked,
                timeout_seconds=TOTAL_SECONDS + EXEC_MARGIN_SECONDS,
            )
        except NotFound:
            return NOT_THERE  # of a pod that is gone nobody asks for it
        except KubeError as error:
            return printable(f"{error}."[:500])


def _ask(modules: Sequence[str], distributions: Sequence[str], pod: PodState, *, inspect: bool) -> Mapping[str, Any]:
    """The probe's request (docs/architecture.md)."""
    return {
        "version": 1,
        "modules": list(modules),
        "distributions": list(distributions),
        "inspect": list(distributions) if inspect else [],
        "searchPath": pod.search_path,
        "deadlineSeconds": MODULE_SECONDS,
        "totalSeconds": TOTAL_SECONDS,
    }
