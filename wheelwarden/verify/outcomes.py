"""Convert a module's result to the public result of the verification contract. No I/O."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from wheelwarden.api.conditions import Reason
from wheelwarden.api.redaction import printable
from wheelwarden.verify.results import FAILURE_REASONS, ModuleResult, PackageVerificationResult

LOGGER = logging.getLogger("wheelwarden.verify.contract")
LOGGER.addHandler(logging.NullHandler())  # print nothing in a program that has not set up logging
STREAM_LIMIT: Final = 16_000  # characters kept of a module's stdout and stderr, from the end
FIRST_LINE: Final = 100  # characters for the line that says how much was cut
LOG_CHARACTERS: Final = 64_000  # kept of a container's log, from the end


def import_argv(entry: str, python: str = "python") -> tuple[str, ...]:
    """The contract's command for a module or an attribute."""
    module, _, attribute = entry.partition(":")
    code = f"import {module}" + (f"; {module}.{attribute}" if attribute else "")
    return (python, "-c", code)


def not_tried(entry: str, cause: str, *, reason: str = Reason.PROBE_FAILED) -> ModuleResult:
    """The result of a module that was not tried, or not to the end."""
    return ModuleResult(module=entry, ok=False, seconds=0.0, reason=reason, error=cause, argv=import_argv(entry))


def apply_timeout(result: ModuleResult, timeout: float) -> ModuleResult:
    """Return the result, as a failure if the import took `timeout` seconds or longer."""
    if result.seconds < timeout:
        return result
    return replace(
        result, ok=False, seconds=max(0.0, timeout - 0.001), reason=Reason.PROBE_TIMEOUT,
        error=f"the import did not end within {timeout:g} s",
    )  # fmt: skip


def public_result(result: ModuleResult, logs: str | None) -> PackageVerificationResult:
    """Convert a result for the caller, and log it."""
    LOGGER.info("Package %s: %s", result.module, "✓" if result.ok else "✗")
    error = None if result.ok else result.error or "the import failed without a message"
    if error is not None:
        LOGGER.warning("Package verification failed: %s", printable(error))
    reason = result.reason if result.reason in FAILURE_REASONS else Reason.IMPORT_FAILED
    return PackageVerificationResult(
        package_name=result.module,
        import_successful=result.ok,
        error_message=error,
        command_executed=result.command,
        execution_time_seconds=result.seconds,
        pod_logs=None if result.ok else logs,
        stdout=shorten(result.stdout, STREAM_LIMIT + FIRST_LINE),
        stderr=shorten(result.stderr, STREAM_LIMIT + FIRST_LINE),
        reason=None if result.ok else reason,
    )


def public_results(results: Sequence[ModuleResult], logs: str | None) -> dict[str, PackageVerificationResult]:
    """Convert all results, keyed by entry."""
    return {one.module: public_result(one, logs) for one in results}


def shorten(text: str, limit: int) -> str:
    """Keep the end of a text, with a first line that says how much was cut."""
    if len(text) <= limit:
        return text
    return f"[the first {len(text) - limit} characters are left out]\n{text[-limit:]}"
