"""docs/manual-tests.md as commands: what people type there is what the tests run."""

import re
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import artifacts

PAGE = artifacts.REPOSITORY / "docs" / "manual-tests.md"


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One scenario: its commands, and those that clean up after it."""

    number: int
    title: str
    do: str
    clean_up: str


def read_page(page: Path = PAGE) -> tuple[str, dict[int, Scenario]]:
    """The preparations, and the scenarios by number."""
    head, *parts = re.split(r"^### (?=\d+\. )", page.read_text(), flags=re.MULTILINE)
    scenarios = {}
    for part in parts:
        number, title = re.match(r"(\d+)\. (.*)", part).groups()  # type: ignore[union-attr]
        do, clean_up = _blocks(part)
        scenarios[int(number)] = Scenario(number=int(number), title=title, do=do, clean_up=clean_up)
    return "\n".join(_blocks(head)), scenarios


def _blocks(text: str) -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
