"""Running probes: one exec for each pod, few at a time, never two in one pod; what came of it is kept until it is written."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final, Protocol

from controller.plan import distributions, probe_digest
from controller.state import Key, PodState, ProbeOutcome
from wheelwarden import names
from wheelwarden.errors import KubeError, NotFound
from wheelwarden.kube import Cluster
from wheelwarden.payload import probe_argv
from wheelwarden.request import Request
from wheelwarden.verify.results import UnreadableAnswer, parse_report

LOGGER = logging.getLogger(__name__)
MODULE_SECONDS: Final = 60
TOTAL_SECONDS: Final = 300
EXEC_MARGIN_SECONDS: Final = 15
PYTHONS: Final = ("python3", "python")
# What a container runtime says where the program is not in the image.
NO_PROGRAM: Final = ("executable file not found", "no such file or directory", "not found in $PATH")


class Prober(Protocol):
    """What the reconciler needs: starts probes and gives what came of them."""

    def start(self, key: Key, request: Request, pod: PodState) -> None:
        """Starts a probe of the pod, unless one runs; the key is worked on again when it is done."""
        ...

    def outcome(self, pod: PodState) -> ProbeOutcome | None:
        """What the last probe of this pod came to, until `forget`."""
        ...

    def forget(self, pod_uid: str) -> None:
        """The outcome was written, or the pod is gone."""
        ...


class ExecProber:
    """Probes by exec.

    Args:
        cluster: the client.
        concurrency: how many probes run at once.
        done: called with the key when a probe ended.
    """

    def __init__(self, cluster: Cluster, concurrency: int, done: Callable[[Key], None]) -> None:
        self._cluster = cluster
        self._places = asyncio.Semaphore(concurrency)
        self._done = done
        self._running: dict[str, asyncio.Task[None]] = {}
        self._outcomes: dict[str, ProbeOutcome] = {}

    def start(self, key: Key, request: Request, pod: PodState) -> None:
        """See Prober."""
        if pod.uid not in self._running:
            self._running[pod.uid] = asyncio.create_task(self._run(key, request, pod))

    def outcome(self, pod: PodState) -> ProbeOutcome | None:
        """See Prober."""
        return self._outcomes.get(pod.uid)

    def forget(self, pod_uid: str) -> None:
        """See Prober."""
        self._outcomes.pop(pod_uid, None)

    async def close(self) -> None:
        """Ends all probes."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, key: Key, request: Request, pod: PodState) -> None:
        try:
            async with self._places:
                outcome = await self._probe(key, request, pod)
            if outcome is not None:
                self._outcomes[pod.uid] = outcome
        except Exception:  # a fault in one probe must not keep the pod from being probed again
            LOGGER.exception("probing pod %s/%s", key.namespace, pod.name)
        finally:
            self._running.pop(pod.uid, None)
            self._done(key)

    async def _probe(self, key: Key, request: Request, pod: PodState) -> ProbeOutcome | None:
        digest = probe_digest(request, pod)
        packages = request.packages.packages if request.packages else ()
        asked = {
            "version": 1,
            "modules": list(request.verify_imports),
            "distributions": distributions(packages),
            "searchPath": names.SITE_PACKAGES_PATH,
            "deadlineSeconds": MODULE_SECONDS,
            "totalSeconds": TOTAL_SECONDS,
        }
        failure = ""
        for python in PYTHONS:
            try:
                done = await self._cluster.exec(
                    pod.name,
                    key.namespace,
                    pod.main,
                    probe_argv(python, asked),
                    timeout_seconds=TOTAL_SECONDS + EXEC_MARGIN_SECONDS,
                )
            except NotFound:
                return None  # the pod went away: no error of anybody's
            except KubeError as error:
                failure = str(error)
            else:
                if done.exit_code == 0:
                    try:
                        return ProbeOutcome(digest=digest, report=parse_report(done.stdout))
                    except UnreadableAnswer as error:
                        return ProbeOutcome(digest=digest, failure=f"{error}.")
                last = done.stderr.strip().splitlines()[-1:] or [""]
                failure = f"{python} ended with exit code {done.exit_code}: {last[0]}"
            if not any(sign in failure for sign in NO_PROGRAM):
                break
        return ProbeOutcome(digest=digest, failure=f"{failure}."[:500])
