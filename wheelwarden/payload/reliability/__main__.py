"""Runs one profile: the request is the first argument; the answer is the last line of standard output."""

from __future__ import annotations

import json
import signal
import sys
import time

from wheelwarden.payload.common.interpreters import limit_lifetime
from wheelwarden.payload.reliability.profile import Profile


def main() -> None:
    """Runs the requested checks and prints the answer."""
    request = json.loads(sys.argv[1])
    limit_lifetime(request, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE)
    profile = Profile(request, time.monotonic() + request["totalSeconds"])
    for check in request["checks"]:
        profile.run(check)
    python = ".".join(str(part) for part in sys.version_info[:3])
    print(json.dumps({"version": 1, "python": python, "checks": profile.checks}))


if __name__ == "__main__":
    main()
