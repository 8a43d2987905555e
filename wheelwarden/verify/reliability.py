"""The reliability profile: whether modules import reliably, and not only once. Pure.

The checks run in the pod (`wheelwarden/payload/reliability`). This module has their request, their answer and remedies.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from wheelwarden.api.redaction import printable
from wheelwarden.verify.results import UnreadableAnswer

# Every check, in the order in which they run, and what to do if it fails.
REMEDIES: Final[Mapping[str, str]] = {
    "paths": "See the search path and the files in the output of -o json",
    "time": "Import heavy modules only where they are used, or raise the limit with --budget-ms",
    "fresh": "Fix the import, or pin a working version of the package",
    "cycles": (
        "Break the cycle: move the code that both modules need into a third one, or import inside the function that needs it"
    ),
    "order": (
        "The first import changes something that the second one needs: import the modules in an order that works, or fix the "
        "first one"
    ),
    "identity": (
        "There are two copies of it, so an exception raised as one is not caught as the other: define it in one module and "
        "import it in the others. If two are intended, check them in separate runs"
    ),
    "processes": (
        "The import changes something that processes share: a file, a port or a lock. Make that change outside the import"
    ),
    "threads": (
        "The import sets up something that other threads see half initialized. Import the module before threads start"
    ),
    "load": "The import depends on timing or on the order of threads. Look for timeouts, and for threads that it starts",
    "stress": "The import fails sometimes: see the errors in the output of -o json",
    "memory": "Each import keeps objects alive: look for registries and caches outside the module that it adds entries to",
    "readiness": "The pod did not stay ready: the profile may use too much of its CPU or memory. Run it without --in-place",
}
CHECKS: Final = tuple(check for check in REMEDIES if check != "readiness")
DERIVED_CHECKS: Final = ("time", "identity")  # results of the checks fresh and order

# More specific remedies, by the `advice` in the measurements.
ADVICE: Final[Mapping[str, str]] = {
    "missing": "Install the package that provides it, or correct its name. For code outside the search path use --path",
    "hidden": "Rename or remove the module that hides it, or change the order of the search path",
    "attribute": "The module has no such attribute: correct its name, or pin a version of the package that has it",
    "dependency": "It imports a missing module: install the package that provides that module",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile:
    """The parameters of one run.

    Attributes:
        modules: `module` or `module:attribute`.
        path: folders that are put before the search path.
        call: whether attributes are also called, without arguments.
        budget_ms: time limit for one import, in milliseconds.
        growth_limit_bytes: limit for the growth of memory over `repeats` imports.
        workers: number of interpreters in the stress check, and of threads in one interpreter.
        each: number of imports by each worker of the stress check.
        rounds: how often every check is repeated.
        pairs: number of module pairs in the order check.
        deadline_seconds: time limit for one interpreter.
        round_seconds: time limit for each round.
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
        """The time limit for the whole run."""
        return self.rounds * self.round_seconds

    def as_request(self, search_path: str) -> Mapping[str, Any]:
        """The request for the payload; `search_path` is the folder with the pod's packages."""
        return {
            "version": 1,
            "modules": list(dict.fromkeys(self.modules)),
            "checks": [check for check in CHECKS if check not in DERIVED_CHECKS],
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
    """The result of one check of one subject (a module, or two modules in their order)."""

    check: str
    subject: str
    ok: bool
    error: str | None
    measured: Mapping[str, Any]

    @property
    def remedy(self) -> str:
        """What to do if the check failed."""
        specific = ADVICE.get(str(self.measured.get("advice")))
        return specific or REMEDIES.get(self.check, "")


@dataclass(frozen=True, kw_only=True, slots=True)
class Reliability:
    """The result of one run."""

    python: str
    checks: tuple[Check, ...]

    @property
    def holds(self) -> bool:
        """Whether every check passed."""
        return all(check.ok for check in self.checks)


def parse_reliability(stdout: str) -> Reliability:
    """Parse the payload's answer, the last line of its stdout. Raises UnreadableAnswer."""
    lines = stdout.strip().splitlines()
    try:
        answer = json.loads(lines[-1] if lines else "")
        if answer["version"] != 1:
            raise UnreadableAnswer(f"the payload's answer has version {answer['version']}, expected version 1")
        return Reliability(python=_text(answer["python"]), checks=tuple(_read_check(one) for one in answer["checks"]))
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableAnswer(f"the payload's answer cannot be read ({type(error).__name__}: {error})") from error


def _read_check(one: Mapping[str, Any]) -> Check:
    ok, error, measured = one["ok"], one["error"], one["measured"]
    if not isinstance(ok, bool) or not isinstance(error, str | None) or not isinstance(measured, dict):
        raise TypeError("a check has a value of a wrong type")
    return Check(check=_text(one["check"]), subject=_text(one["subject"]), ok=ok, error=error, measured=measured)


def _text(value: Any) -> str:
    """A string, made printable: a pod can answer anything."""
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} instead of a string")
    return printable(value)


def readiness(before: Mapping[str, Any], after: Mapping[str, Any] | None) -> Check:
    """Check that the workload's pod stayed ready while the profile ran, by its status before and after."""
    name = before["metadata"]["name"]
    if after is None or after["metadata"]["uid"] != before["metadata"]["uid"]:
        return Check(check="readiness", subject=name, ok=True, error=None, measured={"cause": "the pod was recreated"})
    was, now = _readiness_of(before), _readiness_of(after)
    restarts = [_restarts(before), _restarts(after)]
    # A pod that was not ready before cannot lose readiness.
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
