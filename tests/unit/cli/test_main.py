"""The command as a whole: the rule table, exit codes, and errors as single lines."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from wheelwarden import __version__
from wheelwarden.cli.__main__ import main
from wheelwarden.rules import RULES

Capture = pytest.CaptureFixture[str]


def test_rules_prints_a_line_for_each_rule(capsys: Capture) -> None:
    assert main(["rules"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [[rule.id, str(rule.action)] for rule in RULES]


def test_rules_as_json_include_the_examples(capsys: Capture) -> None:
    assert main(["rules", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {field: str(getattr(rule, field)) for field in ("id", "action", "summary", "bad", "good", "policy", "before")}
        for rule in RULES
    ]


def test_rules_show_the_actions_that_a_policy_sets(tmp_path: Path, capsys: Capture) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("rules: {shape-syntax: off}")
    assert main(["rules", "--policy", str(policy)]) == 0
    assert capsys.readouterr().out.split()[:2] == ["shape-syntax", "off"]


def test_the_version_is_printed(capsys: Capture) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert (caught.value.code, capsys.readouterr().out) == (0, f"wheelwarden {__version__}\n")


@pytest.mark.parametrize(
    "arguments", [[], ["nonsense"], ["check"], ["check", "-o", "xml", "a"], ["rules", "--nonsense"]]
)
def test_invalid_arguments_exit_with_2(arguments: list[str], capsys: Capture) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith("usage: wheelwarden")


def test_a_bug_is_reported_in_one_line_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Capture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no such thing at https://user:password@packages.example.com")

    monkeypatch.setattr("wheelwarden.cli.check.judge_object", fail)
    file = tmp_path / "file.yaml"
    file.write_text("apiVersion: kubeflow.org/v1\nkind: Notebook\n")
    assert main(["check", str(file)]) == 70
    assert capsys.readouterr().err == (
        "wheelwarden: this is a bug in Wheelwarden, please report it: RuntimeError: "
        "no such thing at https://***@packages.example.com\n"
    )


def test_an_interrupt_is_reported_in_one_line(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("wheelwarden.cli.check.read_manifests", interrupt)
    assert main(["check", "x"]) == 130
    assert capsys.readouterr().err == "wheelwarden: interrupted\n"


def test_a_reader_that_closes_the_pipe_causes_no_error_message() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "wheelwarden.cli", "rules", "-o", "json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr:
        assert (process.stderr.read(), process.wait()) == (b"", 141)
