"""The process behind `index`: two servers over one folder, ended when its standard input ends.

Reads its settings (the password among them) as one line of JSON from standard input, and writes the ports it listens on
as one line of JSON to standard output once both listen.
"""

import datetime as dt
import hmac
import json
import sys
import threading
import urllib.parse
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any

import pypiserver
from cheroot import wsgi
from cheroot.ssl.builtin import BuiltinSSLAdapter

type_wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

# A pod that installs opens several connections at once, and there are several pods.
_THREADS = 16


def main() -> None:
    """Serve until standard input ends."""
    settings = json.loads(sys.stdin.readline())
    folder = [Path(settings["folder"])]
    wanted = (settings["user"], settings["password"])

    def knows(user: str, password: str) -> bool:
        given = json.dumps([user, password]).encode()
        return hmac.compare_digest(given, json.dumps(wanted).encode())

    # Uploads are refused by both: the folder is made beforehand and stays as it is.
    offered = {"roots": folder, "disable_fallback": True, "hash_algo": "sha256", "backend_arg": "simple-dir"}
    opened = pypiserver.app(**offered, authenticate=["update"], auther=lambda _user, _password: False)
    private = pypiserver.app(**offered, authenticate=["list", "download", "update"], auther=knows)

    address = settings["address"]
    servers = []
    for app, port, log in (
        (opened, settings["openPort"], settings["openLog"]),
        (_Without(private, settings["privateLacks"]), settings["privatePort"], settings["privateLog"]),
    ):
        server = wsgi.Server((address, port), _AccessLog(app, Path(log)), numthreads=_THREADS)
        servers.append(server)
    servers[1].ssl_adapter = BuiltinSSLAdapter(settings["certificate"], settings["key"])
    for server in servers:
        try:
            server.prepare()
        except OSError as error:
            sys.exit(f"cannot listen on {server.bind_addr[0]} port {server.bind_addr[1]}: {error}")
        threading.Thread(target=server.serve, daemon=True).start()
    print(json.dumps({"open": servers[0].bind_addr[1], "private": servers[1].bind_addr[1]}), flush=True)
    sys.stdin.read()
    for server in servers:
        server.stop()


class _Without:
    """WSGI middleware: an index that does not know one of the names."""

    def __init__(self, app: type_wsgi, name: str) -> None:
        self._app = app
        self._path = f"/simple/{name}/"

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == self._path:
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"no such package"]
        return self._app(environ, start_response)


class _AccessLog:
    """WSGI middleware: one line for each request, `2026-01-31T10:30:00Z 10.244.0.5 GET /simple/six/ 200`."""

    def __init__(self, app: type_wsgi, log: Path) -> None:
        self._app = app
        self._stream: IO[str] = log.open("a", buffering=1)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        def answer(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            path = urllib.parse.quote(environ["PATH_INFO"])
            method, client = environ["REQUEST_METHOD"], environ["REMOTE_ADDR"]
            self._stream.write(f"{now} {client} {method} {path} {status.partition(' ')[0]}\n")
            return start_response(status, headers, *rest)

        return self._app(environ, answer)


if __name__ == "__main__":
    main()
