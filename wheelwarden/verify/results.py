"""Results of import verification: what the probe answered, and the public result type of the verification contract."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from wheelwarden.api.conditions import Reason
from wheelwarden.api.errors import CommandTimeoutError, WheelwardenError
from wheelwarden.api.redaction import printable, shown

# Every `reason` that a failed import may have. A public, closed set: docs/guide.md tells what each means.
FAILURE_REASONS: Final = frozenset(
    {
        Reason.MODULE_NOT_FOUND, Reason.ATTRIBUTE_NOT_FOUND, Reason.IMPORT_FAILED, Reason.MISSING_SHARED_LIBRARY,
        Reason.INCOMPATIBLE_BINARY, Reason.CIRCULAR_IMPORT, Reason.SHADOWED, Reason.PROBE_TIMEOUT, Reason.OUT_OF_MEMORY,
        Reason.PROBE_FAILED,
    }
)  # fmt: skip
RESULTS_LIMIT: Final = 16_384  # annotations of an object share 256 KiB
NUMBER_LIMIT: Final = 1 << 60  # of bytes and seconds that a pod tells
NAME_LIMIT: Final = 255  # characters of a name or a version; no file system takes a longer name of a file
ERROR_LIMIT: Final = 300  # characters, as the probe cuts an error (payload/probe/attempts.py)
PATH_LIMIT: Final = 4096  # characters, as Linux has it (PATH_MAX)
STDERR_KEPT: Final = 1000  # characters of a failed import's stderr


class UnreadableAnswer(WheelwardenError):  # noqa: N818 - named for what it says
    """What the probe printed is no answer that we understand; the text says what was wrong."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageVerificationResult:
    """Result of a single import verification (package verification contract, version 1.0.0).

    Attributes:
        package_name: the module entry as it was given.
        import_successful: whether the import worked.
        error_message: why it did not, in one line; None when it worked.
        command_executed: interpreter and statements that were run for it, as a person would type them.
        execution_time_seconds: time of the import, measured in the pod; below the timeout. One that was ended by its
            deadline has a time just below it, one that was not tried has 0.
        pod_logs: the last log lines of the container on failure, or why there are none, when diagnostics were asked
            for; else None.
        stdout: the end of what the import printed, at most 16,000 characters; a first line tells where it was cut.
        stderr: the same of stderr, the traceback included.
        reason: one of FAILURE_REASONS; None when it worked.
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
        """The timeout that ended the import; None where it ended by itself."""
        return CommandTimeoutError(self.error_message) if self.reason == Reason.PROBE_TIMEOUT else None


@dataclass(frozen=True, kw_only=True, slots=True)
class ModuleResult:
    """What the probe found out about one module; `reason` and `error` are None where the import worked."""

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
    """Size of the packages' filesystem, in bytes (statvfs)."""

    total_bytes: int
    used_bytes: int
    available_bytes: int

    @property
    def percent(self) -> float:
        """How much of it is used, 0 to 100, one decimal."""
        return round(100 * self.used_bytes / self.total_bytes, 1) if self.total_bytes else 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Distribution:
    """What there is of a distribution: `found` has each version that metadata speaks of, and whether the files are its.

    None in the place of a truth: nothing tells.
    """

    name: str
    found: tuple[tuple[str, bool | None], ...]

    @property
    def versions(self) -> tuple[str, ...]:
        """The versions that are really there: those whose files are, or where that holds for none, all of them."""
        there = tuple(version for version, intact in self.found if intact is not False)
        return there or tuple(version for version, _ in self.found)

    @property
    def damaged(self) -> bool:
        """Whether it is there, and the files are those of no version."""
        return bool(self.found) and all(intact is False for _, intact in self.found)


@dataclass(frozen=True, kw_only=True, slots=True)
class ProbeReport:
    """The probe's answer; `derived` where the modules came from the installed metadata."""

    python: str
    executable: str
    derived: bool
    results: tuple[ModuleResult, ...]
    usage: Usage | None = None
    distributions: tuple[Distribution, ...] = ()


def parse_report(stdout: str) -> ProbeReport:
    """Reads the probe's whole answer: a line for each module, and the last line. Raises UnreadableAnswer."""
    lines = stdout.strip().splitlines()
    if not lines:
        raise UnreadableAnswer("the probe printed nothing")
    try:
        answer = json.loads(lines[-1])
        if answer["version"] != 1:
            raise UnreadableAnswer(f"the probe answered in version {shown(answer['version'])}, this is version 1")
        results = parse_finished(stdout)
        if len(results) != answer["count"]:
            raise UnreadableAnswer(f"{len(results)} of {shown(answer['count'])} results of the probe can be read")
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
    """The modules that the probe was done with, also where its answer was cut; in the order they were asked for."""
    found: dict[int, ModuleResult] = {}
    for line in stdout.splitlines():
        if line.startswith('{"index":'):
            try:
                entry = json.loads(line)
                found[int(entry["index"])] = _module_result(entry["result"])
            except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
                continue  # the line where it was cut, or not ours
    return tuple(found[index] for index in sorted(found))


def write_results(report: ProbeReport, time: str) -> str:
    """What the annotation `wheelwarden.dev/results` of a pod says: JSON, at most RESULTS_LIMIT characters.

    Failures come first, with the end of what they printed to stderr; where there are too many, the last are left out.
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
    """Reads a `usage` object of the probe or the installer; None stays None. Raises KeyError, TypeError or ValueError."""
    if usage is None:
        return None
    total, used, available = (int(number(usage[name])) for name in ("totalBytes", "usedBytes", "availableBytes"))
    if max(used, available) > total:
        raise ValueError("more bytes than there are")
    return Usage(total_bytes=total, used_bytes=used, available_bytes=available)


def number(value: object) -> float:
    """A number of bytes or seconds that a pod tells. Raises ValueError where it is none, or absurd."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= NUMBER_LIMIT:
        raise ValueError(f"{shown(value)} in the place of a number")  # NaN is in no order, so it comes here too
    return value


def _distribution(entry: Mapping[str, Any]) -> Distribution:
    found = tuple((_line(one["version"], NAME_LIMIT), _truth(one["intact"])) for one in entry["found"])
    return Distribution(name=_line(entry["name"], NAME_LIMIT), found=found)


def _truth(value: object) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise TypeError(f"{type(value).__name__} in the place of a truth")
    return value


def _module_result(entry: Mapping[str, Any]) -> ModuleResult:
    """What runs in the pod can print anything: all but the streams and the command is short and printable."""
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
        raise TypeError(f"{type(value).__name__} in the place of a text")
    return value


def _line(value: object, limit: int) -> str:
    """At most so many characters of a text, printable, on one line."""
    return printable(_text(value)[:limit])[:limit]
