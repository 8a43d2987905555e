"""A real package index for the test cluster: pypiserver, open over http and with a password over https.

Both serve the same folder, the private one all of it but `PRIVATE_LACKS`, with a certificate of the tests' own authority,
which the stand-in base image trusts. The servers run in a process of their own that ends with the one that started it; its
logs are in `state`: `index.log` (what went wrong), `index-open.log` and `index-private.log` (one line for each request, never
a header).

By hand: `python -m tests.cluster.index --folder FOLDER --address 127.0.0.1`
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from tests.cluster import artifacts, authority

USER = "wheelwarden"
# Every printable ASCII character that quoting, URLs, shells, Kubernetes' $(…) or netrc could trip over.
PASSWORD = r"""p@ss:w/rd #%&?$(x)$$|'"\;{}<>~=+!"""
# What the private index has not, so that there is something to fetch from the one after it.
PRIVATE_LACKS = "ww-slow"
# A name for pods that map it to the address by `hostAliases`.
HOST_NAME = "package-index.example.com"

OPEN_PORT = 8080
PRIVATE_PORT = 8443
_STOP_SECONDS = 10


class IndexStartError(Exception):
    """The package index did not start; the message holds what it said."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunningIndex:
    """A package index that answers: its two URLs (simple API), the account of the private one and what to trust."""

    open_url: str
    private_url: str
    user: str
    password: str = field(repr=False)
    ca: Path
    open_log: Path
    private_log: Path
    _process: subprocess.Popen[bytes] = field(repr=False)

    def stop(self) -> None:
        """End the servers and wait until they are gone; nothing happens the second time."""
        if self._process.stdin is not None:
            self._process.stdin.close()  # the server ends when its input does
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


def start(
    folder: Path,
    address: str,
    state: Path,
    *,
    open_port: int = OPEN_PORT,
    private_port: int = PRIVATE_PORT,
    cache: Path = artifacts.CACHE,
) -> RunningIndex:
    """Serve the packages in `folder` on `address`, and return once both servers answer.

    Port 0 takes a free one. The tests' certificate authority is taken from `cache`.

    Raises:
        IndexStartError: it did not start, for example because a port is taken or `folder` is missing.
    """
    if not folder.is_dir():
        raise IndexStartError(f"there is no folder {folder} to serve packages from; name the one packages.prepare made")
    state.mkdir(parents=True, exist_ok=True)
    trusted = authority.prepare(cache)
    certificate, key = authority.issue(trusted, (address, "localhost", HOST_NAME), state / "index-certificate")
    log, open_log, private_log = (state / name for name in ("index.log", "index-open.log", "index-private.log"))
    settings = {
        "folder": str(folder.absolute()),
        "address": address,
        "openPort": open_port,
        "privatePort": private_port,
        "openLog": str(open_log.absolute()),
        "privateLog": str(private_log.absolute()),
        "certificate": str(certificate.absolute()),
        "key": str(key.absolute()),
        "user": USER,
        "password": PASSWORD,
        "privateLacks": PRIVATE_LACKS,
    }
    with log.open("ab") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.cluster.index_server"],
            cwd=artifacts.REPOSITORY,
            env={**os.environ, "PYTHONPATH": str(artifacts.REPOSITORY)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stream,
            start_new_session=True,  # Ctrl-C is for the one that started it, which then calls stop()
        )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(settings).encode() + b"\n")
    process.stdin.flush()
    answer = process.stdout.readline()
    if not answer:
        process.stdin.close()
        process.stdout.close()
        code = process.wait()
        said = log.read_text(errors="replace").strip().splitlines()[-1:] or ["nothing"]
        raise IndexStartError(
            f"the package index on {address} ended with exit code {code}; it said: {said[0]} (log: {log})"
        )
    ports = json.loads(answer)
    host = f"[{address}]" if ":" in address else address
    return RunningIndex(
        open_url=f"http://{host}:{ports['open']}/simple/",
        private_url=f"https://{host}:{ports['private']}/simple/",
        user=USER,
        password=PASSWORD,
        ca=trusted.certificate,
        open_log=open_log,
        private_log=private_log,
        _process=process,
    )


def main() -> None:
    """Serve a folder until Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.cluster.index", description="A package index with passwords."
    )
    parser.add_argument("--folder", type=Path, required=True, help="wheels and source distributions")
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--open-port", type=int, default=OPEN_PORT, help="0 takes a free one")
    parser.add_argument("--private-port", type=int, default=PRIVATE_PORT, help="0 takes a free one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as state:
        try:
            running = start(
                options.folder,
                options.address,
                Path(state),
                open_port=options.open_port,
                private_port=options.private_port,
            )
        except (IndexStartError, OSError) as error:
            sys.exit(str(error))
        print(f"open:    {running.open_url}\nprivate: {running.private_url}")
        print(f"         user {running.user}, password: PASSWORD in {Path(__file__).name}, trust {running.ca}")
        print(f"logs:    {state}", flush=True)
        try:
            running._process.wait()
            sys.exit(f"the package index ended by itself; it said: {(Path(state) / 'index.log').read_text()[-2000:]}")
        except KeyboardInterrupt:
            pass
        finally:
            running.stop()


if __name__ == "__main__":
    main()
