"""Packs a program into a single text: its compressed modules and a loader that imports them from memory.

The text runs as a file (`python -I install.py`) and as an argument (`python -I -c TEXT`) on Python 3.8 or later. It writes
no files, and its tracebacks show source lines. `python -m wheelwarden.payload install` prints it; the Dockerfile uses that.
"""

import ast
import base64
import io
import json
import tokenize
import zlib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any, Final

PAYLOAD: Final = "wheelwarden.payload"
ORIGIN: Final = (
    "bundle:"  # prefix of each path, so that a traceback never shows lines of a real file with the same path
)
# Empty packages in the bundle: their content is only used outside the workload's image.
PARENTS: Final = ("wheelwarden", PAYLOAD)

# Base64 has no `$`, which Kubernetes would expand in a container's command. No importlib: a probe does not need it otherwise.
# The excepthook: before Python 3.13 the default one shows source lines of real files only.
LOADER: Final = """\
# Wheelwarden: {module} and the modules that it imports, compressed.
import binascii, json, sys, zlib
if sys.version_info < (3, 7):
    sys.exit("Wheelwarden needs Python 3.8 or later in the image, but this is %d.%d" % sys.version_info[:2])
class Bundle:
    modules = json.loads(zlib.decompress(binascii.a2b_base64("{packed}")))
    def find_spec(self, name, path=None, target=None):
        if name in self.modules:
            path = self.modules[name][0]
            return type(sys.__spec__)(name, self, origin=path, is_package=path.endswith("__init__.py"))
    def create_module(self, spec):
        return None
    def exec_module(self, module):
        path, source = self.modules[module.__name__]
        exec(compile(source, path, "exec", dont_inherit=True), module.__dict__)
    def get_source(self, name):
        return self.modules[name][1]
sys.meta_path.insert(0, Bundle())
sys.excepthook = lambda *error: __import__("traceback").print_exception(*error)
from {module} import main
sys.exit(main())
"""


@cache
def bundle(program: str) -> str:
    """The text of `install`, `probe` or `reliability`. It must fit into 128 KiB, the limit of Linux for one argument."""
    module = f"{PAYLOAD}.{program}.__main__"
    return pack(module, modules_of(module))


def pack(module: str, modules: Mapping[str, tuple[str, str]]) -> str:
    """The text that imports and runs `main` of a module. Its imports resolve to `modules`: `{name: (path, source)}`."""
    stripped = {name: (path, strip(source)) for name, (path, source) in modules.items()}
    packed = base64.b64encode(zlib.compress(json.dumps(stripped).encode(), 9)).decode()
    return LOADER.format(module=module, packed=packed)


def probe_argv(python: str, request: Mapping[str, Any], *, program: str = "probe", attached: bool = False) -> list[str]:
    """The command of a probe: `python` isolated from the working directory, the program, and the request as JSON.

    `attached`: standard input is an open connection; the probe exits when the connection closes.
    """
    sent = {**request, "attached": True} if attached else request
    return [python, "-I", "-c", bundle(program), json.dumps(sent, separators=(",", ":"))]


def modules_of(module: str) -> dict[str, tuple[str, str]]:
    """`{name: (path, source)}` of a module, of the payload modules that it imports, and of their parent packages."""
    found = {parent: (f"{ORIGIN}{parent.replace('.', '/')}/__init__.py", "") for parent in PARENTS}
    pending = [module]
    while pending:
        name = pending.pop()
        if name in found:
            continue
        path, source = _read(name)
        found[name] = (path, source)
        pending += [name.rpartition(".")[0], *_referenced_modules(source)]
    return dict(sorted(found.items()))


def strip(source: str) -> str:
    """The source without docstrings and comments (about a third). Statements keep their line numbers."""
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node, clean=False):
            docstring = node.body[0]
            for row in range(docstring.lineno, (docstring.end_lineno or docstring.lineno) + 1):
                lines[row - 1] = ""
            if len(node.body) == 1:
                lines[docstring.lineno - 1] = f"{' ' * docstring.col_offset}pass"
    for token in tokenize.generate_tokens(io.StringIO("\n".join(lines)).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column].rstrip()
    return "\n".join(lines) + "\n"


def _referenced_modules(source: str) -> Iterator[str]:
    """The payload modules that a source imports, or names in full in a string literal (to run their source)."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{PAYLOAD}."):
            yield str(node.module)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith(f"{PAYLOAD}."):
            yield node.value


def _read(name: str) -> tuple[str, str]:
    """The path of a module as tracebacks show it, and its source. Raises FileNotFoundError."""
    inside = name.removeprefix(f"{PAYLOAD}.").replace(".", "/")
    folder = resources.files(PAYLOAD)
    path = f"{inside}/__init__.py" if folder.joinpath(inside).is_dir() else f"{inside}.py"
    return f"{ORIGIN}{PAYLOAD.replace('.', '/')}/{path}", folder.joinpath(path).read_text(encoding="utf-8")
