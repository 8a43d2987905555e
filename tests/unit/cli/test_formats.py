"""`wheelwarden check` for pipelines: SARIF, the pre-commit hook, and policies by namespace."""

import json
import shlex
from pathlib import Path

import pytest
import yaml

from tools.generated import ROOT
from wheelwarden.cli.__main__ import main

APP = """\
apiVersion: kaspr.io/v1alpha1
kind: KasprApp
metadata: {name: orders}
spec:
  pythonPackages:
    packages:
      - requests=1
      - reqeusts
"""

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "an app.yaml"
    path.write_text(APP)
    return path


def test_sarif_has_a_result_at_its_line_for_each_violation_and_its_rule(manifest: Path, capsys: Capture) -> None:
    assert main(["check", str(manifest), "-o", "sarif"]) == 1
    log = json.loads(capsys.readouterr().out)
    [run] = log["runs"]
    assert log["version"] == "2.1.0"
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["requirement-syntax", "requirement-near-miss"]
    places = [result["locations"][0]["physicalLocation"] for result in run["results"]]
    assert [(result["ruleId"], result["ruleIndex"], result["level"]) for result in run["results"]] == [
        ("requirement-syntax", 0, "error"),
        ("requirement-near-miss", 1, "warning"),
    ]
    assert [place["region"] for place in places] == [{"startLine": 7}, {"startLine": 8}]
    assert {place["artifactLocation"]["uri"] for place in places} == {str(manifest).replace(" ", "%20")}
    assert 'packages[0] "requests=1"' in run["results"][0]["message"]["text"]


def test_sarif_of_clean_manifests_is_a_run_without_results(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "app.yaml").write_text(APP.replace("requests=1", "requests==1").replace("reqeusts", "numpy"))
    assert main(["check", str(tmp_path), "-o", "sarif"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"][0]["results"] == []


@pytest.mark.parametrize(("arguments", "code"), [([], 1), (["-n", "sandbox"], 0), (["--namespace", "shop"], 1)])
def test_objects_without_a_namespace_are_checked_as_in_the_given_namespace(
    tmp_path: Path, capsys: Capture, arguments: list[str], code: int
) -> None:
    policy, app = tmp_path / "policy.json", tmp_path / "app.yaml"
    policy.write_text(
        json.dumps(
            {
                "rules": {"requirement-unpinned": "deny"},
                "overrides": [{"namespaces": ["sandbox"], "rules": {"requirement-unpinned": "off"}}],
            }
        )
    )
    app.write_text(APP.replace("requests=1", "requests").replace("reqeusts", "numpy==2.1.0"))
    assert main(["check", str(app), "--policy", str(policy), *arguments]) == code


def test_the_pre_commit_hook_refuses_a_bad_manifest(manifest: Path, capsys: Capture) -> None:
    [hook] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    program, *arguments = shlex.split(hook["entry"])
    assert (hook["language"], program) == ("python", "wheelwarden")
    assert main([*arguments, str(manifest)]) == 1
    assert "requests==1" in capsys.readouterr().out
