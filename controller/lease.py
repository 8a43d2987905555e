"""Leader election by a Lease (coordination.k8s.io/v1), with the times that Kubernetes' own controllers use.

A holder renews every 2 s; others take the Lease 15 s after they last saw it change, by their own clock, or after the
longer time that the holder asked for (an uninstall does); a holder that could not renew for 10 s stops acting. The chart
makes the Lease, without a spec, so that an uninstall removes it.
"""

import asyncio
import datetime
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Any, Final

from wheelwarden.api.errors import AlreadyExists, KubeError, NotFound
from wheelwarden.kube import LEASES, Cluster

LOGGER = logging.getLogger(__name__)
LEASE_SECONDS: Final = 15.0
RENEW_DEADLINE_SECONDS: Final = 10.0
RETRY_SECONDS: Final = 2.0


class Lease:
    """One candidate for the Lease `name`.

    Args:
        cluster: the client.
        namespace, name: of the Lease.
        identity: who we are: the pod's name.
        monotonic: a clock in seconds; `now`: the wall clock, for what the Lease shows to people.
        sleep: waits.
    """

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        name: str,
        identity: str,
        *,
        monotonic: Callable[[], float],
        now: Callable[[], datetime.datetime],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._monotonic = monotonic
        self._now = now
        self._sleep = sleep
        self._seen: tuple[Any, float] = (None, 0.0)
        self._renewed = 0.0  # when the last good attempt began: others may count from then on

    async def acquire(self) -> None:
        """Returns when we hold the Lease."""
        while not await self._try_for(RENEW_DEADLINE_SECONDS):
            await self._sleep(RETRY_SECONDS * random.uniform(1.0, 1.2))  # noqa: S311 - jitter
        LOGGER.info("leader: %s", self._identity)

    async def keep(self) -> None:
        """Renews what `acquire` took; returns when the Lease is lost, at the latest 10 s after its last renewal began.

        The caller must stop acting then, 5 s before anybody else may begin.
        """
        while (left := self._renewed + RENEW_DEADLINE_SECONDS - self._monotonic()) > 0:
            await self._sleep(min(RETRY_SECONDS, left))
            left = self._renewed + RENEW_DEADLINE_SECONDS - self._monotonic()
            if left <= 0 or await self._try_for(left):
                continue
            if self._seen[0] is not None and self._seen[0][0] != self._identity:
                break
        LOGGER.warning("no longer the leader")

    async def release(self) -> None:
        """Gives the Lease up, so that the next candidate need not wait."""
        try:
            lease = await self._cluster.get(LEASES, self._name, self._namespace)
            if (lease.get("spec") or {}).get("holderIdentity") == self._identity:
                lease["spec"]["holderIdentity"] = ""
                await self._cluster.replace(LEASES, lease, self._namespace)
        except KubeError as error:
            LOGGER.info("the lease was not released, it runs out by itself: %s", error)

    async def _try_for(self, seconds: float) -> bool:
        """One look, which may take so long; an answer that comes later counts as none."""
        began = self._monotonic()
        try:
            async with asyncio.timeout(seconds):
                held = await self._try()
        except TimeoutError:
            return False
        if held:
            self._renewed = began
        return held

    async def _try(self) -> bool:
        """Takes or renews the Lease where that may be."""
        try:
            lease = await self._read()
            spec = lease.get("spec") or {}
            holder = spec.get("holderIdentity") or ""
            record = (holder, spec.get("renewTime"))
            if record != self._seen[0]:
                self._seen = (record, self._monotonic())
            held_for = max(LEASE_SECONDS, float(spec.get("leaseDurationSeconds") or 0))
            if holder not in ("", self._identity) and self._monotonic() - self._seen[1] < held_for:
                return False
            stamp = self._now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            changed = holder != self._identity
            lease["spec"] = spec | {
                "holderIdentity": self._identity,
                "leaseDurationSeconds": int(LEASE_SECONDS),
                "renewTime": stamp,
                "acquireTime": stamp if changed else spec.get("acquireTime", stamp),
                "leaseTransitions": int(spec.get("leaseTransitions") or 0) + (1 if changed and holder else 0),
            }
            await self._cluster.replace(LEASES, lease, self._namespace)
        except KubeError as error:  # a conflict says that somebody else was faster; the rest is tried again
            LOGGER.debug("lease %s: %s", self._name, error)
            return False
        self._seen = ((self._identity, stamp), self._monotonic())
        return True

    async def _read(self) -> dict[str, Any]:
        try:
            return await self._cluster.get(LEASES, self._name, self._namespace)
        except NotFound:
            body = {
                "apiVersion": LEASES.api_version,
                "kind": LEASES.kind,
                "metadata": {"name": self._name, "namespace": self._namespace},
            }
            try:
                return await self._cluster.create(LEASES, body, self._namespace)
            except AlreadyExists:
                return await self._cluster.get(LEASES, self._name, self._namespace)
