"""What a fresh interpreter runs around the statements that are asked for. Its text is run, and it is never imported.

It drops the working directory from sys.path before it imports anything, and reports on a descriptor of its own, since the
module may print what it likes: without json, so that it imports no more than it has to.
"""

import sys

try:
    with open("/proc/self/oom_score_adj", "w") as score:
        score.write("1000")  # if memory runs out, this goes and not the user's process
except OSError:
    pass
sys.path[:] = [p for p in sys.path if p not in ("", "/")]

import time  # noqa: E402 - see above

start = time.perf_counter()


def main(statements: str, descriptor: int) -> None:
    """Runs the statements, reports, and ends the interpreter."""
    module = statements.partition(";")[0][len("import ") :]
    ok, seconds, file, why, told = False, -1.0, "", "", ""
    try:
        exec(compile(statements, "<string>", "exec"), {"__name__": "__main__"})  # noqa: S102 - what the user asks for
        ok = True
    except BaseException as error:
        import traceback

        seconds = time.perf_counter() - start
        text = traceback.format_exception_only(type(error), error)[-1].strip()
        told = text[:1000]  # a pipe holds only so much
        why = reason(error, text, module)
        trace = error.__traceback__
        traceback.print_exception(type(error), error, trace and trace.tb_next)
    if ok:
        seconds = time.perf_counter() - start
    try:  # noqa: SIM105 - loads no more than it has to
        file = str(sys.modules[module].__file__ or "")
    except Exception:  # noqa: S110 - it is not there, or has no file
        pass
    import os

    sys.stdout.flush()
    fields = ["1" if ok else "", repr(seconds), file, why, told]
    os.write(descriptor, "\0".join(fields).encode("utf-8", "backslashreplace"))
    os._exit(0 if ok else 1)


def reason(error: BaseException, text: str, module: str) -> str:
    """The class of a failed import."""
    if "partially initialized module" in text or "circular import" in text:
        return "CircularImport"
    if isinstance(error, AttributeError) and module in sys.modules:
        return "AttributeNotFound"
    if isinstance(error, ModuleNotFoundError):
        return "IncompatibleBinary" if other_builds(error.name) else "ModuleNotFound"
    if isinstance(error, ImportError):
        return reason_of_library(text) or ("IncompatibleBinary" if other_builds(error.name) else "ImportFailed")
    return "ImportFailed"


def reason_of_library(text: str) -> str:
    """The class of a shared library that cannot be loaded, by what the loader says; empty where it is something else."""
    if "cannot open shared object file" in text or "Error loading shared library" in text:
        return "MissingSharedLibrary"
    signs = (
        "undefined symbol",
        "wrong ELF class",
        "invalid ELF header",
        "Error relocating",
        "version `GLIBC",
        "Module use of python",
        "numpy.core.multiarray failed",
    )
    return "IncompatibleBinary" if any(sign in text for sign in signs) else ""


def other_builds(name: "str | None") -> bool:
    """Whether there is an extension module of this name, but only for another interpreter."""
    import glob
    import importlib.machinery
    import os

    if not name:
        return False
    place = name.replace(".", os.sep)
    for entry in sys.path:
        for path in glob.glob(os.path.join(glob.escape(entry), place + ".*.so")):
            if path[len(os.path.join(entry, place)) :] not in importlib.machinery.EXTENSION_SUFFIXES:
                return True
    return False


main(sys.argv[1], int(sys.argv[2]))
