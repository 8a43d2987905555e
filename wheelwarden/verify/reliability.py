"""The reliability profile: how surely modules import, not only whether they do once. Pure.

What is tried in the pod stands in `wheelwarden/payload/reliability`; here is what is asked for, and what its answer means.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from wheelwarden.api.redaction import printable
from wheelwarden.verify.results import UnreadableAnswer

# Every check, in the order in which they are run, with what to do where it does not hold.
REMEDIES: Final[Mapping[str, str]] = {
    "paths": "Look at search path and files in the answer (-o json)",
    "time": "Import what is heavy where it is used, or allow more by --budget-ms",
    "fresh": "Mend the import, or pin a version of the package that works",
    "cycles": "Break the cycle: move what both modules need into a third one, or import it inside of the function",
    "order": "The first module changes what the second one needs: import both in every order that your code has",
    "identity": (
        "There are two copies of it, so what is raised as one is not caught as the other: define it in one module and "
        "import it in the others. If two are meant, ask for them in two runs"
    ),
    "processes": "Importing changes something that processes share: a file, a port or a lock. Do it outside of the import",
    "threads": "Something is set up during the import that other threads see half done. Import the module before threads start",
    "load": "The import depends on time or on the order of threads. Look for timeouts and threads that it starts",
    "stress": "The import does not always work: look at the errors in the answer (-o json)",
    "memory": "Each import keeps something alive: look for registries and caches outside of the module that it adds to",
    "readiness": "The pod was not ready all the time, so the profile may have cost it too much: run it without --in-place",
}
CHECKS: Final = tuple(check for check in REMEDIES if check != "readiness")
CHECKED_BESIDE: Final = ("time", "identity")  # come with fresh and order

# What is better to do than the above, by the `advice` in what was measured.
ADVICE: Final[Mapping[str, str]] = {
    "missing": "Install the package that has it, or correct its name. Code outside of the search path is found by --path",
    "hidden": "Rename or remove what hides it, or change the order of the search path",
    "attribute": "The module has no such attribute: correct its name, or pin a version of the package that has it",
    "dependency": "It imports a module that is not there: install the package that has that one",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile:
    """What is asked for.

    Attributes:
        modules: `module` or `module:attribute`.
        path: folders put before the search path.
        call: whether attributes are called, without arguments.
        budget_ms: that an import may take, in milliseconds.
        growth_limit_bytes: that memory may grow over `repeats` imports.
        workers: interpreters of the stress and threads of one interpreter.
        each: imports of each worker of the stress.
        rounds: how often every check is repeated.
        pairs: of modules, that are tried in their order.
        deadline_seconds: of one interpreter.
        round_seconds: of all that is tried, for each round.
    """

    modules: tuple[str, ...]
    path: tuple[str, ...] = ()
    call: bool = False
    budget_ms: float = 100
    growth_limit_bytes: int = 1 << 20
    repeats: int = 100
    workers: int = 10
    each: int = 50
    rounds: int = 3
    processes: int = 5
    pairs: int = 20
    deadline_seconds: int = 60
    round_seconds: int = 600

    @property
    def total_seconds(self) -> int:
        """What the whole profile may take."""
        return self.rounds * self.round_seconds

    def as_request(self, search_path: str) -> Mapping[str, Any]:
        """The request that the payload reads; `search_path` is where the packages of the pod are."""
        return {
            "version": 1,
            "modules": list(dict.fromkeys(self.modules)),
            "checks": [check for check in CHECKS if check not in CHECKED_BESIDE],
            "path": list(self.path),
            "call": self.call,
            "budgetMs": self.budget_ms,
            "growthLimitBytes": self.growth_limit_bytes,
            "repeats": self.repeats,
            "workers": self.workers,
            "each": self.each,
            "rounds": self.rounds,
            "processes": self.processes,
            "pairs": self.pairs,
            "deadlineSeconds": self.deadline_seconds,
            "totalSeconds": self.total_seconds,
            "searchPath": search_path,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """What came of one check of one subject (a module, or two in their order)."""

    check: str
    subject: str
    ok: bool
    error: str | None
    measured: Mapping[str, Any]

    @property
    def remedy(self) -> str:
        """What to do where it does not hold."""
        special = ADVICE.get(str(self.measured.get("advice")))
        return special or REMEDIES.get(self.check, "")


@dataclass(frozen=True, kw_only=True, slots=True)
class Reliability:
    """The whole answer."""

    python: str
    checks: tuple[Check, ...]

    @property
    def holds(self) -> bool:
        """Whether every check does."""
        return all(check.ok for check in self.checks)


def parse_reliability(stdout: str) -> Reliability:
    """Reads the payload's answer, the last line of its stdout. Raises UnreadableAnswer."""
    lines = stdout.strip().splitlines()
    try:
        answer = json.loads(lines[-1] if lines else "")
        if answer["version"] != 1:
            raise UnreadableAnswer(f"the payload answered in version {answer['version']}, this is version 1")
        return Reliability(python=_text(answer["python"]), checks=tuple(_read_check(one) for one in answer["checks"]))
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableAnswer(f"the answer cannot be read ({type(error).__name__}: {error})") from error


def _read_check(one: Mapping[str, Any]) -> Check:
    ok, error, measured = one["ok"], one["error"], one["measured"]
    if not isinstance(ok, bool) or not isinstance(error, str | None) or not isinstance(measured, dict):
        raise TypeError("a check has a value of another type")
    return Check(check=_text(one["check"]), subject=_text(one["subject"]), ok=ok, error=error, measured=measured)


def _text(value: Any) -> str:
    """Printable: what runs in the pod can answer anything."""
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} in the place of a text")
    return printable(value)


def readiness(before: Mapping[str, Any], after: Mapping[str, Any] | None) -> Check:
    """Whether the workload's pod stayed ready while the profile ran, by its status before and afterwards."""
    name = before["metadata"]["name"]
    if after is None or after["metadata"]["uid"] != before["metadata"]["uid"]:
        return Check(check="readiness", subject=name, ok=True, error=None, measured={"cause": "the pod was recreated"})
    was, now = _readiness_of(before), _readiness_of(after)
    restarts = [_restarts(before), _restarts(after)]
    # A pod that was not ready before has lost nothing.
    kept = was[0] != "True" or (was == now and restarts[0] == restarts[1])
    error = None if kept else f"Ready was {was[0]} since {was[1]} and is {now[0]} since {now[1]}"
    return Check(check="readiness", subject=name, ok=kept, error=error, measured={"restarts": restarts[1]})


def _readiness_of(pod: Mapping[str, Any]) -> Sequence[str]:
    for condition in (pod.get("status") or {}).get("conditions") or []:
        if condition["type"] == "Ready":
            return [condition["status"], str(condition.get("lastTransitionTime"))]
    return ["Unknown", ""]


def _restarts(pod: Mapping[str, Any]) -> int:
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    return sum(int(status.get("restartCount") or 0) for status in statuses)
