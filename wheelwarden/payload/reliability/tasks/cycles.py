"""One import, watched for modules that ask for one that is still being imported."""

import builtins
import sys
from importlib.util import resolve_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from wheelwarden.payload.reliability.tasks.prelude import bring, task, tell, text


asked: "list[str]" = []
cycles: "list[list[str]]" = []
real = builtins.__import__


def traced(name: str, globals: "Any" = None, locals: "Any" = None, fromlist: "Any" = (), level: int = 0) -> "Any":  # noqa: A002 - the names of __import__
    """As `__import__`, noting cycles."""
    package = (globals or {}).get("__package__") or ""
    try:
        wanted = resolve_name("." * level + name, package) if level else name
    except (ImportError, ValueError):
        wanted = name
    names = [wanted] + [wanted + "." + part for part in fromlist or () if wanted + "." + part in asked]
    for one in names:
        if one in asked and getattr(getattr(sys.modules.get(one), "__spec__", None), "_initializing", False):
            cycle = [*asked[asked.index(one) :], one]
            if len(cycle) > 2 and cycle not in cycles:
                cycles.append(cycle)
    new = wanted not in sys.modules
    if new:
        asked.append(wanted)
    try:
        return real(name, globals, locals, fromlist, level)
    finally:
        if new:
            asked.remove(wanted)


builtins.__import__ = traced
try:
    bring(task["modules"][0])
    error = None
except BaseException as raised:
    error = text(raised)
builtins.__import__ = real
shown = [" → ".join(cycle)[:1000] for cycle in cycles]
tell({"error": error, "cycles": shown[: task["shown"]], "last": shown[-1] if shown else None})
