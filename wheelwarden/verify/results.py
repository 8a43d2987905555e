"""Results of import verification: the probe's answer, and the public result type of the verification contract."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from wheelwarden.api.conditions import Reason
from wheelwarden.api.errors import CommandTimeoutError, WheelwardenError
from wheelwarden.api.redaction import printable, shown

# Every `reason` that a failed import may have. A public, closed set: docs/guide.md explains each.
FAILURE_REASONS: Final = frozenset(
    {
        Reason.MODULE_NOT_FOUND, Reason.ATTRIBUTE_NOT_FOUND, Reason.IMPORT_FAILED, Reason.MISSING_SHARED_LIBRARY,
        Reason.INCOMPATIBLE_BINARY, Reason.CIRCULAR_IMPORT, Reason.SHADOWED, Reason.PROBE_TIMEOUT, Reason.OUT_OF_MEMORY,
        Reason.PROBE_FAILED,
    }
)  # fmt: skip
RESULTS_LIMIT: Final = 16_384  # annotations of an object share 256 KiB
NUMBER_LIMIT: Final = 1 << 60  # for bytes and seconds that a pod reports
NAME_LIMIT: Final = 255  # characters of a name or a version; no file system has longer file names
ERROR_LIMIT: Final = 300  # characters; the probe cuts errors at this length (payload/probe/attempts.py)
PATH_LIMIT: Final = 4096  # characters; PATH_MAX on Linux
STDERR_KEPT: Final = 1000  # characters of a failed import's stderr


class UnreadableAnswer(WheelwardenError):
    """The output of the probe is not a valid answer; the text says what is wrong."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageVerificationResult:
    """Result of a single import verification (package verification contract, version 1.0.0).

    Attributes:
        package_name: the module entry as given.
        import_successful: whether the import succeeded.
        error_message: why it failed, in one line; None on success.
        command_executed: the interpreter and the statements that were run, as a person would type them.
        execution_time_seconds: time of the import, measured in the pod, always below the timeout. If the deadline ended
            the import, the time is just below the timeout; if the import was not tried, it is 0.
        pod_logs: after a failure the last log lines of the container, or why they are missing, if diagnostics were
            requested; otherwise None.
        stdout: the end of the import's output, at most 16,000 characters; if it was cut, the first line says so.
        stderr: the same for stderr, which includes the traceback.
        reason: one of FAILURE_REASONS; None on success.
    """

    package_name: str
    import_successful: bool
    error_message: str | None
    command_executed: str
    execution_time_seconds: float
    pod_logs: str | None = None
    stdout: str = ""
    stderr: str = ""
    reason: str | None = None

    @property
    def exception(self) -> CommandTimeoutError | None:
        """The timeout that ended the import; None if it ended otherwise."""
        return CommandTimeoutError(self.error_message) if self.reason == Reason.PROBE_TIMEOUT else None


@dataclass(frozen=True, kw_only=True, slots=True)
class ModuleResult:
    """The probe's result for one module; `reason` and `error` are None on success."""

    module: str
    ok: bool
    seconds: float
    file: str | None = None
    reason: str | None = None
    error: str | None = None
    argv: tuple[str, ...] = ()
    exit_code: int | None = None
    stdout: str = ""
    stderr: str = ""

    @property
    def command(self) -> str:
        """The argv as a person would type it."""
        return shlex.join(self.argv)


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """Size of the file system that has the packages, in bytes (statvfs)."""

    total_bytes: int
    used_bytes: int
    available_bytes: int

    @property
    def percent(self) -> float:
        """The used part, 0 to 100, with one decimal."""
        return round(100 * self.used_bytes / self.total_bytes, 1) if self.total_bytes else 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Distribution:
    """An installed distribution.

    `found` has each version with installed metadata, and whether the files match this version (None if unknown).
    """

    name: str
    found: tuple[tuple[str, bool | None], ...]

    @property
    def versions(self) -> tuple[str, ...]:
        """The versions that are really installed: those whose files are not known to differ, or all if there are none."""
        there = tuple(version for version, intact in self.found if intact is not False)
        return there or tuple(version for version, _ in self.found)

    @property
    def damaged(self) -> bool:
        """Whether it is installed, and the files match none of the versions."""
        return bool(self.found) and all(intact is False for _, intact in self.found)


@dataclass(frozen=True, kw_only=True, slots=True)
class ProbeReport:
    """The probe's answer; `derived` is True if the modules were derived from the installed metadata."""

    python: str
    executable: str
    derived: bool
    results: tuple[ModuleResult, ...]
    usage: Usage | None = None
    distributions: tuple[Distribution, ...] = ()


