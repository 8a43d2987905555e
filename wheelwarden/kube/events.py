"""Events on the object and its pods: what `kubectl describe` lists under Events. Never more than one a minute for the same."""

import datetime
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

from wheelwarden.api.errors import KubeError
from wheelwarden.kube import EVENTS, Cluster

LOGGER = logging.getLogger(__name__)
REPEAT_SECONDS: Final = 60.0
MESSAGE_LIMIT: Final = 1024  # the API server's limit for an event's message (core/v1 Event)


class Recorder:
    """Writes core/v1 Events.

    Args:
        cluster: the client.
        component: who says it: `wheelwarden-controller` or `wheelwarden-webhook`.
        monotonic: a clock in seconds; `now`: the wall clock.
    """

    def __init__(
        self,
        cluster: Cluster,
        *,
        component: str,
        monotonic: Callable[[], float],
        now: Callable[[], datetime.datetime],
    ) -> None:
        self._cluster = cluster
        self._component = component
        self._monotonic = monotonic
        self._now = now
        self._told: dict[tuple[str, str, str], float] = {}

    async def record(self, about: Mapping[str, str], namespace: str, type_: str, reason: str, message: str) -> None:
        """Writes an event; one that cannot be written is logged and forgotten, since nothing may depend on it.

        Args:
            about: apiVersion, kind, name and uid of the object; without the uid, describe would not show it.
            namespace: of the object.
            type_: Normal or Warning.
            reason: CamelCase.
            message: a sentence.
        """
        key = (about["uid"], reason, message)
        clock = self._monotonic()
        self._told = {known: when for known, when in self._told.items() if clock - when < REPEAT_SECONDS}
        if key in self._told:
            return
        self._told[key] = clock
        stamp = self._now().strftime("%Y-%m-%dT%H:%M:%SZ")
        event: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": f"{about['name']}.", "namespace": namespace},
            "involvedObject": {**about, "namespace": namespace},
            "type": type_,
            "reason": reason,
            "message": message if len(message) <= MESSAGE_LIMIT else message[: MESSAGE_LIMIT - 1] + "…",
            "source": {"component": self._component},
            "reportingComponent": self._component,
            "firstTimestamp": stamp,
            "lastTimestamp": stamp,
            "count": 1,
        }
        try:
            await self._cluster.create(EVENTS, event, namespace)
        except KubeError as error:
            LOGGER.info("the event %s about %s/%s was not written: %s", reason, namespace, about["name"], error)
