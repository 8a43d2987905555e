"""What each interpreter has before its task. Its text is run, and it is never imported.

The search path as asked for, a way to import with or without an attribute, and a descriptor to report on, since modules may
print what they like. A report must fit into a pipe: 64 KiB.
"""

import sys

sys.path[:] = [p for p in sys.path if p not in ("", "/")]

import json  # noqa: E402 - only now is the working directory off the search path
import os  # noqa: E402 - the same

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

write, dumps, leave = os.write, json.dumps, os._exit  # as they are, whatever the modules do to them
task = json.loads(sys.argv[1])
sys.path[:0] = task["path"]
LOST = "its import failed in another thread at the same time"


def bring(name: str, call: bool = False) -> "Any":
    """Imports `module` or `module:attribute`, and calls that where it is asked for."""
    module, _, attribute = name.partition(":")
    __import__(module)
    found = sys.modules.get(module)
    if found is None:  # Python gives a thread that waited the module whose import has just failed
        raise ImportError(f"{module}: {LOST}")
    for part in filter(None, attribute.split(".")):
        found = getattr(found, part)
    if call and attribute:
        found()  # type: ignore[operator]
    return found


def text(error: BaseException) -> str:
    """The last line of a traceback."""
    import traceback

    return traceback.format_exception_only(type(error), error)[-1].strip()[:1000]


def told(error: BaseException) -> str:
    """The same, with the traceback on stderr."""
    import traceback

    traceback.print_exc()
    return text(error)


def advice(error: BaseException, name: str) -> "str | None":
    """Which advice fits better than the general one."""
    module = name.partition(":")[0]
    if isinstance(error, ModuleNotFoundError) and error.name:
        return None if (module + ".").startswith(error.name + ".") else "dependency"
    return "attribute" if isinstance(error, AttributeError) and ":" in name and module in sys.modules else None


def forget(name: str) -> bool:
    """Whether a package is gone from the interpreter. Compiled modules cannot be loaded twice: with one, all stay."""
    top = name.partition(":")[0].split(".")[0]
    mine = [key for key in sys.modules if key == top or key.startswith(top + ".")]
    if any((getattr(sys.modules[key], "__file__", None) or ".so").endswith((".so", ".pyd")) for key in mine):
        return False
    for key in mine:
        del sys.modules[key]
    return True


def tell(report: "dict[str, Any]") -> "NoReturn":
    """Reports, and ends the interpreter."""
    for stream in (sys.stdout, sys.stderr):
        try:  # noqa: SIM105 - loads no more than it has to
            stream.flush()
        except BaseException:  # noqa: PERF203, S110 - the module may have closed it
            pass
    write(int(sys.argv[2]), dumps(report).encode())
    leave(1 if report.get("error") or report.get("errors") else 0)
