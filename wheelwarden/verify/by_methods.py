"""The verification contract for a pod object with its own `execute` method, such as `ocp_resources.pod.Pod`.

Commands run one after the other, each in a thread with a deadline. An exception of the object's library becomes a failed
result or one of our own errors.
"""

import inspect
import math
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol, runtime_checkable

from wheelwarden.api.conditions import Reason
from wheelwarden.api.errors import (
    CommandTimeoutError,
    ContainerNotFoundError,
    KubeError,
    PodNotReadyError,
    ResourceNotFoundError,
    Unreachable,
)
from wheelwarden.verify.blocking import call_within
from wheelwarden.verify.outcomes import (
    LOG_CHARACTERS,
    LOGGER,
    STREAM_LIMIT,
    apply_timeout,
    import_argv,
    public_results,
    shorten,
)
from wheelwarden.verify.results import ModuleResult, PackageVerificationResult
from wheelwarden.verify.running import lacks_program

STATUS_SECONDS: Final = 2.0  # the contract's limit for reading the pod's status
LOG_LINES: Final = 100
LOG_SECONDS: Final = 2.0
LAST_PYTHON: Final = "python3"
MESSAGE_LIMIT: Final = 1000
# Text on stderr and the reason that it indicates; the first match counts. Only used for imports that failed.
_SIGNS: Final = (
    ("partially initialized module", Reason.CIRCULAR_IMPORT),
    ("cannot open shared object file", Reason.MISSING_SHARED_LIBRARY),
    ("undefined symbol", Reason.INCOMPATIBLE_BINARY),
    ("ModuleNotFoundError", Reason.MODULE_NOT_FOUND),
)


@runtime_checkable
class ExecutablePod(Protocol):
    """An object that runs commands in its pod. `exists`, `instance` and `log` are used if it has them."""

    def execute(self, *, container: str, command: list[str]) -> str:
        """Run a command and return its output; raise an exception if it fails."""
        ...


class MethodVerification:
    """One verification; `monotonic` is a clock in seconds."""

    def __init__(self, pod: Any, container: str, timeout: float, *, monotonic: Callable[[], float]) -> None:
        self._pod = pod
        self._container = container
        self._timeout = timeout
        self._monotonic = monotonic
        self._python = "python"  # the contract's name; LAST_PYTHON once the image turns out not to have it

    def check(self) -> None:
        """Check the contract's preconditions as far as the object has the data; attributes of other types are ignored.

        Raises:
            ResourceNotFoundError, PodNotReadyError, ContainerNotFoundError: a precondition does not hold.
            KubeError: the object's library failed, or did not respond within STATUS_SECONDS.
        """
        try:
            call_within(lambda: _check(self._pod, self._container), STATUS_SECONDS)
        except CommandTimeoutError as error:
            message = f"reading the pod's status took longer than {STATUS_SECONDS:g} s"
            raise Unreachable(0, "Timeout", message) from error

    def try_all(self, entries: Sequence[str], *, collect_diagnostics: bool) -> dict[str, PackageVerificationResult]:
        """Return a result for each entry."""
        results = [apply_timeout(self._try(entry), self._timeout) for entry in entries]
        failed = not all(result.ok for result in results)
        return public_results(results, self._logs() if failed and collect_diagnostics else None)

    def _try(self, entry: str) -> ModuleResult:
        started = self._monotonic()
        result = self._run(entry, self._timeout)
        if self._python != LAST_PYTHON and lacks_program(result.error or ""):
            self._python = LAST_PYTHON
            result = self._run(entry, self._timeout - (self._monotonic() - started))
        late = result.reason == Reason.PROBE_TIMEOUT
        return replace(result, seconds=self._timeout if late else self._monotonic() - started)

    def _run(self, entry: str, seconds: float) -> ModuleResult:
        argv = import_argv(entry, self._python)
        LOGGER.debug("Executing: %s", shlex.join(argv))
        options = {"timeout": math.ceil(seconds)} if _takes_timeout(self._pod.execute) else {}
        result = ModuleResult(module=entry, ok=True, seconds=0.0, argv=argv)
        try:
            stdout = call_within(
                lambda: self._pod.execute(container=self._container, command=list(argv), **options), seconds
            )
        except CommandTimeoutError:
            return replace(result, ok=False, reason=Reason.PROBE_TIMEOUT)
        except Exception as raised:  # every exception of the pod's library is a failed import; none reaches the caller
            return _failure(result, raised)
        return replace(result, stdout=_output(stdout))

    def _logs(self) -> str:
        try:
            text = call_within(lambda: self._pod.log(container=self._container, tail_lines=LOG_LINES), LOG_SECONDS)
        except Exception as error:  # missing logs must not cost the results
            return f"the logs could not be fetched: {_message(error)}"
        return shorten(str(text), LOG_CHARACTERS)


