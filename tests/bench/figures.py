"""One measured figure, the goal it is held against, and how all of them are shown."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Figure:
    """`goal` is a text such as `≥5`; it holds where `value` is on its side."""

    what: str
    value: float
    unit: str
    goal: str

    @property
    def holds(self) -> bool:
        limit = float(self.goal[1:].replace(",", ""))
        return self.value >= limit if self.goal[0] == "≥" else self.value <= limit


def render(figures: Sequence[Figure]) -> str:
    """A table for people."""
    rows = [("what", "measured", "goal", "")]
    rows += [
        (one.what, f"{one.value:,.4g} {one.unit}", f"{one.goal} {one.unit}", "holds" if one.holds else "MISSED")
        for one in figures
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def write(figures: Sequence[Figure], path: Path) -> None:
    """`build/bench.json`: a list of {what, value, unit, goal, holds}."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([{**asdict(one), "holds": one.holds} for one in figures], indent=2) + "\n")
