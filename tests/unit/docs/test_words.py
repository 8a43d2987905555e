"""The pages are in plain English, and refer to nothing that a reader cannot follow."""

import re
from pathlib import Path

import pytest

from tests.unit.docs.pages import ROOT, pages

ARCHAIC = (
    "anew", "lest", "wherein", "whereof", "thereof", "therein", "at hand", "nobody's business", "left no word",
    "slip of the pen", "and its kin", "without a word", "at the door", "heals itself", "of the house",
)  # fmt: skip
# Documents that are not in the repository.
ELSEWHERE = (r"rulings? \d", r"design, section", r"\bseeds?\b", r"\btask \d", r"\bissue \d")


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_has_no_archaic_words_and_no_reference_to_documents_elsewhere(page: Path) -> None:
    # The list of modules is made of docstrings.
    text = page.read_text().partition("\n## Modules\n")[0].lower()
    assert [word for word in ARCHAIC if re.search(rf"\b{word}\b", text)] == []
    assert [found for pattern in ELSEWHERE for found in re.findall(pattern, text)] == []
