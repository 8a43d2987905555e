"""Small C extensions, compiled for one interpreter by the machine's gcc: one that works, two that cannot be loaded."""

import tempfile
from pathlib import Path

from tests.cluster import artifacts
from tests.cluster.interpreter import Interpreter
from tests.cluster.wheels import write_wheel

# The library that ww-libmissing is linked against; it exists while linking only.
ABSENT_LIBRARY = "libwwabsent.so.1"
# The function that ww-undefined calls; it exists nowhere.
ABSENT_SYMBOL = "ww_function_of_another_abi"

_MODULE = """
#define PY_SSIZE_T_CLEAN
#include <Python.h>

{declarations}

static PyObject *answer(PyObject *self, PyObject *unused)
{{
    return PyLong_FromLong({answer});
}}

static PyMethodDef methods[] = {{
    {{"answer", answer, METH_NOARGS, "Forty-two, computed in C."}},
    {{NULL, NULL, 0, NULL}},
}};

static struct PyModuleDef module = {{PyModuleDef_HEAD_INIT, "{name}", NULL, -1, methods}};

PyMODINIT_FUNC PyInit_{name}(void)
{{
    return PyModule_Create(&module);
}}
"""


def write_natives(folder: Path, interpreter: Interpreter, log: Path) -> None:
    """Write the wheels of ww-native, ww-libmissing and ww-undefined for `interpreter` into `folder`.

    Raises:
        artifacts.BuildError: the compiler failed, for example because the headers of this interpreter are missing.
    """
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        _write_one(folder, interpreter, work, log, "ww-native", "a C extension that works", answer="42")

        absent = work / ABSENT_LIBRARY
        (work / "absent.c").write_text("long ww_absent(void) { return 42; }\n")
        artifacts.run(
            ["gcc", "-shared", "-fPIC", f"-Wl,-soname,{ABSENT_LIBRARY}", "-o", absent, work / "absent.c"], log=log
        )
        _write_one(
            folder,
            interpreter,
            work,
            log,
            "ww-libmissing",
            "a C extension whose shared library is not there",
            declarations="long ww_absent(void);",
            answer="ww_absent()",
            link=(absent,),
        )
        _write_one(
            folder,
            interpreter,
            work,
            log,
            "ww-undefined",
            "a C extension that calls a function that is nowhere",
            declarations=f"long {ABSENT_SYMBOL}(void);",
            answer=f"{ABSENT_SYMBOL}()",
            link=("-Wl,-z,now",),  # all symbols are looked up when it is loaded, not at the first call
        )


def _write_one(
    folder: Path,
    interpreter: Interpreter,
    work: Path,
    log: Path,
    distribution: str,
    summary: str,
    *,
    answer: str,
    declarations: str = "",
    link: tuple[str | Path, ...] = (),
) -> None:
    name = distribution.replace("-", "_")
    source, built = work / f"{name}.c", work / f"{name}.so"
    source.write_text(_MODULE.format(name=name, answer=answer, declarations=declarations))
    # Its path relative to the work folder: nothing of the temporary folder's name gets into the bytes.
    argv = ["gcc", "-shared", "-fPIC", "-O1", "-s", "-I", interpreter.headers, "-o", built.name, source.name, *link]
    artifacts.run(argv, log=log, cwd=work)
    write_wheel(
        folder,
        distribution,
        "1.0",
        {f"{name}{interpreter.suffix}": built.read_bytes()},
        summary=summary,
        tag=f"{interpreter.tag}-{interpreter.tag}-{interpreter.platform}",
    )
