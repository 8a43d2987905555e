"""One measured figure, the goal it is held against, and how all of them are shown."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """`goal` is a text such as `≥5`, in the unit of `value`; it holds where `value` is on its side."""

    what: str
    value: float
    unit: str
    goal: str

    @property
    def holds(self) -> bool:
        limit = float(self.goal[1:].replace(",", ""))
        return self.value >= limit if self.goal[0] == "≥" else self.value <= limit

    def with_unit(self, number: str) -> str:
        """Such as `≥5×`, `6,120/s` and `0.3 s`."""
        return f"{number}{self.unit}" if self.unit[0] in "×/" else f"{number} {self.unit}"


def render(figures: Sequence[Figure]) -> str:
    """A table for people."""
    rows = [("what", "measured", "goal", "")]
    rows += [
        (one.what, one.with_unit(shown(one.value)), one.with_unit(one.goal), "holds" if one.holds else "MISSED")
        for one in figures
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def shown(value: float) -> str:
    """Three digits that count, and never a power of ten."""
    decimals = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:,.{decimals}f}"


def write(figures: Sequence[Figure], path: Path) -> None:
    """`build/bench.json`: a list of {what, value, unit, goal, holds}."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        {"what": one.what, "value": one.value, "unit": one.unit, "goal": one.goal, "holds": one.holds}
        for one in figures
    ]
    path.write_text(json.dumps(rows, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
