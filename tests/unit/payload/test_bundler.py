"""The bundle of a program: its modules, and their imports."""

import ast
import sys
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest

from wheelwarden.payload import bundle, probe_argv
from wheelwarden.payload.bundler import modules_of, strip

PROGRAMS = ("install", "probe", "reliability")
PAYLOAD = Path(str(resources.files("wheelwarden.payload")))
SOURCES = sorted(path for name in ("common", *PROGRAMS) for path in (PAYLOAD / name).rglob("*.py"))
ARGUMENT_BYTES = 128 << 10  # MAX_ARG_STRLEN of Linux


def module_of(path: Path) -> str:
    inside = path.relative_to(PAYLOAD).with_suffix("")
    parts = inside.parts[:-1] if inside.name == "__init__" else inside.parts
    return ".".join(("wheelwarden", "payload", *parts))


def imported(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            yield str(node.module)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PAYLOAD)))
def test_programs_import_the_standard_library_and_each_other(path: Path) -> None:
    folders = ("common", path.relative_to(PAYLOAD).parts[0])
    allowed = tuple(f"wheelwarden.payload.{name}" for name in folders)
    others = [name for name in imported(path.read_text()) if name.partition(".")[0] not in sys.stdlib_module_names]
    assert [name for name in others if not name.startswith(allowed)] == []


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_bundle_fits_into_one_argument_and_has_no_dollar_sign_for_kubernetes_to_expand(program: str) -> None:
    text = bundle(program)
    assert len(text) < ARGUMENT_BYTES // 4
    assert "$" not in text


def test_every_module_is_in_a_bundle_except_the_one_that_only_the_controller_uses() -> None:
    bundled = {name for program in PROGRAMS for name in modules_of(f"wheelwarden.payload.{program}.__main__")}
    others = {module_of(path) for path in SOURCES} - bundled
    assert others == {"wheelwarden.payload.install.message_reader"}


def test_a_bundle_contains_only_the_modules_that_its_program_needs() -> None:
    assert set(modules_of("wheelwarden.payload.probe.__main__")) == {
        "wheelwarden",
        "wheelwarden.payload",
        "wheelwarden.payload.common",
        "wheelwarden.payload.common.distributions",
        "wheelwarden.payload.common.interpreters",
        "wheelwarden.payload.common.process",
        "wheelwarden.payload.common.volume",
        "wheelwarden.payload.probe",
        "wheelwarden.payload.probe.__main__",
        "wheelwarden.payload.probe.attempts",
        "wheelwarden.payload.probe.child",
        "wheelwarden.payload.probe.installed",
        "wheelwarden.payload.probe.memory",
        "wheelwarden.payload.probe.output",
    }


def test_strip_removes_docstrings_and_comments_and_keeps_line_numbers() -> None:
    source = '"""About."""\n\n# why\nclass Fault(Exception):\n    """One,\n    two lines."""\n\ntext = "# no comment"  # so\n'
    assert strip(source) == '\n\n\nclass Fault(Exception):\n    pass\n\n\ntext = "# no comment"\n'


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PAYLOAD)))
def test_a_stripped_source_has_the_same_statements_on_the_same_lines(path: Path) -> None:
    def shape(source: str) -> list[tuple[str, int]]:
        statements = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.stmt)]
        return [(type(node).__name__, node.lineno) for node in statements if not isinstance(node, ast.Expr | ast.Pass)]

    assert shape(strip(path.read_text())) == shape(path.read_text())


def test_the_request_is_the_argument_after_the_program() -> None:
    argv = probe_argv("python3", {"modules": ["six"]}, program="reliability", attached=True)
    assert argv == ["python3", "-I", "-c", bundle("reliability"), '{"modules":["six"],"attached":true}']
