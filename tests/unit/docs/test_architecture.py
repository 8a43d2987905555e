"""The pages on the architecture name the rooms, modules, templates and test folders that there are."""

import re
import tomllib
from pathlib import Path

import pytest

from tests.unit.docs.pages import ROOT
from tools.generated.modules import PAGES, ROOMS

ENTRY = (ROOT / "docs" / "architecture.md").read_text()
BESIDE_ROOMS = {"chart", "tests", "formats"}  # pages without a list of modules


def modules_on(page: Path) -> list[Path]:
    listed = page.read_text().partition("\n## Modules\n")[2]
    return [
        (page.parent / link).resolve() for link in re.findall(r"^- \[`[^`]+`\]\(([^)]+)\): \S", listed, re.MULTILINE)
    ]


@pytest.mark.parametrize("room", ROOMS)
def test_the_page_of_a_room_lists_its_modules_and_no_others(room: str) -> None:
    there = sorted(set(ROOMS[room].rglob("*.py")) - {ROOMS[room] / "__init__.py"})
    assert there != []
    assert modules_on(PAGES / f"{room}.md") == there


def test_every_package_and_every_module_of_the_product_belongs_to_a_page() -> None:
    folders = {path.parent for path in ROOT.glob("*/__init__.py")} | {
        path.parent for path in (ROOT / "wheelwarden").glob("*/__init__.py")
    }
    named_on_the_entry = {ROOT / "wheelwarden", ROOT / "tools", ROOT / "tests"}
    assert folders - named_on_the_entry == set(ROOMS.values())
    flat = {path.name for path in (ROOT / "wheelwarden").glob("*.py")} - {"__init__.py", "__main__.py"}
    assert {name for name in flat if f"`wheelwarden/{name}`" not in ENTRY} == set()


def test_the_entry_leads_to_every_room() -> None:
    linked = re.findall(r"^\| \[`[^`]+`\]\(architecture/(\w+)\.md\) \|", ENTRY, re.MULTILINE)
    assert sorted(linked) == sorted({*ROOMS, *BESIDE_ROOMS} - {"formats"})
    assert {page.stem for page in PAGES.glob("*.md")} == {*ROOMS, *BESIDE_ROOMS}


@pytest.mark.parametrize("room", [*ROOMS, "chart", "tests"])
def test_every_page_says_what_a_room_promises_and_what_it_must_not(room: str) -> None:
    parts = re.findall(r"^\*\*(Holds|Promises|Must not|Tests)\*\*", (PAGES / f"{room}.md").read_text(), re.MULTILINE)
    assert parts == ["Holds", "Promises", "Must not", *(["Tests"] if room != "tests" else [])]


def test_the_pages_name_every_room_that_import_linter_knows() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = {
        name
        for contract in contracts
        if contract["type"] == "layers"
        for layer in contract["layers"]
        for name in layer.split(" | ")
    }
    assert layers - {"wheelwarden", "settings", "logs"} == set(ROOMS)


def test_the_page_of_the_chart_lists_its_files_and_no_others() -> None:
    chart = ROOT / "charts" / "wheelwarden"
    there = {str(path.relative_to(chart)) for path in chart.rglob("*") if path.is_file()}
    rows = re.findall(r"^\| (`.*?) \| ", (PAGES / "chart.md").read_text(), re.MULTILINE)
    assert sorted(name for row in rows for name in re.findall(r"`([^`]+)`", row)) == sorted(there)


def test_the_page_of_the_tests_lists_the_folders_and_no_others() -> None:
    there = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and path.name != "__pycache__"}
    rows = re.findall(r"^\| `(\w+)` \|", (PAGES / "tests.md").read_text(), re.MULTILINE)
    assert sorted(rows) == sorted(there)
