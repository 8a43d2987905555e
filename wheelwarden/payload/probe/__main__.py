"""Runs one probe: the request is the first argument; the answer is printed line by line.

`subprocess` and the modules that need it are imported late: a probe that only reads usage or metadata starts no interpreter.
"""

from __future__ import annotations

import json
import signal
import sys
import time

from wheelwarden.payload.common.interpreters import limit_lifetime
from wheelwarden.payload.common.volume import usage_of
from wheelwarden.payload.probe.memory import is_short_of_memory, memory


def main() -> None:
    """Prints one line for each module, then the answer. Raises SystemExit with a text if no import can be tried."""
    request = json.loads(sys.argv[1])
    end = time.monotonic() + request["totalSeconds"]
    limit_lifetime(request, signal.SIGTERM)
    modules, search_path = request["modules"], request["searchPath"]
    derived = not modules
    if derived:
        from wheelwarden.payload.probe.installed import derive

        try:
            modules = derive(request["distributions"], search_path)
        except OSError as error:
            sys.exit(f"the installed packages cannot be read: {error}")
    if is_short_of_memory():
        limit, used = memory()
        text = f"the container uses {used >> 20} MiB of its limit of {(limit or 0) >> 20} MiB, so no import is tried"
        sys.exit(text)
    if modules:
        from wheelwarden.payload.probe.attempts import Attempts

        Attempts(request, end).try_all(modules)
    answer = {
        "version": 1,
        "python": ".".join(str(part) for part in sys.version_info[:3]),
        "executable": sys.executable,
        "derived": derived,
        "count": len(modules),
        "usage": usage_of(search_path),
        "distributions": inspect_all(request.get("inspect", ()), search_path),
    }
    print(json.dumps(answer))


def inspect_all(names: list[str], search_path: str) -> list[object]:
    """The installed versions of these distributions."""
    if not names:
        return []
    from wheelwarden.payload.probe.installed import inspect

    return [inspect(name, search_path) for name in names]


if __name__ == "__main__":
    main()