def parse_report(stdout: str) -> ProbeReport:
    """Parse the probe's whole answer: a line for each module, and the last line. Raises UnreadableAnswer."""
    lines = stdout.strip().splitlines()
    if not lines:
        raise UnreadableAnswer("the probe printed nothing")
    try:
        answer = json.loads(lines[-1])
        if answer["version"] != 1:
            raise UnreadableAnswer(f"the probe's answer has version {shown(answer['version'])}, expected version 1")
        results = parse_finished(stdout)
        if len(results) != answer["count"]:
            raise UnreadableAnswer(f"only {len(results)} of {shown(answer['count'])} results of the probe are readable")
        return ProbeReport(
            python=_line(answer["python"], NAME_LIMIT),
            executable=_line(answer["executable"], PATH_LIMIT),
            derived=answer["derived"] is True,
            results=results,
            usage=parse_usage(answer["usage"]),
            distributions=tuple(_distribution(entry) for entry in answer.get("distributions", ())),
        )
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise UnreadableAnswer(
            f"the probe's answer cannot be read ({type(error).__name__}: {shown(str(error))})"
        ) from error


def parse_finished(stdout: str) -> tuple[ModuleResult, ...]:
    """Parse the results of the modules that the probe finished, in the order of the request. The answer may be cut."""
    found: dict[int, ModuleResult] = {}
    for line in stdout.splitlines():
        if line.startswith('{"index":'):
            try:
                entry = json.loads(line)
                found[int(entry["index"])] = _module_result(entry["result"])
            except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
                continue  # a line that was cut, or that the probe did not print
    return tuple(found[index] for index in sorted(found))


def write_results(report: ProbeReport, time: str) -> str:
    """Return the value of a pod's annotation `wheelwarden.dev/results`: JSON, at most RESULTS_LIMIT characters.

    Failures come first, with the end of their stderr. If there are too many results, the last ones are left out.
    """
    ordered = sorted(report.results, key=lambda result: result.ok)
    kept = [
        {"module": one.module, "ok": one.ok, "seconds": round(one.seconds, 3), "file": one.file}
        | ({} if one.ok else {"reason": one.reason, "error": one.error, "stderr": one.stderr[-STDERR_KEPT:]})
        for one in ordered
    ]
    while True:
        document = {"version": 1, "time": time, "python": report.python, "derived": report.derived, "modules": kept}
        text = json.dumps({**document, "omitted": len(ordered) - len(kept)}, separators=(",", ":"))
        if len(text) <= RESULTS_LIMIT:
            return text
        kept = kept[: len(kept) * 3 // 4]


def parse_usage(usage: Mapping[str, Any] | None) -> Usage | None:
    """Parse a `usage` object of the probe or the installer; None stays None. Raises KeyError, TypeError or ValueError."""
    if usage is None:
        return None
    total, used, available = (int(number(usage[name])) for name in ("totalBytes", "usedBytes", "availableBytes"))
    if max(used, available) > total:
        raise ValueError("used or available bytes exceed the total")
    return Usage(total_bytes=total, used_bytes=used, available_bytes=available)


def number(value: object) -> float:
    """Check a number of bytes or seconds that a pod reported. Raises ValueError if it is no number or out of range."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= NUMBER_LIMIT:
        raise ValueError(f"{shown(value)} instead of a number")  # also NaN, for which every comparison is False
    return value


def _distribution(entry: Mapping[str, Any]) -> Distribution:
    found = tuple((_line(one["version"], NAME_LIMIT), _optional_bool(one["intact"])) for one in entry["found"])
    return Distribution(name=_line(entry["name"], NAME_LIMIT), found=found)


def _optional_bool(value: object) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise TypeError(f"{type(value).__name__} instead of a boolean")
    return value


def _module_result(entry: Mapping[str, Any]) -> ModuleResult:
    """Parse one result. A pod can print anything, so all texts except streams and command are shortened and escaped."""
    ok, code, reason = entry["ok"] is True, entry["exitCode"], entry["reason"]
    if not ok and (not isinstance(reason, str) or reason not in FAILURE_REASONS):
        reason = Reason.IMPORT_FAILED
    return ModuleResult(
        module=_line(entry["module"], NAME_LIMIT),
        ok=ok,
        seconds=number(entry["seconds"]),
        file=None if entry["file"] is None else _line(entry["file"], PATH_LIMIT),
        reason=None if ok else reason,
        error=None if ok or entry["error"] is None else _line(entry["error"], ERROR_LIMIT),
        argv=tuple(_text(word) for word in entry["argv"]),
        exit_code=None if code is None else int(code),
        stdout=_text(entry["stdout"]),
        stderr=_text(entry["stderr"]),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} instead of a string")
    return value


def _line(value: object, limit: int) -> str:
    """Return at most `limit` characters of a text, printable, on one line."""
    return printable(_text(value)[:limit])[:limit]
