"""`wheelwarden verify`: arguments in, results out; what happens in the pod is tested with the contract."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from wheelwarden.cli.__main__ import main
from wheelwarden.errors import PodNotReadyError
from wheelwarden.verify import PackageVerificationResult, PodReference

Capture = pytest.CaptureFixture[str]
CALLS: list[tuple[Any, ...]] = []


def _result(name: str, error: str | None) -> PackageVerificationResult:
    return PackageVerificationResult(
        package_name=name,
        import_successful=error is None,
        error_message=error,
        command_executed=f"python3 -c 'import {name}'",
        execution_time_seconds=0.25,
    )


@pytest.fixture(autouse=True)
def _contract(monkeypatch: pytest.MonkeyPatch) -> None:
    def verify(
        pod: PodReference, container: str, modules: Sequence[str], timeout: int, diagnostics: bool
    ) -> dict[str, PackageVerificationResult]:
        CALLS.append((pod, container, list(modules), timeout, diagnostics))
        if pod.name == "pending":
            raise PodNotReadyError("pod default/pending is Pending, not Running: wait until it is")
        if "1abc" in modules:
            raise ValueError("Invalid package name: 1abc")
        return {name: _result(name, "ModuleNotFoundError: no\nx" if name == "missing" else None) for name in modules}

    CALLS.clear()
    monkeypatch.setattr("wheelwarden.verify.verify_package_import", verify)


def test_people_see_a_line_for_each_module(capsys: Capture) -> None:
    assert main(["verify", "lab-0", "numpy", "missing", "-c", "lab"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "numpy      0.25 s  ok",
        "missing    0.25 s  failed: ModuleNotFoundError: no\\nx",
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
            "stdout": "",
            "stderr": "",
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
    ],
)
def test_what_cannot_be_verified_is_one_line(pod: str, module: str, complaint: str, capsys: Capture) -> None:
    assert main(["verify", pod, module, "-c", "lab"]) == 2
    assert capsys.readouterr() == ("", f"wheelwarden: {complaint}\n")
