"""The checks of the profile. Each function runs one round of a check in child interpreters."""

from __future__ import annotations

import os
import time

from wheelwarden.payload.reliability.rows import (
    SHOWN,
    Row,
    exit_details,
    failure_summary,
    failures_of,
    same_attribute,
    top,
)

TYPE_CHECKING = False  # a probe does not load `typing`
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from wheelwarden.payload.reliability.asking import TaskRunner

    Answer = Mapping[str, Any]
    Subject = Sequence[str]

BUILT_IN = "Python's own module"
LISTED = 50  # names listed of a folder
BUSY_THREADS, BUSY_TURNS = 3, 1000000
DISCOVERY_TRIES, DISCOVERY_SECONDS = 10, 0.1


def try_fresh(runner: TaskRunner, subject: Subject) -> list[Row]:
    """One import in a new interpreter: success, time and peak memory."""
    answer = runner.run("once", subject)
    if answer["error"]:
        measured = exit_details(answer)
        if answer.get("advice"):
            measured["advice"] = answer["advice"]
        return [Row("fresh", False, answer["error"], measured)]
    measured = {"seconds": round(answer["seconds"], 4), "peakBytes": answer["peakBytes"]}
    return [Row("fresh", True, None, measured)]


def try_order(runner: TaskRunner, subject: Subject) -> list[Row]:
    """Two imports in one interpreter, in this order. `identity`: an attribute that both name must be the same object."""
    answer = runner.run("order", subject)
    rows = [Row("order", not answer["error"], answer["error"], exit_details(answer))]
    if not answer["error"] and same_attribute(*subject) and (answer["classes"] or top(subject[0]) == top(subject[1])):
        kind = "classes" if answer["classes"] else "objects"
        error = None if answer["same"] else f"{subject[0]} and {subject[1]} are two different {kind}"
        rows.append(Row("identity", not error, error, {}))
    return rows


def try_cycles(runner: TaskRunner, subject: Subject) -> list[Row]:
    """Circular imports. They are listed, and the check fails only if they make the import fail."""
    answer = runner.run("cycles", subject)
    error = answer["error"]
    circular = bool(error) and ("partially initialized" in error or "circular import" in error or "cycle" in error)
    if circular and answer.get("last"):
        error = f"{answer['last']}: {error}"
    return [Row("cycles", not circular, error if circular else None, {"cycles": answer.get("cycles", [])})]


def try_threads(runner: TaskRunner, subject: Subject) -> list[Row]:
    """One import in several threads of one interpreter at the same time."""
    workers = runner.request["workers"]
    answer = runner.run("threads", subject, workers=workers)
    failures = failures_of(answer, None)
    count = answer.get("failed", len(failures))
    error = failure_summary(failures, f"{count} of {workers} threads failed")
    return [Row("threads", not failures, error, {"failures": count, "firstFailures": failures[:SHOWN]})]


def try_processes(runner: TaskRunner, subject: Subject) -> list[Row]:
    """One import in several interpreters at the same time."""
    answers = runner.run_many(runner.request["processes"], "once", subject)
    failures = [one for number, answer in answers for one in failures_of(answer, number)]
    error = failure_summary(failures, f"{len(failures)} of {len(answers)} interpreters failed")
    return [Row("processes", not failures, error, {"failures": len(failures), "firstFailures": failures[:SHOWN]})]


def try_load(runner: TaskRunner, subject: Subject) -> list[Row]:
    """One import while other threads of the interpreter are busy."""
    answer = runner.run("load", subject, threads=BUSY_THREADS, turns=BUSY_TURNS)
    return [Row("load", not answer["error"], answer["error"], exit_details(answer))]


def try_stress(runner: TaskRunner, subject: Subject) -> list[Row]:
    """Repeated imports in several interpreters at the same time. Fewer than 1% may fail."""
    started = time.monotonic()
    answers = runner.run_many(runner.request["workers"], "stress", subject, each=runner.request["each"])
    failures = [one for number, answer in answers for one in failures_of(answer, number)]
    failures.sort(key=lambda one: one["at"])
    for one in failures:
        one["afterSeconds"] = round(one.pop("at") - started, 3)
    done = sum(answer.get("done", 0) for _, answer in answers)
    failed = sum(answer.get("failed", 1) for _, answer in answers)
    ok = done > 0 and failed * 100 < done
    measured = {
        "done": done,
        "failures": failed,
        "firstFailures": failures[:SHOWN],
        "loadedAgain": all(answer.get("loadedAgain") for _, answer in answers),
    }
    error = None if ok else failure_summary(failures, f"{failed} of {done + failed} imports failed")
    return [Row("stress", ok, error, measured)]


def try_memory(runner: TaskRunner, subject: Subject) -> list[Row]:
    """Memory growth over many imports of the module. Passes without a figure if the task failed.

    As many imports precede the measurement: memory that interpreter and allocator keep after the first ones is no leak.
    """
    repeats = runner.request["repeats"]
    answer = runner.run("memory", subject, warm=repeats, repeats=repeats)
    growth = answer.get("growthBytes")
    measured = {"loadedAgain": answer.get("loadedAgain", False)}
    if growth is None:
        return [Row("memory", True, None, dict(measured, cause=answer["error"]))]
    ok = growth <= runner.request["growthLimitBytes"]
    error = None if ok else f"{growth // 1024} KiB more after {repeats} imports"
    return [Row("memory", ok, error, dict(measured, growthBytes=growth))]


def try_paths(runner: TaskRunner, subject: Subject) -> list[Row]:
    """Where the module is found, after how many attempts, and other files of the same name on sys.path."""
    attempts = 0
    answer: Answer = {"missing": True}
    while attempts < DISCOVERY_TRIES and answer.get("missing"):
        time.sleep(DISCOVERY_SECONDS if attempts else 0)
        attempts += 1
        answer = runner.run("paths", subject, listed=LISTED)
    error, advice = judge_paths(subject[0].partition(":")[0], answer, runner.request["searchPath"])
    measured = dict(answer, attempts=attempts, workingDirectory=os.getcwd())
    if advice:
        measured["advice"] = advice
    missing = advice in ("missing", "hidden") and bool(answer.get("missing"))
    return [Row("paths", not error, error, measured, missing=missing)]


def judge_paths(module: str, answer: Answer, wanted: str) -> tuple[str | None, str | None]:
    """Judges where a module is found. Returns (error, key of the advice); `wanted` is the entry that should contain it."""
    if answer["error"]:
        return answer["error"], None
    places, package = answer["places"], answer["package"]
    if answer["missing"]:
        if places and package:
            return f"{package['file']} hides the one in {places[0]['entry']}", "hidden"
        if package:
            return f"{top(module)} is in {package['file']}, but has no {module}", "missing"
        return "it is not on sys.path", "missing"
    first = places[0] if places else None
    if not first or first["namespace"] or first["entry"] in (wanted, "its own package"):
        return None, None
    if any(one["entry"] == wanted for one in places):
        return f"{first['file'] or BUILT_IN} hides the one in {wanted}", "hidden"
    return None, None


CHECKS: Mapping[str, Callable[[TaskRunner, Subject], list[Row]]] = {
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
