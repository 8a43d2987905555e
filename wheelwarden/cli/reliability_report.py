"""The report of `wheelwarden verify --profile reliability`: text for people, a record for programs, JUnit XML for CI."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from wheelwarden.api.redaction import printable
from wheelwarden.cli.junit import JunitCase, junit_document
from wheelwarden.verify.reliability import Check, Reliability

SHOWN_LINES: Final = 5  # last lines of an interpreter's stderr
# Raised for measurements of other types: a pod can answer anything.
UNREADABLE: Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


def record(found: Reliability) -> Mapping[str, Any]:
    """The whole result as plain data."""
    checks = [{**asdict(check), "remedy": None if check.ok else check.remedy} for check in found.checks]
    return {"python": found.python, "holds": found.holds, "checks": checks}


def text(found: Reliability) -> Sequence[str]:
    """The lines for people: a table of the checks, then the remedies for failed ones."""
    width = max(len("SUBJECT"), *(len(check.subject) for check in found.checks))
    lines = [f"{'CHECK':9}  {'SUBJECT':{width}}  RESULT"]
    for check in found.checks:
        result = measured(check) if check.ok else f"failed: {check.error}"
        if check.measured.get("notTried"):
            result += "; its other checks were skipped"
        lines.append(f"{check.check:9}  {check.subject:{width}}  {printable(result)}".rstrip())
    failed = [check for check in found.checks if not check.ok]
    for check in failed:
        lines += ["", *shown] if (shown := failures(check)) else []
    lines += ["", f"{len(found.checks) - len(failed)} of {len(found.checks)} checks passed in Python {found.python}."]
    remedies = dict.fromkeys(f"{check.check}: {check.remedy}." for check in failed)
    return [*lines, *remedies]


def failures(check: Check) -> Sequence[str]:
    """The lines for the first failures of a check that ran in several interpreters or threads, with their stderr.

    Empty if there are none, or if the pod's list of them is not valid.
    """
    try:
        return _failures(check) if check.measured.get("firstFailures") else []
    except UNREADABLE:
        return []


def _failures(check: Check) -> Sequence[str]:
    lines = [f"{check.check} {check.subject}, first failures:"]
    printed = ""
    for one in check.measured["firstFailures"]:
        iteration = f", import {one['iteration']}" if one.get("iteration") else ""
        lines.append(
            f"  round {one['round']}, worker {one['worker']}{iteration}, exit code {one['exitCode']}: {printable(one['error'])}"
        )
        if one["stderr"] != printed:  # failures of one interpreter have the same stderr
            printed = one["stderr"]
            lines += [f"    | {printable(line)}" for line in printed.splitlines()[-SHOWN_LINES:]]
    return lines


def measured(check: Check) -> str:
    """The measurement of a check that passed, as text; just "ok" if the pod's measurement is not valid."""
    try:
        return _measurement(check)
    except UNREADABLE:
        return "ok"


def _measurement(check: Check) -> str:
    found = check.measured
    if check.check in ("time", "fresh") and "seconds" in found:
        peak = f", peak memory {found['peakBytes'] >> 20} MiB" if "peakBytes" in found else ""
        return f"ok, {found['seconds'] * 1000:.0f} ms{peak}"
    if check.check == "stress":
        again = "" if found["loadedAgain"] else ", compiled module: loaded once per interpreter"
        return f"ok, {found['done']} imports, {found['failures']} failed{again}"
    if check.check == "memory" and found.get("growthBytes") is not None:
        again = "" if found["loadedAgain"] else ", compiled module: loaded once"
        return f"ok, {found['growthBytes'] / 1024:+.0f} KiB{again}"
    if check.check == "memory":
        return f"not measured: {found.get('cause')}"
    if check.check == "order" and found.get("cause"):
        return f"not tried: {found['cause']}"
    if check.check == "cycles" and found["cycles"]:
        return f"ok, harmless cycles: {'; '.join(found['cycles'][:3])}"
    if check.check == "paths" and found.get("places"):
        first = found["places"][0]
        others = [] if first["namespace"] else [place["file"] for place in found["places"][1:]]
        others = [file for file in others if file != first["file"]]
        return f"ok, {first['file'] or first['entry']}" + (f", hides {', '.join(map(str, others))}" if others else "")
    return "ok"


def junit(found: Reliability, name: str) -> str:
    """JUnit XML: a case for each check of each subject."""
    cases = [
        JunitCase(
            name=f"{check.check} {check.subject}",
            seconds=_seconds(check.measured.get("seconds")),
            failure=None if check.ok else (check.check, check.error or "", f"{check.error}\n{check.remedy}."),
        )
        for check in found.checks
    ]
    return junit_document(name, "wheelwarden.verify.reliability", cases)


def _seconds(value: object) -> float:
    return value if isinstance(value, float) else 0.0
