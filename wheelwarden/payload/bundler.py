"""Makes one text of a program: its modules, compressed, and a loader that imports them from memory.

The text runs as a file (`python -I install.py`) and as an argument (`python -I -c TEXT`) on Python 3.8 or later. It writes
nothing, and its tracebacks show lines of source. `python -m wheelwarden.payload install` prints it, for the image.
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
ORIGIN: Final = "bundle:"  # before each path, so that no traceback shows a line of a file that happens to lie there
# They are packages in the bundle too, and empty there: what they hold is for our own programs.
PARENTS: Final = ("wheelwarden", PAYLOAD)

# Base64, since its alphabet has no `$`: in a container's command Kubernetes would make one of two. No importlib: a probe would
# load it for nothing. Of an error that nobody catches, interpreters before 3.13 show no line that is in no file.
LOADER: Final = """\
# Wheelwarden: {module} and what it imports, compressed.
import binascii, json, sys, zlib
if sys.version_info < (3, 7):
    sys.exit("Wheelwarden needs Python 3.8 or later in the image, and this is %d.%d" % sys.version_info[:2])
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
    """The text of `install`, `probe` or `reliability`; far below the 128 KiB that Linux allows one argument."""
    module = f"{PAYLOAD}.{program}.__main__"
    return pack(module, modules_of(module))


def pack(module: str, modules: Mapping[str, tuple[str, str]]) -> str:
    """The text that imports `main` of a module and runs it, where imports find these modules, `{name: (path, source)}`."""
    stripped = {name: (path, strip(source)) for name, (path, source) in modules.items()}
    packed = base64.b64encode(zlib.compress(json.dumps(stripped).encode(), 9)).decode()
    return LOADER.format(module=module, packed=packed)


def probe_argv(python: str, request: Mapping[str, Any], *, program: str = "probe", attached: bool = False) -> list[str]:
    """The command of a probe: `python` isolated from the working directory, the program, and the request as JSON.

    Attached: its standard input is that of an open connection, and the probe ends when that does.
    """
    asked = {**request, "attached": True} if attached else request
    return [python, "-I", "-c", bundle(program), json.dumps(asked, separators=(",", ":"))]


def modules_of(module: str) -> dict[str, tuple[str, str]]:
    """`{name: (path, source)}` of a module, of what it imports of this folder, and of the packages that those lie in."""
    found = {parent: (f"{ORIGIN}{parent.replace('.', '/')}/__init__.py", "") for parent in PARENTS}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        path, source = _read(name)
        found[name] = (path, source)
        waiting += [name.rpartition(".")[0], *_named_in(source)]
    return dict(sorted(found.items()))


def strip(source: str) -> str:
    """A source without docstrings and comments, a third of it, and every statement on the line where it was."""
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


def _named_in(source: str) -> Iterator[str]:
    """The modules of this folder that a source imports, or whose text it asks for by a literal with their whole name."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{PAYLOAD}."):
            yield str(node.module)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith(f"{PAYLOAD}."):
            yield node.value


def _read(name: str) -> tuple[str, str]:
    """Path, as a traceback shows it, and source of a module. Raises FileNotFoundError."""
    inside = name.removeprefix(f"{PAYLOAD}.").replace(".", "/")
    folder = resources.files(PAYLOAD)
    path = f"{inside}/__init__.py" if folder.joinpath(inside).is_dir() else f"{inside}.py"
    return f"{ORIGIN}{PAYLOAD.replace('.', '/')}/{path}", folder.joinpath(path).read_text(encoding="utf-8")
