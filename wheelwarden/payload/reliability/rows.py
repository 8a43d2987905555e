"""Results of checks: of one round or merged over rounds, with their failures."""

from __future__ import annotations

TYPE_CHECKING = False  # a probe does not load `typing`
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

ERROR_LIMIT = 300
SHOWN = 10  # failures and cycles listed


class Row:
    """The result of a check for one subject. It fails if one round fails. `missing`: the module was not found."""

    def __init__(
        self, check: str, ok: bool, error: str | None, measured: dict[str, Any], *, missing: bool = False
    ) -> None:
        self.check = check
        self.ok = ok
        self.error = error
        self.measured = measured
        self.missing = missing

    def fail(self, error: str | None) -> None:
        """Marks the check as failed. Records the first error only."""
        if self.ok:
            self.ok, self.error = False, error

    def timed_out(self) -> bool:
        """Whether an interpreter exceeded its deadline."""
        return bool(self.error) and "did not end" in str(self.error)

    def add(self, other: Row) -> None:
        """Merges the result of another round."""
        if other is self:
            return
        if not other.ok:
            self.fail(other.error)
        self.missing = self.missing or other.missing
        for key, value in other.measured.items():
            mine = self.measured.get(key)
            self.measured[key] = value if mine is None or value is None else merged(key, mine, value)


def merged(key: str, one: Any, other: Any) -> Any:
    """Merges a figure of two rounds."""
    if key == "seconds":
        return min(one, other)
    if key in ("peakBytes", "growthBytes", "attempts"):
        return max(one, other)
    if key in ("done", "failures"):
        return one + other
    return (one + other)[:SHOWN] if key == "firstFailures" else other


def top(name: str) -> str:
    """The outermost package of `module` or `module:attribute`."""
    return name.partition(":")[0].split(".")[0]


def same_attribute(one: str, other: str) -> bool:
    """Whether two `module:attribute` of different modules name an attribute of the same name, as paths to one object do."""
    a, b = (name.partition(":")[2].split(".")[-1] for name in (one, other))
    return bool(a) and a == b and not a.startswith("__") and one.partition(":")[0] != other.partition(":")[0]


def exit_details(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Exit code and stderr of an interpreter that failed; empty if it succeeded."""
    return {"exitCode": answer["exitCode"], "stderr": answer["stderr"]} if answer["error"] else {}


def failures_of(answer: Mapping[str, Any], worker: int | None) -> list[dict[str, Any]]:
    """The failures of one interpreter: those that it reported, or its own."""
    reported = answer.get("errors") or ([{"error": answer["error"]}] if answer["error"] else [])
    return [
        {
            "worker": one.get("worker", worker),
            "iteration": one.get("iteration"),
            "at": one.get("at", answer["at"]),
            "exitCode": answer["exitCode"],
            "stderr": answer["stderr"],
            "error": one["error"][:ERROR_LIMIT],
        }
        for one in reported
    ]


def failure_summary(failures: Sequence[Mapping[str, Any]], count: str) -> str | None:
    """The count, then worker, exit code and error of the first failure; None without failures."""
    if not failures:
        return None
    first = failures[0]
    who = "" if first["worker"] is None else f"worker {first['worker']}, "
    return f"{count}; {who}exit code {first['exitCode']}: {first['error']}"
