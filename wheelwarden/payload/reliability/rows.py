"""What came of a check, of one round or of all so far, and the failures that it tells of."""

from __future__ import annotations

TYPE_CHECKING = False  # `typing` is no module that a probe has to load
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

ERROR_LIMIT = 300
SHOWN = 10  # of failures and cycles


class Row:
    """One check of one subject. What does not hold once does not hold. `missing`: the module is not there at all."""

    def __init__(
        self, check: str, ok: bool, error: str | None, measured: dict[str, Any], *, missing: bool = False
    ) -> None:
        self.check = check
        self.ok = ok
        self.error = error
        self.measured = measured
        self.missing = missing

    def fail(self, error: str | None) -> None:
        """The first failure is the one that is told."""
        if self.ok:
            self.ok, self.error = False, error

    def is_late(self) -> bool:
        """Whether an interpreter did not end in time."""
        return bool(self.error) and "did not end" in str(self.error)

    def add(self, other: Row) -> None:
        """Takes in another round."""
        if other is self:
            return
        if not other.ok:
            self.fail(other.error)
        self.missing = self.missing or other.missing
        for key, value in other.measured.items():
            mine = self.measured.get(key)
            self.measured[key] = value if mine is None or value is None else merged(key, mine, value)


def merged(key: str, one: Any, other: Any) -> Any:
    """How the figures of two rounds become one."""
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


def same_name(one: str, other: str) -> bool:
    """Whether two `module:attribute` name an attribute of the same name, as different paths to one object do."""
    a, b = (name.partition(":")[2].split(".")[-1] for name in (one, other))
    return bool(a) and a == b and not a.startswith("__") and one.partition(":")[0] != other.partition(":")[0]


def end_of(answer: Mapping[str, Any]) -> dict[str, Any]:
    """How an interpreter ended that did not do as asked."""
    return {"exitCode": answer["exitCode"], "stderr": answer["stderr"]} if answer["error"] else {}


def failures_of(answer: Mapping[str, Any], worker: int | None) -> list[dict[str, Any]]:
    """The failures of one interpreter: those that it told, or its own."""
    told = answer.get("errors") or ([{"error": answer["error"]}] if answer["error"] else [])
    return [
        {
            "worker": one.get("worker", worker),
            "iteration": one.get("iteration"),
            "at": one.get("at", answer["at"]),
            "exitCode": answer["exitCode"],
            "stderr": answer["stderr"],
            "error": one["error"][:ERROR_LIMIT],
        }
        for one in told
    ]


def told_of(failures: Sequence[Mapping[str, Any]], count: str) -> str | None:
    """How many failed, and of the first one who it was and what it said."""
    if not failures:
        return None
    first = failures[0]
    who = "" if first["worker"] is None else f"worker {first['worker']}, "
    return f"{count}; {who}exit code {first['exitCode']}: {first['error']}"
