"""The verification contract over exec: no finished result is lost, and the deadlines are ours."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import pytest

from tests.unit import virtual_time
from wheelwarden import (
    CommandTimeoutError,
    Forbidden,
    PackageVerificationResult,
    PodReference,
    ResourceNotFoundError,
    Unreachable,
    verify_package_import,
    verify_package_import_async,
)
from wheelwarden.api.errors import ExecCut, ExecTimeout, KubeError, NotFound
from wheelwarden.kube import Cluster, ExecResult

POD = PodReference("team", "lab-0")
RUNNING = {"spec": {"containers": [{"name": "lab"}]}, "status": {"phase": "Running"}}
Results = dict[str, PackageVerificationResult]


def line(index: int, module: str, **more: Any) -> str:
    result = {
        "module": module, "ok": True, "seconds": 0.5, "file": None, "exitCode": 0, "stdout": "", "stderr": "",
        "argv": ["/usr/bin/python3", "-c", f"import {module}"], "reason": None, "error": None, **more,
    }  # fmt: skip
    return json.dumps({"index": index, "result": result}) + "\n"


def last(count: int) -> str:
    return json.dumps({"version": 1, "count": count})


def imported(module: str) -> PackageVerificationResult:
    return PackageVerificationResult(
        package_name=module,
        import_successful=True,
        error_message=None,
        command_executed=f"/usr/bin/python3 -c 'import {module}'",
        execution_time_seconds=0.5,
    )


def not_imported(module: str, reason: str, error: str, logs: str | None = "last lines") -> PackageVerificationResult:
    return PackageVerificationResult(
        package_name=module,
        import_successful=False,
        error_message=error,
        command_executed=f"python -c 'import {module}'",
        execution_time_seconds=0.0,
        pod_logs=logs,
        reason=reason,
    )


@dataclass
class Pods:
    """Stands for our client: `exec` answers or raises, and the other calls take a number of seconds."""

    answer: ExecResult | KubeError | Callable[[float], Awaitable[ExecResult]] = field(
        default_factory=lambda: KubeError(0, "", "")
    )
    logs_answer: str | KubeError = "last lines"
    connect_seconds: float = 0
    status_seconds: float = 0
    logs_seconds: float = 0
    asked: list[dict[str, Any]] = field(default_factory=list)
    exec_seconds: list[float] = field(default_factory=list)

    async def connect(self, **_: object) -> Self:
        await asyncio.sleep(self.connect_seconds)
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def get(self, *_: object) -> dict[str, Any]:
        await asyncio.sleep(self.status_seconds)
        return RUNNING

    async def logs(self, *_: object, tail_lines: int) -> str:
        assert tail_lines == 100
        await asyncio.sleep(self.logs_seconds)
        if isinstance(self.logs_answer, KubeError):
            raise self.logs_answer
        return self.logs_answer

    async def exec(self, *place: Any, timeout_seconds: float, output_limit_bytes: int) -> ExecResult:
        argv: Sequence[str] = place[3]
        self.asked.append(json.loads(argv[-1]))
        self.exec_seconds.append(timeout_seconds)
        if isinstance(self.answer, KubeError):
            raise self.answer
        if isinstance(self.answer, ExecResult):
            return self.answer
        return await self.answer(timeout_seconds)


Verify = Callable[..., tuple[Results, float]]


@pytest.fixture
def verify(monkeypatch: pytest.MonkeyPatch) -> Verify:
    """Verify modules with a stand-in; return the results and the time taken."""

    def run(pods: Pods, *modules: str, timeout: float = 60, **more: Any) -> tuple[Results, float]:
        async def timed() -> tuple[Results, float]:
            results = await verify_package_import_async(POD, "lab", list(modules), timeout, **more)
            return results, asyncio.get_running_loop().time()

        monkeypatch.setattr(Cluster, "connect", pods.connect)
        return virtual_time.run(timed())

    return run


def ended(stdout: str, *, truncated: bool = False) -> ExecResult:
    return ExecResult(stdout=stdout, stderr="", exit_code=0, truncated=truncated)


def test_each_module_gets_its_result_in_the_order_of_the_request(verify: Verify) -> None:
    broken = line(
        0, "b", ok=False, reason="ImportFailed", error="RuntimeError: no", stdout="out", stderr="Traceback", exitCode=1
    )
    results, _ = verify(Pods(ended(line(1, "a") + broken + last(2))), "b", "a")
    assert list(results.items()) == [
        (
            "b",
            PackageVerificationResult(
                package_name="b",
                import_successful=False,
                error_message="RuntimeError: no",
                command_executed="/usr/bin/python3 -c 'import b'",
                execution_time_seconds=0.5,
                pod_logs="last lines",
                stdout="out",
                stderr="Traceback",
                reason="ImportFailed",
            ),
        ),
        ("a", imported("a")),
    ]
    assert results["b"].exception is None


def test_a_broken_connection_loses_only_unfinished_results(verify: Verify) -> None:
    cut = ExecCut(0, "ExecCut", "the connection ended", stdout=line(0, "a") + line(2, "c") + line(1, "b")[:90])
    results, _ = verify(Pods(cut), "a", "b", "c")
    error = "the import was not completed: the connection ended"
    assert results == {"a": imported("a"), "b": not_imported("b", "ProbeFailed", error), "c": imported("c")}


def test_an_answer_that_is_too_long_loses_only_the_results_that_were_cut(verify: Verify) -> None:
    results, _ = verify(Pods(ended(line(0, "a") + line(1, "b")[:50], truncated=True)), "a", "b")
    error = "the import was not completed: it printed more than 1 MiB; the rest was dropped."
    assert results == {"a": imported("a"), "b": not_imported("b", "ProbeFailed", error)}


def test_a_probe_that_was_killed_loses_only_unfinished_results(verify: Verify) -> None:
    killed = ExecResult(stdout=line(0, "a"), stderr="Killed", exit_code=137)
    results, _ = verify(Pods(killed), "a", "b")
    error = "the import was not completed: python3 ended with exit code 137: Killed."
    assert results == {"a": imported("a"), "b": not_imported("b", "ProbeFailed", error)}


@pytest.mark.parametrize(
    ("logs", "seconds", "pod_logs"),
    [
        (
            Forbidden(403, "Forbidden", "pods/log is forbidden"),
            0,
            "the logs could not be fetched: pods/log is forbidden",
        ),
        ("late", 1000, "the logs could not be fetched: it took too long"),
        ("x" * 70_000, 0, "[the first 6000 characters are left out]\n" + "x" * 64_000),
    ],
)
def test_if_the_logs_cannot_be_fetched_the_results_are_kept_and_say_why(
    verify: Verify, logs: str | KubeError, seconds: float, pod_logs: str
) -> None:
    cut = ExecCut(0, "ExecCut", "cut", stdout=line(0, "a"))
    results, took = verify(Pods(cut, logs, logs_seconds=seconds), "a", "b", timeout=10)
    assert results == {
        "a": imported("a"),
        "b": not_imported("b", "ProbeFailed", "the import was not completed: cut", pod_logs),
    }
    assert took <= 2 * 10 + 5


def test_without_diagnostics_there_are_no_logs(verify: Verify) -> None:
    pods = Pods(ExecCut(0, "ExecCut", "cut"), AssertionError)  # type: ignore[arg-type]
    results, _ = verify(pods, "a", collect_diagnostics=False)
    assert results["a"].pod_logs is None


def test_a_success_after_the_deadline_is_a_failure(verify: Verify) -> None:
    results, _ = verify(
        Pods(ended(line(0, "a", seconds=2.5) + line(1, "b", seconds=0.99) + last(2))), "a", "b", timeout=1
    )
    assert {name: (one.import_successful, one.reason, one.execution_time_seconds) for name, one in results.items()} == {
        "a": (False, "ProbeTimeout", 0.999),
        "b": (True, None, 0.99),
    }
    assert results["a"].error_message == "the import did not end within 1 s"
    assert isinstance(results["a"].exception, CommandTimeoutError)
    assert str(results["a"].exception) == "the import did not end within 1 s"


async def hang(seconds: float) -> ExecResult:
    """Like our client: the exception has the output so far."""
    await asyncio.sleep(seconds)
    raise ExecTimeout(0, "ExecTimeout", "no answer", stdout=line(0, "a"))


@pytest.mark.parametrize(("connect", "status"), [(0, 0), (0, 1.9), (2, 1.9), (20, 1.9), (21.9, 1.9)])
def test_the_whole_call_ends_five_seconds_after_the_modules_deadlines(
    verify: Verify, connect: float, status: float
) -> None:
    pods = Pods(hang, connect_seconds=connect, status_seconds=status, logs_seconds=1000)
    results, took = verify(pods, "a", "b", timeout=10)
    assert {name: one.reason for name, one in results.items()} == {"a": None, "b": "ProbeTimeout"}
    assert took <= 2 * 10 + 5
    [asked], [seconds] = pods.asked, pods.exec_seconds
    assert (asked["modules"], asked["deadlineSeconds"], asked["outputLimit"]) == (["a", "b"], 10, 16_000)
    assert asked["totalSeconds"] == pytest.approx(max(0, min(2 * 10 + 2, seconds - 1.5)))


def test_a_module_keeps_its_time_if_others_hang(verify: Verify) -> None:
    pods = Pods(hang, connect_seconds=0.5, status_seconds=1)
    verify(pods, "a", "b", "c", timeout=10)
    assert pods.asked[0]["totalSeconds"] >= 30


@pytest.mark.parametrize(
    ("pods", "message", "ends"),
    [
        (Pods(status_seconds=1000), "reading the status of pod team/lab-0 took longer than 2 s", 2),
        (Pods(connect_seconds=1000), "getting the credentials of the Kubernetes configuration took too long", 10 + 2),
    ],
    ids=["status", "connect"],
)
def test_a_cluster_that_does_not_respond_is_an_error(
    monkeypatch: pytest.MonkeyPatch, pods: Pods, message: str, ends: float
) -> None:
    async def failed() -> tuple[str, float]:
        with pytest.raises(Unreachable) as raised:
            await verify_package_import_async(POD, "lab", ["a"], 10)
        return str(raised.value), asyncio.get_running_loop().time()

    monkeypatch.setattr(Cluster, "connect", pods.connect)
    assert virtual_time.run(failed()) == (message, ends)


def test_a_deleted_pod_and_a_missing_permission_are_errors(verify: Verify) -> None:
    with pytest.raises(ResourceNotFoundError, match="pod team/lab-0 no longer exists"):
        verify(Pods(NotFound(404, "NotFound", "gone")), "a")
    with pytest.raises(Forbidden, match="may not create pods/exec"):
        verify(Pods(Forbidden(403, "Forbidden", "our account may not create pods/exec there")), "a")
    with pytest.raises(Unreachable, match="answered 502"):
        verify(Pods(Unreachable(502, "ExecRefused", "the API server answered 502")), "a")


@pytest.mark.parametrize(
    "junk",
    [
        line(0, "other"), line(0, "a", seconds=float("nan")), line(0, "a", seconds=-1), line(0, "a", stdout=5),
        line(0, "a", argv=[1]), '{"index": 1e999, "result": {}}\n', '{"index":' + "[" * 100_000 + "\n", '{"index": 0}\n',
    ],
)  # fmt: skip
def test_whatever_a_container_answers_the_keys_are_the_requested_modules(verify: Verify, junk: str) -> None:
    results, _ = verify(Pods(ended(junk + last(1))), "a")
    error = "the import was not completed: the probe returned no result for it"
    assert results == {"a": not_imported("a", "ProbeFailed", error)}


def test_an_unknown_reason_becomes_import_failed(verify: Verify) -> None:
    results, _ = verify(Pods(ended(line(0, "a", ok=False, reason="Surprise", error="x") + last(1))), "a")
    assert results["a"].reason == "ImportFailed"


def test_a_stream_that_is_too_long_is_cut_with_a_note(verify: Verify) -> None:
    results, _ = verify(Pods(ended(line(0, "a", stdout="x" * 20_000) + last(1))), "a")
    assert results["a"].stdout == "[the first 3900 characters are left out]\n" + "x" * 16_100


async def test_it_can_be_called_inside_a_running_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cluster, "connect", Pods(ended(line(0, "a") + last(1))).connect)
    assert verify_package_import(POD, "lab", ["a"]) == {"a": imported("a")}
