"""Keeps the certificates valid while a server runs: a round at its start, then one every few minutes.

This order loses no request: first the Secret, then the caBundle of the webhook configurations, and when the API servers
have had time to notice, the certificate that the server uses.
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
JITTER: Final = 0.2  # up to a fifth more or less, so that replicas do not write at the same time
FIRST_RETRY_SECONDS: Final = 1.0
# An API server gets a changed webhook configuration by its watch, mostly within milliseconds.
SETTLE_SECONDS: Final = 10.0


class Rotation:
    """Repeats `CertificateStore.ensure` and passes the result to the server.

    Args:
        store: the certificates.
        serve: called after each round with what to serve from now on, even if nothing changed.
        failed: called for each round that failed, for a metric.
        sleep: like `asyncio.sleep`.
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
        """Run until cancelled. A round that fails is logged and retried with exponential backoff."""
        attempt = 0
        while True:
            try:
                ensured = await self.run_once()
            except KubeError as error:
                self._failed()
                LOGGER.error("certificates: %s", error)  # noqa: TRY400 - the message is enough, without a traceback
                settled = False
            else:
                # Check soon again for a missing webhook configuration: helm creates it after this Deployment.
                settled = not ensured.missing
            attempt = 0 if settled else attempt + 1
            await self._sleep(pause_seconds(attempt) * random.uniform(1 - JITTER, 1 + JITTER))  # noqa: S311 - no secret

    async def run_once(self) -> Ensured:
        """Run one round. Raises KubeError."""
        ensured = await self._store.ensure()
        certificate = ensured.material.certificate
        if ensured.patched and self._serving not in (None, certificate):
            await self._sleep(SETTLE_SECONDS)
        self._serve(ensured)
        self._serving = certificate
        return ensured


def pause_seconds(attempt: int) -> float:
    """The pause after `attempt` rounds in a row that left something to do; 0 if the last round left nothing."""
    if attempt == 0:
        return INTERVAL_SECONDS
    return float(min(FIRST_RETRY_SECONDS * 2 ** min(attempt - 1, 10), INTERVAL_SECONDS))


def utc_now() -> datetime.datetime:
    """The current time, for the programs."""
    return datetime.datetime.now(datetime.UTC)
