"""Runs one installation. Reads the request from the environment, writes the result to the view and the termination log.

Modules that only an installation needs are imported late: most pods find the packages in the store.
"""

from __future__ import annotations

import os
import signal
import sys
import time

from wheelwarden.payload.install.errors import InstallError
from wheelwarden.payload.install.image import python_version, store_key
from wheelwarden.payload.install.message import message_within
from wheelwarden.payload.install.request import MESSAGE_BYTES, InstallRequest, RequestError, parse, read_request
from wheelwarden.payload.install.result import FAILED, REUSED, Result
from wheelwarden.payload.install.schema import VersionError
from wheelwarden.payload.install.store import Store
from wheelwarden.payload.install.view import link_view, write_markers

REQUEST_VARIABLE = "WHEELWARDEN_REQUEST"
POD_VARIABLE = "WHEELWARDEN_POD"
TERMINATION_LOG = "/dev/termination-log"
STOPPED_CODE = 143  # 128 + SIGTERM, as a shell reports it


class Stopped(BaseException):
    """SIGTERM or SIGINT was received."""


def main() -> int:
    """Runs the installer. Returns the exit code: 0 if the pod may start."""
    started = time.monotonic()
    # The output of uv may contain characters that the locale cannot encode.
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    text = os.environ.get(REQUEST_VARIABLE, "")
    try:
        request = read_request(text)
    except (RequestError, VersionError) as error:
        return refuse(text, str(error))
    os.umask(0o022)
    stop_on_signal()
    result, code = run(request, started)
    usage = None
    if request.report_usage:
        usage = Store(request.store, result.key).usage()
    result = result._replace(usage=usage)
    if result.outcome != REUSED:
        result = result._replace(duration_seconds=round(time.monotonic() - started, 3))
    if result.error is None:
        write_markers(request, result)
    report(result, request.message_bytes)
    return code


def run(request: InstallRequest, started: float) -> tuple[Result, int]:
    """Installs or reuses the packages. Returns the result, also of a failure, and the exit code."""
    store = Store(request.store, store_key(request.hash))
    empty = Result(
        outcome=FAILED,
        hash=request.hash,
        key=store.key,
        installer=request.installer,
        python=python_version(),
        installed_by=os.environ.get(POD_VARIABLE, ""),
    )
    allowed = 0 if request.on_failure == "allow" else 1
    installation = None
    try:
        result = store.claim_record()
        if result is None:
            from wheelwarden.payload.install.installation import Installation

            installation = Installation(request, store, empty, started)
            result = installation.obtain()
        if installation is None or result is not installation.result:
            print(f"Packages already installed by {result.installed_by} at {result.installed_at}")
            result = result._replace(outcome=REUSED, duration_seconds=round(time.monotonic() - started, 3))
        warnings = link_view(request.view, os.path.join(store.directory, "site-packages"))
        return result._replace(warnings=[*result.warnings, *warnings]), 0
    except InstallError as error:
        print(f"FAILED ({error.kind}): {error.message}")
        if allowed == 0:
            print("onFailure is allow: the pod starts without these packages")
        kind, text, code = error.kind, error.message, allowed
    except Stopped:
        kind, text, code = "unknown", "The installer was stopped by SIGTERM or SIGINT before it finished.", STOPPED_CODE
    except Exception as error:
        import traceback

        traceback.print_exc(file=sys.stdout)
        kind, text, code = "unknown", f"The installer itself failed: {type(error).__name__}: {error}", allowed
    return (installation.result if installation else empty).failed(kind, text), code


def refuse(text: str, message: str) -> int:
    """Reports a request that cannot be read. Uses `hash` and `onFailure`, which are the same in every version."""
    try:
        found = parse(text)
    except RequestError:
        found = {}
    print(f"FAILED (unknown): {message}")
    report(Result(outcome=FAILED, hash=str(found.get("hash"))).failed("unknown", message), MESSAGE_BYTES)
    return 0 if found.get("onFailure") == "allow" else 1


def report(result: Result, limit: int) -> None:
    """Writes the termination message, of at most `limit` bytes."""
    try:
        with open(os.environ.get("WHEELWARDEN_TERMINATION_LOG", TERMINATION_LOG), "wb") as file:
            file.write(message_within(result, limit).encode())
    except OSError as error:
        print(f"cannot write the termination message: {error}")
    sys.stdout.flush()


def stop_on_signal() -> None:
    """Makes SIGTERM and SIGINT raise Stopped."""

    def stop(_number: int, _frame: object) -> None:
        raise Stopped

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)


if __name__ == "__main__":
    sys.exit(main())
