"""The package verification contract with a pod object of another library: the contract's own tests, and its guarantees."""

import json
import logging
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from wheelwarden import (
    CommandTimeoutError,
    ContainerNotFoundError,
    KubeError,
    PackageVerificationResult,
    PodNotReadyError,
    PodReference,
    ResourceNotFoundError,
    Unreachable,
    verify_package_import,
    verify_package_import_async,
)
from wheelwarden.verify import ModuleResult, ProbeReport, by_methods, parse_report
from wheelwarden.verify.by_methods import MethodVerification
from wheelwarden.verify.results import UnreadableAnswer


class ExecOnPodError(Exception):
    """The exception of another library for a failed command."""

    def __init__(self, message: str, *, out: str = "", err: object = "") -> None:
        super().__init__(message)
        self.out = out
        self.err = err


class NotFoundError(Exception):
    """The exception of another library for a missing object."""

    status = 404


class Clock:
    """A clock in seconds that tests set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Slow:
    """A pod whose imports take a number of seconds of the clock."""

    def __init__(self, clock: Clock, seconds: float, error: Exception | None = None) -> None:
        self.clock, self.seconds, self.error = clock, seconds, error

    def execute(self, *, container: str, command: list[str]) -> str:
        self.clock.now += self.seconds
        if self.error:
            raise self.error
        return container + command[0]


def import_taking(seconds: float, timeout: float, error: Exception | None = None) -> PackageVerificationResult:
    clock = Clock()
    verification = MethodVerification(Slow(clock, seconds, error), "test", timeout, monotonic=clock)
    return verification.try_all(["numpy"], collect_diagnostics=False)["numpy"]


def test_an_import_that_works_runs_one_command() -> None:
    pod = Mock()
    pod.execute.return_value = ""
    results = verify_package_import(pod, "test", ["numpy"])
    assert results["numpy"].import_successful
    assert results["numpy"].error_message is None
    pod.execute.assert_called_once_with(container="test", command=["python", "-c", "import numpy"])
    pod.log.assert_not_called()


def test_each_step_is_logged_without_control_characters(caplog: pytest.LogCaptureFixture) -> None:
    pod = Mock()
    pod.execute.side_effect = ["", ExecOnPodError("ImportError: \x1b[2J")]
    caplog.set_level(logging.DEBUG, "wheelwarden")
    verify_package_import(pod, "test", ["json:loads", "bad"])
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", "Verifying 2 packages in test"),
        ("DEBUG", "Executing: python -c 'import json; json.loads'"),
        ("DEBUG", "Executing: python -c 'import bad'"),
        ("INFO", "Package json:loads: ✓"),
        ("INFO", "Package bad: ✗"),
        ("WARNING", "Package verification failed: ImportError: \\x1b[2J"),
    ]


def test_a_failed_import_does_not_stop_the_others_and_fetches_the_logs() -> None:
    pod = Mock()
    pod.execute.side_effect = [ExecOnPodError("ModuleNotFoundError: No module named 'missing'"), "hello"]
    pod.log.return_value = "last lines"
    results = verify_package_import(pod, "test", ["missing", "json:loads"], 90)
    assert set(results) == {"missing", "json:loads"}
    missing, good = results["missing"], results["json:loads"]
    assert (missing.import_successful, missing.pod_logs) == (False, "last lines")
    assert "ModuleNotFoundError" in str(missing.error_message)
    assert (good.import_successful, good.pod_logs, good.stdout) == (True, None, "hello")
    assert good.command_executed == "python -c 'import json; json.loads'"
    assert all(0 <= result.execution_time_seconds < 90 for result in results.values())
    pod.log.assert_called_once_with(container="test", tail_lines=100)


def test_without_diagnostics_no_log_is_fetched() -> None:
    pod = Mock()
    pod.execute.side_effect = ExecOnPodError("ImportError")
    results = verify_package_import(pod, "test", ["broken"], collect_diagnostics=False)
    assert results["broken"].pod_logs is None
    pod.log.assert_not_called()


@pytest.mark.parametrize(
    ("packages", "timeout", "text"),
    [
        ([], 60, "packages list cannot be empty"),
        (["numpy; rm"], 60, "Invalid package name: numpy; rm"),
        (["1numpy"], 60, "Invalid package name: 1numpy"),
        (["numpy\n"], 60, "Invalid package name: numpy\n"),
        (["class"], 60, "Invalid package name: class"),
        (["a..b"], 60, "Invalid package name: a..b"),
        (["a:"], 60, "Invalid package name: a:"),
        (["numpy"], 0, "timeout must be positive"),
        (["numpy"], -1, "timeout must be positive"),
        (["numpy"], float("-inf"), "timeout must be positive"),
        (["numpy"], float("inf"), "timeout must be at most 86400 seconds (one day)"),
        (["numpy"], 86_401, "timeout must be at most 86400 seconds (one day)"),
        (["numpy"], float("nan"), "timeout must be a number of seconds, not NaN"),
        (["numpy"], "60", "timeout must be a number of seconds, not '60'"),
        (["numpy"], True, "timeout must be a number of seconds, not True"),
        (["numpy"], None, "timeout must be a number of seconds, not None"),
        ("numpy", 60, "packages is a single string: pass a list of module names, such as ['numpy']"),
        (b"numpy", 60, "packages is a single string: pass a list of module names, such as [b'numpy']"),
        ("", 60, "packages is a single string: pass a list of module names, such as ['']"),
        (None, 60, "packages is NoneType: pass a list of module names"),
        (5, 60, "packages is int: pass a list of module names"),
        ([5], 60, "Invalid package name: 5"),
        (iter([]), 60, "packages list cannot be empty"),
    ],
)
def test_invalid_arguments_are_reported_before_anything_runs(packages: Any, timeout: Any, text: str) -> None:
    pod = Mock()
    with pytest.raises(ValueError) as raised:
        verify_package_import(pod, "test", packages, timeout)
    assert str(raised.value) == text
    pod.execute.assert_not_called()


def test_names_from_a_generator_get_one_result_each() -> None:
    results = verify_package_import(Mock(), "test", (name for name in ("os", "json", "os")))
    assert list(results) == ["os", "json"]


async def test_an_argument_that_is_not_a_pod_is_a_type_error() -> None:
    nonsense: Any
    for nonsense in ("lab-0", None):
        with pytest.raises(TypeError, match="pass a PodReference, or an object with execute"):
            verify_package_import(nonsense, "test", ["json"])
        with pytest.raises(TypeError, match="pass a PodReference, or an object with execute"):
            await verify_package_import_async(nonsense, "test", ["json"])
    with pytest.raises(ValueError, match="packages is a single string"):
        await verify_package_import_async(PodReference("a", "b"), "test", "json")


def test_a_pod_that_is_missing_not_running_or_without_the_container_is_an_error() -> None:
    for absent in (False, None):
        with pytest.raises(ResourceNotFoundError):
            verify_package_import(Mock(exists=absent), "test", ["json"])
    for phase in ("Pending", None):
        pending = SimpleNamespace(status=SimpleNamespace(phase=phase), spec=None)
        with pytest.raises(PodNotReadyError, match=phase or "no phase yet"):
            verify_package_import(Mock(instance=pending), "test", ["json"])
    spec = SimpleNamespace(containers=[SimpleNamespace(name="main")])
    running = SimpleNamespace(status=SimpleNamespace(phase="Running"), spec=spec)
    with pytest.raises(ContainerNotFoundError, match="it has main"):
        verify_package_import(Mock(instance=running), "test", ["json"])


def unreadable(error: Exception) -> Any:
    """A pod whose library reads the API server at each access, and raises an exception."""

    class Unreadable:
        execute = Mock()

        @property
        def instance(self) -> object:
            raise error

    return Unreadable()


def test_an_exception_of_the_library_while_reading_the_pod_becomes_one_of_ours() -> None:
    with pytest.raises(ResourceNotFoundError, match="the pod does not exist"):
        verify_package_import(unreadable(NotFoundError("pods not found")), "test", ["json"])
    refused = ExecOnPodError("pods is forbidden")
    refused.status = 403  # type: ignore[attr-defined]
    with pytest.raises(KubeError, match="the pod cannot be read: pods is forbidden") as raised:
        verify_package_import(unreadable(refused), "test", ["json"])
    assert raised.value.status == 403


def test_reading_the_pod_has_a_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[float] = []

    def never(_: Callable[[], object], seconds: float) -> object:
        limits.append(seconds)
        raise CommandTimeoutError("late")

    monkeypatch.setattr(by_methods, "call_within", never)
    pod = Mock()
    with pytest.raises(Unreachable, match="reading the pod's status took longer than 2 s"):
        verify_package_import(pod, "test", ["json"])
    assert limits == [2]
    pod.execute.assert_not_called()


def test_the_deadlines_of_all_steps_add_up_to_the_contracts_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[float] = []

    def note(function: Callable[[], object], seconds: float) -> object:
        limits.append(seconds)
        return function()

    monkeypatch.setattr(by_methods, "call_within", note)
    pod = Mock()
    pod.execute.side_effect = ExecOnPodError("ImportError")
    verify_package_import(pod, "test", ["a", "b", "c"], 10)
    assert limits == [2, 10, 10, 10, 2]
    assert sum(limits) <= 3 * 10 + 5


@pytest.mark.parametrize("error", [None, ExecOnPodError("stream resp is closed")])
@pytest.mark.parametrize("seconds", [1.0, 2.5])
def test_an_import_that_finishes_too_late_has_failed(seconds: float, error: Exception | None) -> None:
    result = import_taking(seconds, 1, error)
    assert (result.import_successful, result.reason) == (False, "ProbeTimeout")
    assert result.error_message == "the import did not end within 1 s"
    assert result.execution_time_seconds == 0.999
    assert isinstance(result.exception, CommandTimeoutError)


def test_an_import_in_time_has_its_measured_time() -> None:
    result = import_taking(0.75, 1)
    assert (result.import_successful, result.reason, result.execution_time_seconds) == (True, None, 0.75)
    assert result.exception is None


def test_an_import_that_hangs_does_not_stop_the_others() -> None:
    release = threading.Event()

    class Pod:
        def execute(self, *, container: str, command: list[str]) -> str:
            if "hangs" in command[-1]:
                release.wait()
            return container

    results = verify_package_import(Pod(), "test", ["hangs", "json"], 0.05)
    release.set()
    assert {name: (one.import_successful, one.reason) for name, one in results.items()} == {
        "hangs": (False, "ProbeTimeout"),
        "json": (True, None),
    }


def test_the_librarys_own_timeout_is_set_to_ours() -> None:
    seen: list[int] = []

    class Pod:
        def execute(self, command: list[str], timeout: int = 60, container: str = "") -> str:
            seen.append(timeout)
            return command[0] + container

    verify_package_import(Pod(), "test", ["json"], 90.5)
    assert seen == [91]


STATUS = {
    "status": "Failure",
    "reason": "NonZeroExitCode",
    "message": "command terminated with non-zero exit code: exit status 1",
    "details": {"causes": [{"reason": "ExitCode", "message": "1"}]},
}


@pytest.mark.parametrize(
    ("entry", "error", "expected"),
    [
        ("a", ExecOnPodError("ModuleNotFoundError"), ("ModuleNotFound", "ModuleNotFoundError", "ModuleNotFoundError")),
        ("a", ExecOnPodError("RC: 1", err="Traceback\nImportError: no\n"), ("ImportFailed", "ImportError: no", None)),
        (
            "a:b",
            ExecOnPodError("RC: 1", err="AttributeError: module 'a' has no attribute 'b'"),
            ("AttributeNotFound", "AttributeError: module 'a' has no attribute 'b'", None),
        ),
        (
            "a",
            ExecOnPodError("RC: 1", err="ImportError: libGL.so.1: cannot open shared object file"),
            ("MissingSharedLibrary", "ImportError: libGL.so.1: cannot open shared object file", None),
        ),
        ("a", ExecOnPodError("RC: -1", err=STATUS), ("ImportFailed", STATUS["message"], "RC: -1")),
        ("a", NotFoundError("pods not found"), ("ProbeFailed", "pods not found", "pods not found")),
        ("a", ExecOnPodError(""), ("ImportFailed", "ExecOnPodError", "ExecOnPodError")),
    ],
)
def test_the_reason_is_derived_from_the_librarys_exception(
    entry: str, error: Exception, expected: tuple[str, str, str | None]
) -> None:
    pod = Mock()
    pod.execute.side_effect = error
    result = verify_package_import(pod, "test", [entry], collect_diagnostics=False)[entry]
    stderr = getattr(error, "err", "") if expected[2] is None else expected[2]
    assert (result.reason, result.error_message, result.stderr) == (*expected[:2], stderr)


NO_PYTHON = ExecOnPodError("RC: -1", err={"message": 'exec: "python": executable file not found in $PATH: unknown'})


def test_an_image_with_python3_only_is_tried_with_python3() -> None:
    pod = Mock()
    pod.execute.side_effect = [NO_PYTHON, "", ExecOnPodError("ImportError")]
    results = verify_package_import(pod, "test", ["a", "b"])
    assert {name: (one.import_successful, one.command_executed) for name, one in results.items()} == {
        "a": (True, "python3 -c 'import a'"),
        "b": (False, "python3 -c 'import b'"),
    }
    assert pod.execute.call_count == 3


def test_without_any_python_the_probe_failed_and_not_the_modules() -> None:
    pod = Mock()
    pod.execute.side_effect = NO_PYTHON
    result = verify_package_import(pod, "test", ["a"])["a"]
    assert (result.reason, result.error_message) == (
        "ProbeFailed",
        'exec: "python": executable file not found in $PATH: unknown',
    )
    assert pod.execute.call_count == 2


def test_if_the_logs_cannot_be_fetched_the_results_are_kept_and_say_why() -> None:
    pod = Mock()
    pod.execute.side_effect = [ExecOnPodError("ImportError"), "", ExecOnPodError("ImportError")]
    pod.log.side_effect = OSError("the node is away")
    results = verify_package_import(pod, "test", ["a", "b", "c"])
    assert {name: (one.import_successful, one.pod_logs) for name, one in results.items()} == {
        "a": (False, "the logs could not be fetched: the node is away"),
        "b": (True, None),
        "c": (False, "the logs could not be fetched: the node is away"),
    }
    pod.log.assert_called_once_with(container="test", tail_lines=100)


def test_a_stream_that_is_too_long_is_cut_with_a_note() -> None:
    pod = Mock()
    pod.execute.return_value = "x" * 20_000
    result = verify_package_import(pod, "test", ["a"])["a"]
    assert result.stdout == "[the first 4000 characters are left out]\n" + "x" * 16_000


def answer_of_probe(**changes: object) -> str:
    """An answer without results."""
    answer = {"version": 1, "python": "3", "executable": "p", "derived": False, "count": 0, "usage": None}
    return json.dumps({**answer, **changes})


def test_an_answer_without_results_is_valid() -> None:
    assert parse_report(answer_of_probe()) == ProbeReport(python="3", executable="p", derived=False, results=())


def test_the_error_of_an_unreadable_answer_is_short_and_printable() -> None:
    with pytest.raises(UnreadableAnswer) as raised:
        parse_report(answer_of_probe(version="\x1b[2J" + "x" * 100_000))
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 300


@pytest.mark.parametrize(
    "junk",
    [
        "", "no json", "[]", "{}", json.dumps({"version": 2}), json.dumps({"version": 1}), "[" * 100_000,
        json.dumps({"version": 1, "python": "3", "executable": "p", "derived": False, "count": 1, "usage": None}),
        answer_of_probe(python=3), answer_of_probe(executable=["p"]),
        answer_of_probe(usage={"totalBytes": 1, "usedBytes": 10**320, "availableBytes": 0}),
        answer_of_probe(usage={"totalBytes": 1, "usedBytes": -1, "availableBytes": 0}),
        answer_of_probe(usage={"totalBytes": 1, "usedBytes": 2, "availableBytes": 0}),
        answer_of_probe(usage={"totalBytes": "9", "usedBytes": 2, "availableBytes": 0}),
        answer_of_probe(distributions=[{"name": ["six"], "found": []}]),
        answer_of_probe(distributions=[{"name": "six", "found": [{"version": 5, "intact": True}]}]),
        answer_of_probe(distributions=[{"name": "six", "found": [{"version": "5", "intact": "yes"}]}]),
    ],
)  # fmt: skip
def test_an_invalid_answer_is_unreadable(junk: str) -> None:
    with pytest.raises(UnreadableAnswer):
        parse_report(junk)


def test_a_modules_result_is_short_and_printable_and_has_a_known_reason() -> None:
    hostile = "\x1b[2J\n" + "x" * 900_000
    result = {
        "module": hostile, "ok": False, "seconds": 0.1, "file": hostile, "reason": hostile, "error": hostile,
        "argv": ["python3"], "exitCode": 1, "stdout": "\x1b[31mred\n", "stderr": "",
    }  # fmt: skip
    lines = [
        '{"index":0,"result":' + json.dumps(result) + "}",
        answer_of_probe(count=1, python=hostile, executable=hostile),
    ]
    shown = "\\x1b[2J\\n" + "x" * 5000
    assert parse_report("\n".join(lines)) == ProbeReport(
        python=shown[:255], executable=shown[:4096], derived=False,
        results=(
            ModuleResult(
                module=shown[:255], ok=False, seconds=0.1, file=shown[:4096], reason="ImportFailed", error=shown[:300],
                argv=("python3",), exit_code=1, stdout="\x1b[31mred\n",
            ),
        ),
    )  # fmt: skip
