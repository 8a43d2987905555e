"""The lists of modules in `docs/architecture/`: the first paragraph of each module's docstring, with a link to the file."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = ROOT / "docs" / "architecture"
HEADING: Final = "\n## Modules\n\n"
INSIDE: Final = ("api", "parsing", "rules", "kube", "payload", "verify", "cli")
PROGRAMS: Final = ("controller", "webhook", "certs")

# The folder that each page with a list of modules describes.
ROOMS: Final = {name: ROOT / "wheelwarden" / name for name in INSIDE} | {name: ROOT / name for name in PROGRAMS}


def render_page(room: str) -> str:
    """The page of a room as it stands, with the list of its modules as the tree has them now."""
    page = PAGES / f"{room}.md"
    text, heading, _ = page.read_text().partition(HEADING)
    if not heading:
        raise ValueError(f"{page.relative_to(ROOT)}: the heading {HEADING.strip()!r} is missing")
    note = "Generated from the docstrings by `make generate`.\n\n"
    return text + heading + note + "".join(f"{line}\n" for line in module_lines(room))


def module_lines(room: str) -> Iterator[str]:
    """A line for each module of a room; a package below the room is one line too, where it says something."""
    folder = ROOMS[room]
    for file in sorted(folder.rglob("*.py")):
        name = str(file.relative_to(folder)).removesuffix("__init__.py")
        if name:
            yield f"- [`{name}`](../../{file.relative_to(ROOT)}): {_first_paragraph(file)}"


def _first_paragraph(file: Path) -> str:
    docstring = ast.get_docstring(ast.parse(file.read_text()))
    if not docstring:
        raise ValueError(f"{file.relative_to(ROOT)}: the module has no docstring")
    return " ".join(docstring.partition("\n\n")[0].split())
