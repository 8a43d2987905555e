"""Imports a module and lists circular imports: imports of a module whose own import has not finished."""

import builtins
import sys
from importlib.util import resolve_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from wheelwarden.payload.reliability.tasks.prelude import error_text, import_name, report, task


importing: "list[str]" = []
cycles: "list[list[str]]" = []
original_import = builtins.__import__


def tracing(name: str, globals: "Any" = None, locals: "Any" = None, fromlist: "Any" = (), level: int = 0) -> "Any":  # noqa: A002 - the names of __import__
    """Like `__import__`, but records cycles."""
    package = (globals or {}).get("__package__") or ""
    try:
        wanted = resolve_name("." * level + name, package) if level else name
    except (ImportError, ValueError):
        wanted = name
    names = [wanted] + [wanted + "." + part for part in fromlist or () if wanted + "." + part in importing]
    for target in names:
        if target in importing and getattr(getattr(sys.modules.get(target), "__spec__", None), "_initializing", False):
            cycle = [*importing[importing.index(target) :], target]
            if len(cycle) > 2 and cycle not in cycles:
                cycles.append(cycle)
    new = wanted not in sys.modules
    if new:
        importing.append(wanted)
    try:
        return original_import(name, globals, locals, fromlist, level)
    finally:
        if new:
            importing.remove(wanted)


builtins.__import__ = tracing
try:
    import_name(task["modules"][0])
    error = None
except BaseException as raised:
    error = error_text(raised)
builtins.__import__ = original_import
shown = [" → ".join(cycle)[:1000] for cycle in cycles]
report({"error": error, "cycles": shown[: task["shown"]], "last": shown[-1] if shown else None})
