"""The checks of the profile: one round of each, by interpreters that are asked to do a task."""

from __future__ import annotations

import os
import time

from wheelwarden.payload.reliability.rows import SHOWN, Row, end_of, failures_of, same_name, told_of, top

TYPE_CHECKING = False  # `typing` is no module that a probe has to load
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from wheelwarden.payload.reliability.asking import Asking

    Answer = Mapping[str, Any]
    Subject = Sequence[str]

BUILT_IN = "Python's own module"
LISTED = 50  # names of a folder
BUSY_THREADS, BUSY_TURNS = 3, 1000000
DISCOVERY_TRIES, DISCOVERY_SECONDS = 10, 0.1


def try_fresh(asking: Asking, subject: Subject) -> list[Row]:
    """A fresh interpreter: that it imports, how long it takes, and how much memory."""
    answer = asking.ask("once", subject)
    if answer["error"]:
        measured = end_of(answer)
        if answer.get("advice"):
            measured["advice"] = answer["advice"]
        return [Row("fresh", False, answer["error"], measured)]
    measured = {"seconds": round(answer["seconds"], 4), "peakBytes": answer["peakBytes"]}
    return [Row("fresh", True, None, measured)]


def try_order(asking: Asking, subject: Subject) -> list[Row]:
    """Two modules one after the other in one interpreter; and that what both call by one name is one object."""
    answer = asking.ask("order", subject)
    rows = [Row("order", not answer["error"], answer["error"], end_of(answer))]
    if not answer["error"] and same_name(*subject) and (answer["classes"] or top(subject[0]) == top(subject[1])):
        kind = "classes" if answer["classes"] else "objects"
        error = None if answer["same"] else f"{subject[0]} and {subject[1]} are two different {kind}"
        rows.append(Row("identity", not error, error, {}))
    return rows


def try_cycles(asking: Asking, subject: Subject) -> list[Row]:
    """Modules that ask for one that is still being imported; only where that makes the import fail, it is a fault."""
    answer = asking.ask("cycles", subject)
    error = answer["error"]
    circular = bool(error) and ("partially initialized" in error or "circular import" in error or "cycle" in error)
    if circular and answer.get("last"):
        error = f"{answer['last']}: {error}"
    return [Row("cycles", not circular, error if circular else None, {"cycles": answer.get("cycles", [])})]


def try_threads(asking: Asking, subject: Subject) -> list[Row]:
    """All threads of one interpreter at once."""
    workers = asking.request["workers"]
    answer = asking.ask("threads", subject, workers=workers)
    failures = failures_of(answer, None)
    count = answer.get("failed", len(failures))
    error = told_of(failures, f"{count} of {workers} threads failed")
    return [Row("threads", not failures, error, {"failures": count, "firstFailures": failures[:SHOWN]})]


def try_processes(asking: Asking, subject: Subject) -> list[Row]:
    """Several interpreters at once."""
    answers = asking.ask_many(asking.request["processes"], "once", subject)
    failures = [one for number, answer in answers for one in failures_of(answer, number)]
    error = told_of(failures, f"{len(failures)} of {len(answers)} interpreters failed")
    return [Row("processes", not failures, error, {"failures": len(failures), "firstFailures": failures[:SHOWN]})]


def try_load(asking: Asking, subject: Subject) -> list[Row]:
    """Beside busy threads of the same interpreter."""
    answer = asking.ask("load", subject, threads=BUSY_THREADS, turns=BUSY_TURNS)
    return [Row("load", not answer["error"], answer["error"], end_of(answer))]


def try_stress(asking: Asking, subject: Subject) -> list[Row]:
    """Again and again in several interpreters at once: less than one in a hundred may fail."""
    begun = time.monotonic()
    answers = asking.ask_many(asking.request["workers"], "stress", subject, each=asking.request["each"])
    failures = [one for number, answer in answers for one in failures_of(answer, number)]
    failures.sort(key=lambda one: one["at"])
    for one in failures:
        one["afterSeconds"] = round(one.pop("at") - begun, 3)
    done = sum(answer.get("done", 0) for _, answer in answers)
    failed = sum(answer.get("failed", 1) for _, answer in answers)
    ok = done > 0 and failed * 100 < done
    measured = {
        "done": done,
        "failures": failed,
        "firstFailures": failures[:SHOWN],
        "loadedAgain": all(answer.get("loadedAgain") for _, answer in answers),
    }
    return [
        Row("stress", ok, None if ok else told_of(failures, f"{failed} of {done + failed} imports failed"), measured)
    ]


def try_memory(asking: Asking, subject: Subject) -> list[Row]:
    """How much more memory there is in use after many imports of the module; None where it cannot be imported twice.

    Counted after as many imports before: interpreter and allocator keep what the first ones needed, and no leak it is.
    """
    repeats = asking.request["repeats"]
    answer = asking.ask("memory", subject, warm=repeats, repeats=repeats)
    growth = answer.get("growthBytes")
    measured = {"loadedAgain": answer.get("loadedAgain", False)}
    if growth is None:
        return [Row("memory", True, None, dict(measured, cause=answer["error"]))]
    ok = growth <= asking.request["growthLimitBytes"]
    error = None if ok else f"{growth // 1024} KiB more after {repeats} imports"
    return [Row("memory", ok, error, dict(measured, growthBytes=growth))]


def try_paths(asking: Asking, subject: Subject) -> list[Row]:
    """Where it is found, after how many looks, and what else has its name further on."""
    attempts = 0
    answer: Answer = {"missing": True}
    while attempts < DISCOVERY_TRIES and answer.get("missing"):
        time.sleep(DISCOVERY_SECONDS if attempts else 0)
        attempts += 1
        answer = asking.ask("paths", subject, listed=LISTED)
    error, advice = judge_paths(subject[0].partition(":")[0], answer, asking.request["searchPath"])
    measured = dict(answer, attempts=attempts, workingDirectory=os.getcwd())
    if advice:
        measured["advice"] = advice
    missing = advice in ("missing", "hidden") and bool(answer.get("missing"))
    return [Row("paths", not error, error, measured, missing=missing)]


def judge_paths(module: str, answer: Answer, wanted: str) -> tuple[str | None, str | None]:
    """What is wrong with where a module is found, and which advice fits; `wanted` is the entry that should have it."""
    if answer["error"]:
        return answer["error"], None
    places, package = answer["places"], answer["package"]
    if answer["missing"]:
        if places and package:
            return f"{package['file']} hides the one in {places[0]['entry']}", "hidden"
        if package:
            return f"{top(module)} is in {package['file']}, and has no {module}", "missing"
        return "it is on no entry of sys.path", "missing"
    first = places[0] if places else None
    if not first or first["namespace"] or first["entry"] in (wanted, "its own package"):
        return None, None
    if any(one["entry"] == wanted for one in places):
        return f"{first['file'] or BUILT_IN} hides the one in {wanted}", "hidden"
    return None, None


CHECKS: Mapping[str, Callable[[Asking, Subject], list[Row]]] = {
    "fresh": try_fresh,
    "order": try_order,
    "cycles": try_cycles,
    "threads": try_threads,
    "processes": try_processes,
    "load": try_load,
    "stress": try_stress,
    "memory": try_memory,
    "paths": try_paths,
}
