"""`wheelwarden verify`: arguments and output. The tests of the contract cover the imports themselves."""

import asyncio
import json
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from wheelwarden.api.errors import PodNotReadyError
from wheelwarden.cli.__main__ import main
from wheelwarden.verify import PackageVerificationResult, PodReference
from wheelwarden.verify.reliability import Check, Profile, Reliability

Capture = pytest.CaptureFixture[str]
CALLS: list[tuple[Any, ...]] = []


def _result(name: str, error: str | None) -> PackageVerificationResult:
    return PackageVerificationResult(
        package_name=name,
        import_successful=error is None,
        error_message=error,
        command_executed=f"python3 -c 'import {name}'",
        execution_time_seconds=0.25,
        pod_logs="serving\x1b]0;title\x07\npassword=hunter2" if error else None,
        stdout="progress\r\x1b[2J" if error else "not shown",
        stderr=f"Traceback\n  import {name}\x7f" if error else "",
        reason=None if error is None else "ProbeFailed" if name == "untried" else "ModuleNotFound",
    )


@pytest.fixture(autouse=True)
def _contract(monkeypatch: pytest.MonkeyPatch) -> None:
    async def verify(
        pod: PodReference, container: str, modules: Sequence[str], timeout: int, diagnostics: bool
    ) -> dict[str, PackageVerificationResult]:
        CALLS.append((pod, container, list(modules), timeout, diagnostics))
        if pod.name == "pending":
            raise PodNotReadyError("pod default/pending is Pending, not Running: wait until it is")
        if pod.name == "broken":
            raise PodNotReadyError("the kubelet said \x1b[31mno")
        bad = ("missing", "untried")
        return {name: _result(name, "ModuleNotFoundError: no\nx" if name in bad else None) for name in modules}

    CALLS.clear()
    monkeypatch.setattr("wheelwarden.verify.verify_package_import_async", verify)


def test_people_see_a_line_for_each_module(capsys: Capture) -> None:
    assert main(["verify", "lab-0", "numpy", "missing", "-c", "lab"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "numpy      0.25 s  ok",
        "missing    0.25 s  failed: ModuleNotFoundError: no\\nx",
        "",
        "missing: stderr:",
        "  Traceback",
        "    import missing\\x7f",
        "",
        "missing: stdout:",
        "  progress",
        "  \\x1b[2J",
        "",
        "Log of container lab:",
        "  serving\\x1b]0;title\\x07",
        "  password=***",
    ]


def test_programs_get_every_field(capsys: Capture) -> None:
    assert main(["verify", "lab-0", "numpy", "-c", "lab", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {
            "package_name": "numpy",
            "import_successful": True,
            "error_message": None,
            "command_executed": "python3 -c 'import numpy'",
            "execution_time_seconds": 0.25,
            "pod_logs": None,
            "stdout": "not shown",
            "stderr": "",
            "reason": None,
        }
    ]


def test_every_argument_reaches_the_contract() -> None:
    arguments = ["-n", "science", "--timeout", "90", "--no-logs", "--kubeconfig", "k", "--context", "c"]
    assert main(["verify", "lab-0", "numpy", "-c", "lab", *arguments]) == 0
    assert [
        (
            PodReference(namespace="science", name="lab-0", kubeconfig=Path("k"), context="c"),
            "lab",
            ["numpy"],
            90,
            False,
        )
    ] == CALLS


@pytest.mark.parametrize(
    ("pod", "module", "complaint"),
    [
        ("pending", "numpy", "pod default/pending is Pending, not Running: wait until it is"),
        ("lab-0", "1abc", "Invalid package name: 1abc"),
        ("broken", "numpy", "the kubelet said \\x1b[31mno"),
    ],
)
def test_an_error_before_the_imports_is_reported_in_one_line(
    pod: str, module: str, complaint: str, capsys: Capture
) -> None:
    assert main(["verify", pod, module, "-c", "lab"]) == 2
    assert capsys.readouterr() == ("", f"wheelwarden: {complaint}\n")


def test_no_control_character_of_the_container_reaches_a_terminal(capsys: Capture) -> None:
    for output in ("text", "json"):
        main(["verify", "lab-0", "missing", "-c", "lab", "-o", output])
        shown = "".join(capsys.readouterr())
        assert [character for character in shown if not character.isprintable() and character != "\n"] == []
    main(["verify", "lab-0", "missing", "-c", "lab", "-o", "json"])
    assert json.loads(capsys.readouterr().out)[0]["stderr"] == "Traceback\n  import missing\x7f"


@pytest.mark.parametrize(("modules", "code"), [(["untried"], 2), (["untried", "missing"], 1), (["untried", "os"], 1)])
def test_if_no_import_could_be_tried_the_exit_code_is_2(modules: Sequence[str], code: int, capsys: Capture) -> None:
    assert main(["verify", "lab-0", *modules, "-c", "lab"]) == code
    assert capsys.readouterr().err == ("wheelwarden: nothing could be tried in the pod\n" if code == 2 else "")


def test_an_option_that_a_profile_ignores_is_reported(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    seen: list[Profile] = []

    async def run(pod: PodReference, container: str, profile: Profile, **_: object) -> Reliability:
        seen.append(profile)
        return Reliability(
            python="3.11.2", checks=(Check(check="fresh", subject="numpy", ok=True, error=None, measured={}),)
        )

    monkeypatch.setattr("wheelwarden.verify.reliability_run.run_reliability", run)
    profile = ["--profile", "reliability"]
    assert main(["verify", "lab-0", "numpy", "-c", "lab", *profile, "--no-logs", "--each", "7"]) == 0
    assert capsys.readouterr().err.splitlines() == [
        "--no-logs is ignored: with --profile reliability no logs are fetched"
    ]
    assert seen == [
        Profile(
            modules=("numpy",), path=(), call=False, budget_ms=100, growth_limit_bytes=1 << 20, workers=10, each=7,
            deadline_seconds=60,
        )
    ]  # fmt: skip


def test_an_interrupt_ends_the_command_immediately(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    ended: list[str] = []

    async def hang(*_: object) -> dict[str, PackageVerificationResult]:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.Event().wait()
        finally:
            ended.append("the exec")
        raise AssertionError

    monkeypatch.setattr("wheelwarden.verify.verify_package_import_async", hang)
    assert main(["verify", "lab-0", "numpy", "-c", "lab"]) == 130
    assert ended == ["the exec"]
    assert capsys.readouterr() == ("", "interrupted; cleaning up\nwheelwarden: interrupted by SIGINT\n")


def test_no_control_character_of_the_profiles_answer_reaches_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    async def run(*_: object, **__: object) -> Reliability:
        found = Check(
            check="fresh", subject="numpy", ok=False, error="no\x1b[2J\x7f\r", measured={"stderr": "\x9b2J\x7f"}
        )
        return Reliability(python="3.11.2", checks=(found,))

    monkeypatch.setattr("wheelwarden.verify.reliability_run.run_reliability", run)
    for output in ("text", "json", "junit"):
        assert main(["verify", "lab-0", "numpy", "-c", "lab", "--profile", "reliability", "-o", output]) == 1
        shown = "".join(capsys.readouterr())
        assert [character for character in shown if not character.isprintable() and character != "\n"] == []
