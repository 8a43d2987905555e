"""Runs the checks of one request, in rounds, without those that cannot succeed."""

from __future__ import annotations

import time

from wheelwarden.payload.reliability.asking import TaskRunner
from wheelwarden.payload.reliability.checks import CHECKS
from wheelwarden.payload.reliability.rows import ERROR_LIMIT, Row, same_attribute

TYPE_CHECKING = False  # a probe does not load `typing`
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any


class Profile:
    """Runs checks and appends each result to `checks`: `{check, subject, ok, error, measured}`."""

    def __init__(self, request: Mapping[str, Any], end: float) -> None:
        self.request = request
        self.modules = request["modules"]
        self.end = end
        self.runner = TaskRunner(request, end)
        self.checks: list[dict[str, object]] = []
        self.missing: set[str] = set()
        self.broken: set[str] = set()

    def run(self, check: str) -> None:
        """Runs one check for each of its subjects. Those without time left are reported as failed."""
        for subject in self._subjects(check):
            if self.missing.intersection(subject) or (check != "cycles" and self.broken.intersection(subject)):
                continue  # already reported, by the check that found it
            self._repeat(check, subject)

    def _subjects(self, check: str) -> list[list[str]]:
        if check != "order":
            return [[name] for name in self.modules]
        pairs = [[a, b] for a in self.modules for b in self.modules if a != b]
        pairs.sort(key=lambda pair: not same_attribute(*pair))
        limit = self.request["pairs"]
        if len(pairs) > limit:
            self._add(
                [f"{len(pairs) - limit} more pairs"],
                Row("order", True, None, {"cause": f"only {limit} pairs are tried"}),
            )
        return pairs[:limit]

    def _repeat(self, check: str, subject: Sequence[str]) -> None:
        """Repeats a check until it fails. `fresh` continues except after a timeout, to see whether every import fails."""
        rows: dict[str, Row] = {}
        number = failures = 0
        while number < self.request["rounds"]:
            if time.monotonic() >= self.end:
                error = f"no time was left for round {number + 1} of {self.request['rounds']}"
                rows.setdefault(check, Row(check, False, error, {})).fail(error)
                break
            number += 1
            failures += self._round(check, subject, number, rows)
            if failures and (check != "fresh" or rows[check].timed_out()):
                break
        if check == "fresh":
            self._judge_fresh(subject, rows, 0 < failures == number)
        for row in rows.values():
            if row.missing:
                self.missing.update(subject)
                row.measured["notTried"] = self._checks_after(check)
            row.measured["rounds"] = number
            self._add(subject, row)

    def _round(self, check: str, subject: Sequence[str], number: int, rows: dict[str, Row]) -> int:
        """Adds one round to the rows. Returns the number of failed ones."""
        failures = 0
        for row in CHECKS[check](self.runner, subject):
            for one in row.measured.get("firstFailures", ()):
                one.pop("at", None)
                one["round"] = number
            failures += not row.ok
            rows.setdefault(row.check, row).add(row)
        return failures

    def _judge_fresh(self, subject: Sequence[str], rows: dict[str, Row], always: bool) -> None:
        measured = rows["fresh"].measured
        if "seconds" in measured:
            took, budget = measured["seconds"] * 1000, self.request["budgetMs"]
            slow = None if took <= budget else f"it takes {int(took)} ms, more than {budget:g} ms"
            rows["time"] = Row("time", not slow, slow, {"seconds": measured["seconds"]})
        if always:
            self.broken.update(subject)
            measured["notTried"] = self._checks_after("fresh", "cycles")

    def _checks_after(self, check: str, *excluded: str) -> list[str]:
        """The requested checks after this one, without the excluded ones."""
        asked = self.request["checks"]
        return [one for one in asked[asked.index(check) + 1 :] if one not in excluded]

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
