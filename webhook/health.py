"""/healthz, /readyz and /metrics, over plain HTTP on a port of their own."""

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from webhook.metrics import Metrics


def make_health_application(metrics: Metrics, missing: Callable[[], str]) -> web.Application:
    """The application.

    Args:
        metrics: shown at /metrics.
        missing: what stands between us and being ready, in words; empty when nothing does.
    """

    async def live(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def ready(_: web.Request) -> web.Response:
        reason = missing()
        return web.Response(text=f"not ready: {reason}\n", status=503) if reason else web.Response(text="ok\n")

    async def show(_: web.Request) -> web.Response:
        return web.Response(body=metrics.render(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.router.add_get("/healthz", live)
    app.router.add_get("/readyz", ready)
    app.router.add_get("/metrics", show)
    return app
