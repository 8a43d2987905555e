"""The package verification contract over any object with its methods: the contract's own tests, and its guarantees."""

import json
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from wheelwarden import verify_package_import
from wheelwarden.errors import ContainerNotFoundError, PodNotReadyError, ResourceNotFoundError
from wheelwarden.verify import parse_report
from wheelwarden.verify.results import UnreadableAnswer


class ExecOnPodError(Exception):
    """What another library raises."""


def test_an_import_that_works_runs_one_command() -> None:
    pod = Mock()
    pod.execute.return_value = ""
    results = verify_package_import(pod, "test", ["numpy"])
    assert results["numpy"].import_successful
    assert results["numpy"].error_message is None
    pod.execute.assert_called_once_with(container="test", command=["python", "-c", "import numpy"])
    pod.log.assert_not_called()


def test_a_failed_import_keeps_no_other_from_being_tried_and_brings_the_logs() -> None:
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


def test_without_diagnostics_no_log_is_asked_for() -> None:
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
    ],
)
def test_what_is_wrong_is_said_before_anything_runs(packages: list[str], timeout: int, text: str) -> None:
    pod = Mock()
    with pytest.raises(ValueError) as raised:
        verify_package_import(pod, "test", packages, timeout)
    assert str(raised.value) == text
    pod.execute.assert_not_called()


def test_a_pod_that_is_not_there_not_running_or_without_the_container_is_named() -> None:
    with pytest.raises(ResourceNotFoundError):
        verify_package_import(Mock(exists=False), "test", ["json"])
    pending = SimpleNamespace(status=SimpleNamespace(phase="Pending"), spec=None)
    with pytest.raises(PodNotReadyError, match="Pending"):
        verify_package_import(Mock(instance=pending), "test", ["json"])
    spec = SimpleNamespace(containers=[SimpleNamespace(name="main")])
    running = SimpleNamespace(status=SimpleNamespace(phase="Running"), spec=spec)
    with pytest.raises(ContainerNotFoundError, match="it has main"):
        verify_package_import(Mock(instance=running), "test", ["json"])


@pytest.mark.parametrize("junk", ["", "no json", "[]", "{}", json.dumps({"version": 2}), json.dumps({"version": 1})])
def test_an_answer_that_is_none_is_said_to_be_unreadable(junk: str) -> None:
    with pytest.raises(UnreadableAnswer):
        parse_report(junk)
