"""`wheelwarden results`: the results on a pod, for people and programs."""

import json
from typing import Any

import pytest

from wheelwarden.api import names
from wheelwarden.cli import results
from wheelwarden.cli.__main__ import main
from wheelwarden.verify.results import RESULTS_LIMIT, ModuleResult, ProbeReport, write_results

Object = dict[str, Any]


def report(*modules: ModuleResult) -> ProbeReport:
    return ProbeReport(python="3.11.2", executable="python3", derived=True, results=modules)


GOOD = ModuleResult(module="six", ok=True, seconds=0.1234, file="/packages/site-packages/six.py")
BAD = ModuleResult(
    module="cv2", ok=False, seconds=0.5, reason="MissingSharedLibrary", error="ImportError: libGL.so.1: cannot open",
    stderr="Traceback (most recent call last):\nImportError: libGL.so.1: cannot open\n",
)  # fmt: skip


def pod(text: str, *conditions: Object) -> Object:
    metadata = {"name": "orders-app-0", "annotations": {names.POD_RESULTS_ANNOTATION: text}}
    return {"metadata": metadata, "status": {"phase": "Running", "conditions": list(conditions)}}


VERIFIED = {"type": names.IMPORTS_VERIFIED, "status": "False", "reason": "MissingSharedLibrary", "message": "1 of 2"}


def test_results_that_the_controller_writes_are_shown() -> None:
    text = write_results(report(GOOD, BAD), "2026-01-31T10:30:00Z")
    found = results.read_pod_results(pod(text, VERIFIED))
    assert [module["module"] for module in found["modules"]] == ["cv2", "six"]
    assert (found["python"], found["time"], found["omitted"]) == ("3.11.2", "2026-01-31T10:30:00Z", 0)
    assert results.describe([found]) == [
        "pod orders-app-0",
        "  packages: no result",
        "  imports: False, MissingSharedLibrary: 1 of 2",
        "  cv2    0.50 s  MissingSharedLibrary: ImportError: libGL.so.1: cannot open",
        "    Traceback (most recent call last):",
        "    ImportError: libGL.so.1: cannot open",
        "  six    0.12 s  ok  /packages/site-packages/six.py",
    ]


def test_if_there_are_too_many_results_the_failures_are_kept() -> None:
    many = [ModuleResult(module=f"module_{index}", ok=True, seconds=0.1, file="/x" * 40) for index in range(500)]
    text = write_results(report(*many, BAD), "now")
    assert len(text) <= RESULTS_LIMIT
    found = json.loads(text)
    assert found["modules"][0]["module"] == "cv2"
    assert found["omitted"] == 501 - len(found["modules"])


@pytest.mark.parametrize("text", ["", "[]", "nonsense", "{}"])
def test_a_pod_without_readable_results_has_no_modules(text: str) -> None:
    found = results.read_pod_results(pod(text))
    assert (found["modules"], found["importsVerified"]) == ([], None)


@pytest.mark.parametrize("name", ["orders", "/orders", "team/", "a/b/c"])
def test_an_argument_without_namespace_and_name_is_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["results", name]) == 2
    assert "give NAMESPACE/NAME" in capsys.readouterr().err


@pytest.mark.parametrize(
    "modules",
    [
        3, "six", [3], ["six"], [{}], [{"module": "six"}],
        [{"module": 6, "seconds": 0.1, "ok": True, "reason": None, "error": None, "file": None}],
        [{"module": "six", "seconds": "0.1", "ok": True, "reason": None, "error": None, "file": None}],
    ],
)  # fmt: skip
def test_what_is_no_result_in_the_annotation_is_left_out(modules: object) -> None:
    found = results.read_pod_results(pod(json.dumps({"modules": modules, "omitted": "many"})))
    assert (found["modules"], found["omitted"]) == ([], 0)


def test_no_control_character_of_the_annotation_reaches_a_terminal() -> None:
    entry = {
        "module": "six\x1b[2J",
        "seconds": 0.1,
        "ok": True,
        "reason": None,
        "error": None,
        "file": "\x1b[31m/six.py",
    }
    lines = results.describe([results.read_pod_results(pod(json.dumps({"modules": [entry]})))])
    assert lines[-1] == "  six\\x1b[2J    0.10 s  ok  \\x1b[31m/six.py"