def _check(pod: Any, container: str) -> None:
    try:
        exists = bool(getattr(pod, "exists", True))  # None for a missing pod in ocp_resources
        instance = getattr(pod, "instance", None) if exists else None
    except Exception as error:
        status = getattr(error, "status", None)
        if status == 404 or type(error).__name__ == "NotFoundError":
            raise ResourceNotFoundError("the pod does not exist") from error
        code = status if isinstance(status, int) else 0
        raise KubeError(code, "Unreadable", f"the pod cannot be read: {_message(error)}") from error
    if not exists:
        raise ResourceNotFoundError("the pod does not exist")
    if instance is None:
        return
    phase = getattr(getattr(instance, "status", None), "phase", None)
    if phase is None or (isinstance(phase, str) and phase != "Running"):
        raise PodNotReadyError(f"the pod is {phase or 'in no phase yet'}, not Running: wait until it is Running")
    containers = getattr(getattr(instance, "spec", None), "containers", None)
    if isinstance(containers, list | tuple):
        names = [str(getattr(one, "name", one)) for one in containers]
        if container not in names:
            raise ContainerNotFoundError(f"the pod has no container {container}; it has {', '.join(names)}")


def _takes_timeout(execute: Callable[..., object]) -> bool:
    """Whether `execute` has its own timeout parameter, whose default may be shorter than ours."""
    try:
        return "timeout" in inspect.signature(execute).parameters
    except (TypeError, ValueError):
        return False


def _failure(tried: ModuleResult, raised: Exception) -> ModuleResult:
    """The result for an exception of the pod's library. An ExecOnPodError has `out` and `err`; `err` is text or a Status."""
    err = getattr(raised, "err", None)
    stderr = _output(err)
    exit_code = None
    if isinstance(err, Mapping):
        error = str(err.get("message") or _message(raised))
        exit_code = _exit_code(err)
    else:
        error = (stderr.strip() or _message(raised).strip()).splitlines()[-1]
    # The exception is from the API server, or from the node because the program is missing, not from the command.
    refused = isinstance(getattr(raised, "status", None), int) or lacks_program(error)
    return replace(
        tried,
        ok=False,
        reason=Reason.PROBE_FAILED if refused else _failure_reason(f"{stderr}\n{_message(raised)}", tried.module),
        error=error[:MESSAGE_LIMIT],
        exit_code=exit_code,
        stdout=_output(getattr(raised, "out", None)),
        stderr=stderr or _message(raised),
    )


def _failure_reason(text: str, entry: str) -> str:
    found = next((reason for sign, reason in _SIGNS if sign in text), Reason.IMPORT_FAILED)
    attribute = entry.partition(":")[2].rpartition(".")[2]
    if found == Reason.IMPORT_FAILED and attribute and f"has no attribute '{attribute}'" in text:
        return Reason.ATTRIBUTE_NOT_FOUND
    return found


def _exit_code(status: Mapping[str, Any]) -> int | None:
    causes = (status.get("details") or {}).get("causes") or []
    code = next((cause.get("message") for cause in causes if cause.get("reason") == "ExitCode"), None)
    return int(code) if code is not None and str(code).isdigit() else None


def _output(text: object) -> str:
    return shorten(text, STREAM_LIMIT) if isinstance(text, str) else ""


def _message(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__)[:MESSAGE_LIMIT]
