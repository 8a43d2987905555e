"""Pods that have to be recreated: marks those that are about to be, and recreates one at a time.

What is remembered between rounds limits our own evictions; a restarted controller begins without it.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from controller import plan, rollout
from controller.backoff import Backoff
from controller.install_owner import View
from controller.state import Key
from wheelwarden.api.errors import Blocked, Conflict, NotFound
from wheelwarden.api.install_owner import InstallOwner
from wheelwarden.kube import PODS, Cluster
from wheelwarden.kube.events import Recorder

LOGGER = logging.getLogger(__name__)
BLOCKED_SECONDS: Final = 30.0  # before an eviction that a budget forbade is tried again


class Replacer:
    """Recreates pods.

    Args:
        cluster: the client.
        recorder: writes events.
        monotonic: a clock in seconds.
        again: asks for a key after some seconds.
    """

    def __init__(
        self,
        cluster: Cluster,
        recorder: Recorder,
        *,
        monotonic: Callable[[], float],
        again: Callable[[Key, float], None],
    ) -> None:
        self._cluster = cluster
        self._recorder = recorder
        self._monotonic = monotonic
        self._again = again
        self._attempts: dict[Key, rollout.Attempt] = {}
        self._unclear: Backoff[Key] = Backoff()

    def forget(self, key: Key) -> None:
        """The object is gone."""
        self._attempts.pop(key, None)
        self._unclear.forget(key)

    def mark(self, view: View) -> View:
        """The view, where each pod has why it is about to be replaced."""
        key, request, owner = view.key, view.request, view.ownership.owner
        if owner is InstallOwner.UNKNOWN:
            self._again(key, self._unclear.next(key, 0.0))
        else:
            self._unclear.forget(key)
        if not view.acted and owner is InstallOwner.FOREIGN:
            self._again(key, rollout.SILENT_OPERATOR_SECONDS)
        back = rollout.came_back(self._attempts.get(key), view.pods)
        pods = [
            replace(
                pod,
                came_back=pod.name == back,
                outdated=rollout.why_outdated(
                    request, pod, view.ownership, view.template, acted=view.acted, came_back=pod.name == back
                ),
            )
            for pod in view.pods
        ]
        return replace(view, pods=pods)

    async def carry_out(self, view: View, due: plan.Replacement | None, stuck_seconds: float) -> None:
        """Recreates the pod that is due, where one is; looks again when another may be called stuck."""
        key, request = view.key, view.request
        if stuck_seconds > 0:
            self._again(key, stuck_seconds)
        if due is None:
            return
        attempt, clock = self._attempts.get(key), self._monotonic()
        wait, pause = rollout.next_pause(attempt, view.pods, clock)
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
        text = f"Pod {due.pod.name} is recreated: {due.reason}"
        LOGGER.info("%s/%s: %s", key.namespace, key.name, text)
        await self._recorder.record(request.reference, key.namespace, "Normal", "PodReplaced", text)
