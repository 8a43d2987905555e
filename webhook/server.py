"""The running webhook: what is started in which order, when it is ready, and how it ends without losing a request."""

import asyncio
import contextlib
import datetime
import logging
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from aiohttp import http_exceptions, web

from certs.authority import authority_expiry, expiry, service_hosts
from certs.rotate import Rotation, utc_now
from certs.store import CertificateStore, Ensured, Place
from webhook.app import AdmissionApp
from webhook.endpoints import Injection, Validation
from webhook.health import make_health_application
from webhook.metrics import Metrics
from webhook.settings import Settings
from webhook.tls import load_certificate, make_context
from wheelwarden.kube import Cluster
from wheelwarden.kube.events import Recorder
from wheelwarden.rules.policy_watcher import PolicyFile
from wheelwarden.settings import Address

LOGGER = logging.getLogger(__name__)
# From being no longer ready until the socket closes: kubelet's probe and the endpoints of the Service need that long.
DRAIN_SECONDS: Final = 6.0
LAST_ANSWERS_SECONDS: Final = 5.0  # for requests that are being answered when the socket closes
# Longer than the 90 s after which the API server gives up an idle connection (net/http's IdleConnTimeout): were it we
# who close it, a request that is just being sent would be lost.
KEEPALIVE_SECONDS: Final = 300.0
# Options of the HTTP server. Bodies are not inflated: 8 MiB of them could become gigabytes. The rest of a body that was
# refused is waited for a moment only.
SERVING: Final[Mapping[str, Any]] = MappingProxyType(
    {"auto_decompress": False, "keepalive_timeout": KEEPALIVE_SECONDS, "lingering_time": 1.0}
)


class Server:
    """One webhook process.

    Args:
        settings: from the environment.
        cluster: the client.
        policy: the policy in force.
        now: the clock of the certificates.
        sleep: as `asyncio.sleep`.

    Attributes:
        addresses: where the two ports listen, TLS first; empty before.
        rotation: looks after the certificates.
    """

    def __init__(
        self,
        settings: Settings,
        cluster: Cluster,
        policy: PolicyFile,
        *,
        now: Callable[[], datetime.datetime] = utc_now,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._settings = settings
        self._policy = policy
        self._sleep = sleep
        self._metrics = Metrics()
        self._context = make_context()
        self._served = b""
        self._certified = asyncio.Event()
        self._missing = "no certificate has been made and announced yet"
        self._app = AdmissionApp(
            validate=Validation(cluster, policy=policy.current, kinds=settings.kinds),
            inject=Injection(cluster, policy=policy.current, kinds=settings.kinds, tools=settings.tools),
            metrics=self._metrics,
        )
        self._recorder = Recorder(cluster, component="wheelwarden-webhook", monotonic=time.monotonic, now=now)
        place = Place(
            namespace=settings.namespace, secret=settings.certificate_secret, registration=settings.registration
        )
        store = CertificateStore(cluster, place, service_hosts(settings.service, settings.namespace), now)
        self.rotation = Rotation(store, self._serve, failed=self._metrics.certificate_failures.inc, sleep=sleep)
        self.addresses: list[tuple[str, int]] = []

    async def run(self, stop: asyncio.Event) -> None:
        """Serves until `stop` is set and the last requests are answered.

        Raises:
            OSError: a port cannot be listened on.
        """
        logging.getLogger("aiohttp.server").addFilter(_shorten_bad_http)
        async with contextlib.AsyncExitStack() as stack:
            health = make_health_application(self._metrics, lambda: self._missing)
            health_address = await _listen(stack, health, self._settings.health_listen)
            tasks = [
                asyncio.create_task(self.rotation.run()),
                asyncio.create_task(self._policy.follow(self._tell_policy)),
            ]
            stack.push_async_callback(_cancel, tasks)
            stopping = asyncio.create_task(stop.wait())
            certified = asyncio.create_task(self._certified.wait())
            stack.push_async_callback(_cancel, [stopping, certified])
            # Nothing is served before there is a certificate that the API server trusts.
            await _wait_for_first([*tasks, stopping, certified])
            if self._certified.is_set():
                application = self._app.application()
                address = await _listen(stack, application, self._settings.listen, self._context)
                self.addresses = [address, health_address]
                self._missing = ""
                LOGGER.info("ready: reviews at %s:%d, health at %s:%d", *address, *health_address)
                await _wait_for_first([*tasks, stopping])
                await self._drain()

    async def _drain(self) -> None:
        LOGGER.info("stopping: no longer ready, answering for another %g s", DRAIN_SECONDS)
        self._missing = "it is being stopped"
        self._app.closing = True
        await self._sleep(DRAIN_SECONDS)

    async def _tell_policy(self, problem: str) -> None:
        self._metrics.policy.count(problem)
        settings = self._settings
        if not settings.pod_uid:
            return  # not in a cluster
        about = {"apiVersion": "v1", "kind": "Pod", "name": settings.pod_name, "uid": settings.pod_uid}
        if problem:
            text = f"The new policy cannot be used; the one before it stays in force: {problem}"
            await self._recorder.record(about, settings.namespace, "Warning", "PolicyInvalid", text)
        else:
            await self._recorder.record(
                about, settings.namespace, "Normal", "PolicyChanged", "A new policy is in force."
            )

    def _serve(self, ensured: Ensured) -> None:
        material = ensured.material
        if material.certificate + material.key != self._served:
            load_certificate(self._context, material.certificate, material.key)
            self._served = material.certificate + material.key
            LOGGER.info("serving a certificate that is valid until %s", expiry(material).isoformat())
        gauge = self._metrics.certificate_expiry
        gauge.labels("leaf").set(expiry(material).timestamp())
        gauge.labels("ca").set(authority_expiry(material).timestamp())
        self._certified.set()


async def _listen(
    stack: contextlib.AsyncExitStack, app: web.Application, address: Address, context: ssl.SSLContext | None = None
) -> tuple[str, int]:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=LAST_ANSWERS_SECONDS, **SERVING)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, address.host, address.port, ssl_context=context).start()
    host, port = runner.addresses[0][:2]
    return host, port


async def _wait_for_first(tasks: list[asyncio.Task[Any]]) -> None:
    """Waits until one of the tasks is done. One that failed did so by a fault of ours: it ends the process, to be seen."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()


async def _cancel(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _shorten_bad_http(record: logging.LogRecord) -> bool:
    """A client that speaks no HTTP is worth a line in the log, and no traceback of somebody else's parser."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, http_exceptions.HttpProcessingError):
        record.exc_info, record.levelno, record.levelname = None, logging.WARNING, "WARNING"
    return True
