"""The webhook's own application over TLS, on a certificate of the benchmark's: `webhook_server.py CERT KEY`."""

import asyncio
import sys
from pathlib import Path

from aiohttp import web

from webhook.app import AdmissionApp
from webhook.endpoints import Validation
from webhook.metrics import Metrics
from webhook.tls import load_certificate, make_context
from wheelwarden.policy import DEFAULT
from wheelwarden.targets import KINDS


async def serve(certificate: Path, key: Path) -> None:
    context = make_context()
    load_certificate(context, certificate.read_bytes(), key.read_bytes())
    validation = Validation(policy=lambda: DEFAULT, kinds=KINDS)
    app = AdmissionApp(validate=validation, inject=validation, metrics=Metrics())
    runner = web.AppRunner(app.application(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), Path(sys.argv[2])))
