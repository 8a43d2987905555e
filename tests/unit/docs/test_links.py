"""What the pages refer to is there: files, headings and pages of the documentation."""

from pathlib import Path

import pytest

from tests.unit.docs.pages import ROOT, is_missing, leads_nowhere, links, pages, paths

# Not in the repository: data that may lie beside it, and what a run writes.
ELSEWHERE = ("build/", "../shared/")


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_and_every_path_leads_somewhere(page: Path) -> None:
    assert [link for link in links(page) if leads_nowhere(page, link)] == []
    named = {path for path in paths(page) if not path.startswith(ELSEWHERE)}
    assert sorted(path for path in named if is_missing(page, path)) == []


def test_every_page_of_docs_can_be_reached_from_the_readme() -> None:
    seen: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen or page.suffix != ".md":
            continue
        seen.add(page)
        waiting += [(page.parent / link.partition("#")[0]).resolve() for link in links(page) if link[0] != "#"]
    assert sorted(str(page.relative_to(ROOT)) for page in set(pages()) - seen) == []
