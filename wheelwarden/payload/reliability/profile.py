"""The checks of one request, with their rounds and what is spared; `checks` holds what came of them."""

from __future__ import annotations

import time

from wheelwarden.payload.reliability.asking import Asking
from wheelwarden.payload.reliability.checks import CHECKS
from wheelwarden.payload.reliability.rows import ERROR_LIMIT, Row, same_name

TYPE_CHECKING = False  # `typing` is no module that a probe has to load
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any


class Profile:
    """Runs checks and adds each to `checks`: `{check, subject, ok, error, measured}`."""

    def __init__(self, request: Mapping[str, Any], end: float) -> None:
        self.request = request
        self.modules = request["modules"]
        self.end = end
        self.asking = Asking(request, end)
        self.checks: list[dict[str, object]] = []
        self.missing: set[str] = set()
        self.broken: set[str] = set()

    def run(self, check: str) -> None:
        """Runs one check for each subject it has; what there is no time left for is told and not tried."""
        for subject in self._subjects(check):
            if self.missing.intersection(subject) or (check != "cycles" and self.broken.intersection(subject)):
                continue  # told once, where it was found out
            self._repeat(check, subject)

    def _subjects(self, check: str) -> list[list[str]]:
        if check != "order":
            return [[name] for name in self.modules]
        pairs = [[a, b] for a in self.modules for b in self.modules if a != b]
        pairs.sort(key=lambda pair: not same_name(*pair))
        limit = self.request["pairs"]
        if len(pairs) > limit:
            self._add(
                [f"{len(pairs) - limit} more pairs"],
                Row("order", True, None, {"cause": f"{limit} pairs are tried"}),
            )
        return pairs[:limit]

    def _repeat(self, check: str, subject: Sequence[str]) -> None:
        """Several rounds of a check, until it does not hold; whether a module imports at all takes all of them to say."""
        rows: dict[str, Row] = {}
        number = faults = 0
        while number < self.request["rounds"]:
            if time.monotonic() >= self.end:
                error = f"no time was left for round {number + 1} of {self.request['rounds']}"
                rows.setdefault(check, Row(check, False, error, {})).fail(error)
                break
            number += 1
            faults += self._round(check, subject, number, rows)
            if faults and (check != "fresh" or rows[check].is_late()):
                break
        if check == "fresh":
            self._judge_fresh(subject, rows, 0 < faults == number)
        for row in rows.values():
            if row.missing:
                self.missing.update(subject)
                row.measured["notTried"] = self._rest(check)
            row.measured["rounds"] = number
            self._add(subject, row)

    def _round(self, check: str, subject: Sequence[str], number: int, rows: dict[str, Row]) -> int:
        """Adds one round to the rows; returns how many did not hold."""
        faults = 0
        for row in CHECKS[check](self.asking, subject):
            for one in row.measured.get("firstFailures", ()):
                one.pop("at", None)
                one["round"] = number
            faults += not row.ok
            rows.setdefault(row.check, row).add(row)
        return faults

    def _judge_fresh(self, subject: Sequence[str], rows: dict[str, Row], always: bool) -> None:
        measured = rows["fresh"].measured
        if "seconds" in measured:
            took, budget = measured["seconds"] * 1000, self.request["budgetMs"]
            slow = None if took <= budget else f"it takes {int(took)} ms, more than {budget:g} ms"
            rows["time"] = Row("time", not slow, slow, {"seconds": measured["seconds"]})
        if always:
            self.broken.update(subject)
            measured["notTried"] = self._rest("fresh", "cycles")

    def _rest(self, check: str, *but: str) -> list[str]:
        """The checks that come after one, except these."""
        asked = self.request["checks"]
        return [one for one in asked[asked.index(check) + 1 :] if one not in but]

    def _add(self, subject: Sequence[str], row: Row) -> None:
        self.checks.append(
            {
                "check": row.check,
                "subject": " then ".join(subject),
                "ok": row.ok,
                "error": row.error and row.error[:ERROR_LIMIT],
                "measured": row.measured,
            }
        )
