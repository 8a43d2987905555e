"""The common first part of every task's program. It is run with `-c` and never imported.

It sets the requested search path, and defines how to import a module or attribute and how to report. Reports go to a separate
descriptor, because modules may print anything. A report must fit into a pipe: 64 KiB.
"""

import sys

sys.path[:] = [p for p in sys.path if p not in ("", "/")]

import json  # noqa: E402 - only after the working directory is off the search path
import os  # noqa: E402 - the same

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

write, dumps, exit_now = os.write, json.dumps, os._exit  # saved, in case a module replaces them
task = json.loads(sys.argv[1])
sys.path[:0] = task["path"]
FAILED_ELSEWHERE = "its import failed in another thread at the same time"


def import_name(name: str, call: bool = False) -> "Any":
    """Imports `module` or `module:attribute`. With `call`, calls the attribute."""
    module, _, attribute = name.partition(":")
    __import__(module)
    found = sys.modules.get(module)
    if found is None:  # the import failed in another thread while this one waited for it
        raise ImportError(f"{module}: {FAILED_ELSEWHERE}")
    for part in filter(None, attribute.split(".")):
        found = getattr(found, part)
    if call and attribute:
        found()  # type: ignore[operator]
    return found


def error_text(error: BaseException) -> str:
    """The last line of the traceback."""
    import traceback

    return traceback.format_exception_only(type(error), error)[-1].strip()[:1000]


def error_with_traceback(error: BaseException) -> str:
    """The last line of the traceback. Prints all of it to stderr."""
    import traceback

    traceback.print_exc()
    return error_text(error)


def advice(error: BaseException, name: str) -> "str | None":
    """The key of a more specific advice, or None for the general one."""
    module = name.partition(":")[0]
    if isinstance(error, ModuleNotFoundError) and error.name:
        return None if (module + ".").startswith(error.name + ".") else "dependency"
    return "attribute" if isinstance(error, AttributeError) and ":" in name and module in sys.modules else None


def unload(name: str) -> bool:
    """Removes a package from `sys.modules`. Returns False if it contains compiled modules: they cannot be loaded twice."""
    top = name.partition(":")[0].split(".")[0]
    loaded = [key for key in sys.modules if key == top or key.startswith(top + ".")]
    if any((getattr(sys.modules[key], "__file__", None) or ".so").endswith((".so", ".pyd")) for key in loaded):
        return False
    for key in loaded:
        del sys.modules[key]
    return True


def report(answer: "dict[str, Any]") -> "NoReturn":
    """Sends the answer and exits."""
    for stream in (sys.stdout, sys.stderr):
        try:  # noqa: SIM105 - does not load contextlib
            stream.flush()
        except BaseException:  # noqa: PERF203, S110 - the module may have closed it
            pass
    write(int(sys.argv[2]), dumps(answer).encode())
    exit_now(1 if answer.get("error") or answer.get("errors") else 0)
