"""`wheelwarden-controller`: reads the settings, serves health and metrics, and works while it holds the Lease."""

import asyncio
import contextlib
import datetime
import logging
import os
import signal
import sys
import time

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from controller.lease import Lease
from controller.loop import Loop
from controller.metrics import Metrics
from controller.probe import ExecProber, Places
from controller.queue import Queue
from controller.reconcile import Reconciler
from controller.settings import Settings, read_settings
from controller.state import Key
from wheelwarden.api.errors import WheelwardenError
from wheelwarden.kube import Cluster
from wheelwarden.kube.events import Recorder
from wheelwarden.logs import set_up_logging
from wheelwarden.rules.policy_watcher import PolicyFile

LOGGER = logging.getLogger("controller")


def main() -> int:
    """The exit code: 0 after SIGTERM, 1 after the Lease was lost (the kubelet restarts us), 2 for bad settings."""
    try:
        settings = read_settings(os.environ)
        set_up_logging(settings.log_level, settings.log_format)
        return asyncio.run(_serve(settings))
    except WheelwardenError as error:
        print(f"wheelwarden-controller: {error}", file=sys.stderr)  # noqa: T201 - logging may not be set up yet
        return 2


async def _serve(settings: Settings) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    metrics = Metrics()
    async with contextlib.AsyncExitStack() as stack:
        await _serve_health(settings, metrics, stack)
        cluster = await Cluster.connect(kubeconfig=settings.kubeconfig, field_manager="wheelwarden-controller")
        await stack.enter_async_context(cluster)
        lease = Lease(
            cluster, settings.namespace, settings.lease, settings.identity, monotonic=time.monotonic, now=_now
        )
        stopping = asyncio.ensure_future(stop.wait())
        acquiring = asyncio.ensure_future(lease.acquire())
        await asyncio.wait({acquiring, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not acquiring.done():
            acquiring.cancel()
            return 0
        acquiring.result()  # a fault of ours in there must not pass for the Lease
        metrics.leader.set(1)
        working = asyncio.ensure_future(_work(settings, cluster, metrics))
        keeping = asyncio.ensure_future(lease.keep())
        await asyncio.wait({working, keeping, stopping}, return_when=asyncio.FIRST_COMPLETED)
        lost = keeping.done()
        for task in (working, keeping):
            task.cancel()
        await asyncio.gather(working, keeping, return_exceptions=True)
        if working.done() and not working.cancelled() and (fault := working.exception()):
            LOGGER.error("the loop ended", exc_info=fault)
            lost = True
        if not keeping.done() or keeping.cancelled():
            await lease.release()
    return 1 if lost else 0


async def _work(settings: Settings, cluster: Cluster, metrics: Metrics) -> None:
    policy = PolicyFile(settings.policy_file)
    queue: Queue[Key] = Queue(asyncio.get_running_loop().call_later)
    places = Places(
        total=settings.probe_concurrency, per_node=settings.probes_per_node, per_namespace=settings.probes_per_namespace
    )
    prober = ExecProber(cluster, places, queue.add)
    reconciler = Reconciler(
        cluster,
        prober,
        Recorder(cluster, component="wheelwarden-controller", monotonic=time.monotonic, now=_now),
        metrics,
        policy.current,
        monotonic=time.monotonic,
        now=_now,
        again=queue.add_after,
    )
    loop = Loop(
        cluster,
        queue,
        reconciler,
        metrics,
        kinds=settings.kinds,
        namespaces=settings.namespaces,
        workers=settings.workers,
        resync_seconds=settings.resync_seconds,
    )

    async def told(problem: str) -> None:
        metrics.policy.count(problem)

    following = asyncio.ensure_future(policy.follow(told))
    try:
        await loop.run()
    finally:
        following.cancel()
        queue.close()
        await prober.close()


async def _serve_health(settings: Settings, metrics: Metrics, stack: contextlib.AsyncExitStack) -> None:
    async def alive(_: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def show_metrics(_: web.Request) -> web.Response:
        # With ten thousand objects this takes a second, and the Lease must not wait for it.
        text = await asyncio.to_thread(generate_latest, metrics.registry)
        return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.router.add_get("/healthz", alive)
    app.router.add_get("/readyz", alive)  # a candidate without the Lease is as ready as the leader
    app.router.add_get("/metrics", show_metrics)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, settings.health_listen.host, settings.health_listen.port).start()


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


if __name__ == "__main__":
    sys.exit(main())
