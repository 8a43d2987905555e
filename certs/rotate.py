"""Looks after the certificates for as long as a server runs: at its start, then every few minutes.

The order that keeps every request answered: the Secret, then what the registrations trust, then, when the API servers
have had time to notice, what the server serves.
"""

import asyncio
import datetime
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Final

from certs.store import CertificateStore, Ensured
from wheelwarden.api.errors import KubeError

LOGGER = logging.getLogger(__name__)
INTERVAL_SECONDS: Final = 120.0  # several rounds within certs.authority.OVERLAP
JITTER: Final = 0.2  # a fifth more or less, so that replicas do not write at the same time
FIRST_RETRY_SECONDS: Final = 1.0
# An API server learns of a changed registration by its watch, mostly within milliseconds.
SETTLE_SECONDS: Final = 10.0


class Rotation:
    """Repeats `CertificateStore.ensure` and hands on what is to be served.

    Args:
        store: the certificates.
        serve: takes what is to be served from now on; called for each round, also where nothing changed.
        failed: told of each round that failed, for a metric.
        sleep: as `asyncio.sleep`.
    """

    def __init__(
        self,
        store: CertificateStore,
        serve: Callable[[Ensured], None],
        *,
        failed: Callable[[], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._serve = serve
        self._failed = failed
        self._sleep = sleep
        self._serving: bytes | None = None

    async def run(self) -> None:
        """Runs until cancelled. A round that fails is logged and repeated, at growing intervals."""
        attempt = 0
        while True:
            try:
                ensured = await self.run_once()
            except KubeError as error:
                self._failed()
                LOGGER.error("certificates: %s", error)  # noqa: TRY400 - the API server's words say it all
                settled = False
            else:
                # A registration that is not there yet is looked for again soon: helm makes it after us.
                settled = not ensured.missing
            attempt = 0 if settled else attempt + 1
            await self._sleep(pause_seconds(attempt) * random.uniform(1 - JITTER, 1 + JITTER))  # noqa: S311 - no secret

    async def run_once(self) -> Ensured:
        """One round. Raises KubeError."""
        ensured = await self._store.ensure()
        certificate = ensured.material.certificate
        if ensured.patched and self._serving not in (None, certificate):
            await self._sleep(SETTLE_SECONDS)
        self._serve(ensured)
        self._serving = certificate
        return ensured


def pause_seconds(attempt: int) -> float:
    """How long to wait after the `attempt`-th round in a row that left something to do; 0: nothing was left."""
    if attempt == 0:
        return INTERVAL_SECONDS
    return float(min(FIRST_RETRY_SECONDS * 2 ** min(attempt - 1, 10), INTERVAL_SECONDS))


def utc_now() -> datetime.datetime:
    """The clock of the programs."""
    return datetime.datetime.now(datetime.UTC)
