"""The least that a webhook on aiohttp can be: `python -m tests.bench.bare_handler PORT SECRET`.

JSON in, three regular expressions, JSON out, with the TLS and the server options of ours: what ours is compared with.
"""

import asyncio
import base64
import json
import re
import sys
from pathlib import Path

from aiohttp import web

from webhook.server import SERVING
from webhook.tls import load_certificate, make_context

PATTERNS = tuple(
    re.compile(pattern) for pattern in (r"[A-Za-z0-9][A-Za-z0-9._-]*", r"https://[^@ ]+", r"[a-z0-9][a-z0-9.-]*")
)


async def validate(http: web.Request) -> web.Response:
    """Admits a review whose packages, index and name look like such."""
    request = (await http.json())["request"]
    obj = request["object"]
    packages = obj["spec"].get("pythonPackages") or json.loads(
        obj["metadata"]["annotations"]["wheelwarden.dev/python-packages"]
    )
    requirement, index, name = PATTERNS
    allowed = (
        all(requirement.match(package) for package in packages["packages"])
        and index.match(packages["indexUrl"]) is not None
        and name.match(obj["metadata"]["name"]) is not None
    )
    response = {"uid": request["uid"], "allowed": allowed}
    document = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
    body = json.dumps(document, separators=(",", ":"))
    return web.Response(body=body.encode(), content_type="application/json")


async def serve(port: int, secret: Path) -> None:
    data = json.loads(secret.read_text())["data"]
    context = make_context()
    load_certificate(context, base64.b64decode(data["tls.crt"]), base64.b64decode(data["tls.key"]))
    app = web.Application()
    app.router.add_post("/validate", validate)
    runner = web.AppRunner(app, access_log=None, **SERVING)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2])))
