"""The pages of the repository and the links in them, for the tests that read documentation."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[3]
# Where a path in backticks may begin, besides the repository and the folder of its page.
BASES: Final = (ROOT, ROOT / "wheelwarden", ROOT / "docs", ROOT / "charts" / "wheelwarden", ROOT / "examples")
_LINK: Final = re.compile(r"\]\(([^)\s:]+)\)")
_PATH: Final = re.compile(r"`((?:[\w.-]+/)+[\w.*-]+\.(?:py|md|ya?ml|json|toml|tpl|txt))`")


def pages() -> list[Path]:
    """Every page of documentation."""
    folders = [ROOT / "docs", ROOT / "examples", ROOT / "charts"]
    return sorted([*ROOT.glob("*.md"), *(page for folder in folders for page in folder.rglob("*.md"))])


def links(page: Path) -> Iterator[str]:
    """The links of a page that lead to a file of the repository, with their anchors."""
    yield from _LINK.findall(page.read_text())


def paths(page: Path) -> set[str]:
    """The paths of files that a page names in backticks; `*`, or a name in capitals, stands for any name."""
    return {re.sub(r"\b[A-Z]+\b(?=\.(?:py|ya?ml)$)", "*", path) for path in _PATH.findall(page.read_text())}


def leads_nowhere(page: Path, link: str) -> bool:
    """Whether the file of a link is missing, or the heading that it names in that file."""
    path, _, anchor = link.partition("#")
    file = (page.parent / path).resolve() if path else page
    return not file.exists() or bool(anchor and anchor not in anchors(file))


def is_missing(page: Path, path: str) -> bool:
    """Whether no file has such a path, from any place where a page may begin it."""
    bases = (page.parent, ROOT / "wheelwarden" / page.stem, ROOT / page.stem, *BASES)
    return not any(any(base.glob(path)) for base in bases if base.is_dir())


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as code hosts make them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-") for heading in headings}
