"""The program of the new interpreter that imports one module. It is run with `-c` and never imported.

It removes the working directory from sys.path before it imports anything. It reports on a separate descriptor, because the
module may print anything, and without json, to import as little as possible.
"""

import sys

try:
    with open("/proc/self/oom_score_adj", "w") as score:
        score.write("1000")  # if memory runs out, the kernel kills this process and not the user's
except OSError:
    pass
sys.path[:] = [p for p in sys.path if p not in ("", "/")]

import time  # noqa: E402 - see above

start = time.perf_counter()


def main(statements: str, descriptor: int) -> None:
    """Runs the statements, reports, and exits."""
    module = statements.partition(";")[0][len("import ") :]
    ok, seconds, file, failure, message = False, -1.0, "", "", ""
    try:
        exec(compile(statements, "<string>", "exec"), {"__name__": "__main__"})  # noqa: S102 - the import that the user asked for
        ok = True
    except BaseException as error:
        import traceback

        seconds = time.perf_counter() - start
        text = traceback.format_exception_only(type(error), error)[-1].strip()
        message = text[:1000]  # the report must fit into the pipe
        failure = failure_reason(error, text, module)
        trace = error.__traceback__
        traceback.print_exception(type(error), error, trace and trace.tb_next)
    if ok:
        seconds = time.perf_counter() - start
    try:  # noqa: SIM105 - does not load contextlib
        file = str(sys.modules[module].__file__ or "")
    except Exception:  # noqa: S110 - not imported, or without a file
        pass
    import os

    sys.stdout.flush()
    fields = ["1" if ok else "", repr(seconds), file, failure, message]
    os.write(descriptor, "\0".join(fields).encode("utf-8", "backslashreplace"))
    os._exit(0 if ok else 1)


def failure_reason(error: BaseException, text: str, module: str) -> str:
    """The reason of a failed import."""
    if "partially initialized module" in text or "circular import" in text:
        return "CircularImport"
    if isinstance(error, AttributeError) and module in sys.modules:
        return "AttributeNotFound"
    if isinstance(error, ModuleNotFoundError):
        return "IncompatibleBinary" if has_other_build(error.name) else "ModuleNotFound"
    if isinstance(error, ImportError):
        return library_reason(text) or ("IncompatibleBinary" if has_other_build(error.name) else "ImportFailed")
    return "ImportFailed"


def library_reason(text: str) -> str:
    """The reason if the dynamic loader rejected a shared library, by its message; else an empty string."""
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


def has_other_build(name: "str | None") -> bool:
    """Whether sys.path has an extension module of this name that was built for another interpreter."""
    import glob
    import importlib.machinery
    import os

    if not name:
        return False
    relative = name.replace(".", os.sep)
    for entry in sys.path:
        for path in glob.glob(os.path.join(glob.escape(entry), relative + ".*.so")):
            if path[len(os.path.join(entry, relative)) :] not in importlib.machinery.EXTENSION_SUFFIXES:
                return True
    return False


main(sys.argv[1], int(sys.argv[2]))
