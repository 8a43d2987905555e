"""`wheelwarden check`, run as by a person or a pipeline."""

import io
import json
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cases import Case, load_cases
from wheelwarden.cli.__main__ import main

BAD = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: other}
---
# a comment
apiVersion: kubeflow.org/v1
kind: Notebook
metadata:
  name: analysis
  namespace: science
  annotations:
    wheelwarden.dev/verify-imports: numpy, 1abc
    wheelwarden.dev/python-packages: |
      # what we need
      packages:
        - numpy
        - requests=1
        - sklearn
      indexUrl: https://alice:s3cret@packages.example.com/simple
"""
GOOD = """\
apiVersion: kaspr.io/v1alpha1
kind: KasprApp
metadata: {name: orders}
spec: {pythonPackages: {packages: [requests]}}
"""

Capture = pytest.CaptureFixture[str]


def _run(capsys: Capture, *arguments: str) -> tuple[int, str, str]:
    code = main(["check", *arguments])
    captured = capsys.readouterr()
    assert "Traceback" not in captured.out + captured.err
    return code, captured.out, captured.err


def _stdin(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


@pytest.mark.parametrize("case", [case for case in load_cases() if case.old is None], ids=lambda case: case.id)
def test_the_case_table_gives_the_same_results_with_check(case: Case, tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "object.yaml"
    file.write_text(yaml.safe_dump(dict(case.obj), allow_unicode=False))
    policy = tmp_path / "policy.json"
    policy.write_text(json.dumps(case.policy_data))
    code, out, err = _run(capsys, str(file), "-o", "json", "--policy", str(policy))
    found = tuple((entry["action"], entry["rule"], entry["path"]) for entry in json.loads(out))
    assert (code, found, err) == (1 if case.denied else 0, case.expected, "")


def test_people_see_object_line_path_reason_remedy_and_a_summary(tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(BAD)
    annotation = "metadata.annotations[wheelwarden.dev/python-packages]"
    code, out, err = _run(capsys, str(file))
    assert (code, err) == (1, "")
    assert out.splitlines() == [
        "Notebook science/analysis",
        f'  {file}:17: deny: {annotation}.packages[1] "requests=1"',
        '    a single "=" compares nothing. Did you mean requests==1? [requirement-syntax]',
        f'  {file}:18: warn: {annotation}.packages[2] "sklearn"',
        (
            "    sklearn is the name that is imported; the package is called scikit-learn. Write scikit-learn. "
            "[requirement-import-name]"
        ),
        f'  {file}:19: deny: {annotation}.indexUrl "https://***@packages.example.com/simple"',
        (
            "    user and password stand in the URL for all to read. Keep them in a Secret, name that in "
            "credentials.secretRef, and write the URL without them. [index-credentials]"
        ),
        f'  {file}:12: deny: metadata.annotations[wheelwarden.dev/verify-imports][1] "1abc"',
        (
            "    its parts are no names of Python: letters, digits and underscores, no digit at the beginning. "
            "Write module, package.module or module:attribute. [verify-imports-syntax]"
        ),
        "",
        "1 object checked in 1 file, skipped: 1 object of another kind. 1 object denied with 3 violations, 1 warning.",
    ]


def test_programs_get_one_record_for_each_violation(tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(BAD)
    _, out, _ = _run(capsys, str(file), "-o", "json")
    path = "metadata.annotations[wheelwarden.dev/python-packages].packages[1]"
    assert json.loads(out)[0] == {
        "file": str(file),
        "document": 2,
        "line": 17,
        "kind": "Notebook",
        "namespace": "science",
        "name": "analysis",
        "rule": "requirement-syntax",
        "action": "deny",
        "path": path,
        "value": "requests=1",
        "reason": 'a single "=" compares nothing',
        "remedy": "Did you mean requests==1?",
        "message": f'{path} "requests=1": a single "=" compares nothing. Did you mean requests==1? [requirement-syntax]',
    }


def test_warnings_alone_do_not_fail(tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "warned.yaml"
    file.write_text(GOOD.replace("requests", "sklearn"))
    code, out, _ = _run(capsys, str(file))
    assert (code, out.splitlines()[-1]) == (
        0,
        "1 object checked in 1 file. 0 objects denied with 0 violations, 1 warning.",
    )


def test_folders_are_read_recursively_and_other_files_skipped(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    (tmp_path / "deep" / "er" / "a.YML").write_text(GOOD)
    (tmp_path / "deep" / "b.json").write_text(json.dumps(yaml.safe_load(GOOD)))
    (tmp_path / "deep" / "values.yaml").write_text("replicas: 3\n")
    (tmp_path / "deep" / "empty.yaml").write_text("")
    (tmp_path / "notes.txt").write_text("[")
    (tmp_path / ".git" / "x.yaml").write_text("[")
    code, out, err = _run(capsys, str(tmp_path))
    assert (code, err) == (0, "")
    assert out == (
        "2 objects checked in 4 files, skipped: 1 document that is not an object. "
        "0 objects denied with 0 violations, 0 warnings.\n"
    )


def test_lists_are_unpacked(tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "list.yaml"
    bad = yaml.safe_load(GOOD.replace("requests", "requests=1"))
    inner = {"apiVersion": "v1", "kind": "List", "items": [bad]}
    items = [{"apiVersion": "v1", "kind": "Secret"}, yaml.safe_load(GOOD), inner, "nonsense", deepcopy(bad)]
    file.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": items}, sort_keys=False))
    code, out, _ = _run(capsys, str(file), "-o", "json")
    lines = file.read_text().splitlines()
    found = [(entry["path"], lines[entry["line"] - 1].strip()) for entry in json.loads(out)]
    assert (code, found) == (1, [("spec.pythonPackages.packages[0]", "- requests=1")] * 2)


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    _stdin(monkeypatch, BAD.encode())
    code, out, _ = _run(capsys, "-")
    assert code == 1
    assert "  <stdin>:17: deny: " in out


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "{file}: it contains no Kubernetes object (nothing with apiVersion and kind)"),
        (b"a: 1", "{file}: it contains no Kubernetes object (nothing with apiVersion and kind)"),
        (b"- 1", "{file}: it contains no Kubernetes object (nothing with apiVersion and kind)"),
        (b"a: 1\nb: [2\nc: 3", "{file}:3:2: it is not YAML or JSON: did not find expected ',' or ']'"),
        (
            b"a: {{ .Values.a }}",
            (
                "{file}:1:5: it is not YAML or JSON: a key must be a plain string. Is it a template? Render it first, "
                "as in: helm template … | wheelwarden check -"
            ),
        ),
        (b"a: 1\nb: \xff", "{file}:2: it is not UTF-8 text"),
        ("a: 1".encode("utf-16"), "{file}:1: it is not UTF-8 text"),
        (b"\x00\x01", "{file}: it is not YAML or JSON: it holds characters that YAML does not allow"),
        (b"[" * 100_000, "{file}:1:65: it is not YAML or JSON: it is nested more than 64 levels deep"),
    ],
)
def test_a_file_that_cannot_be_used_is_reported_with_the_reason(
    content: bytes, complaint: str, tmp_path: Path, capsys: Capture
) -> None:
    file = tmp_path / "file.yaml"
    file.write_bytes(content)
    code, _, err = _run(capsys, str(file))
    assert (code, err) == (2, f"wheelwarden: {complaint.format(file=file)}\n")


def test_a_missing_path_does_not_stop_the_check_of_the_others(tmp_path: Path, capsys: Capture) -> None:
    good = tmp_path / "bad.yaml"
    good.write_text(BAD)
    empty = tmp_path / "empty"
    empty.mkdir()
    missing = tmp_path / "missing.yaml"
    code, out, err = _run(capsys, str(missing), str(good), str(empty))
    assert code == 2
    assert "1 object denied with 3 violations" in out
    assert err.splitlines() == [
        f"wheelwarden: {missing}: it cannot be read: No such file or directory",
        f"wheelwarden: {empty}: the folder contains no *.yaml, *.yml, *.json file",
    ]


def test_a_file_too_large_is_not_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Capture) -> None:
    monkeypatch.setattr("wheelwarden.cli.manifests.MAX_FILE_BYTES", 1 << 20)
    file = tmp_path / "large.yaml"
    file.write_bytes(b"#" * ((1 << 20) + 1))
    assert _run(capsys, str(file)) == (
        2,
        "0 objects checked in 0 files. 0 objects denied with 0 violations, 0 warnings.\n",
        f"wheelwarden: {file}: it is larger than 1 MiB\n",
    )


def test_names_from_a_file_cannot_control_the_terminal(tmp_path: Path, capsys: Capture) -> None:
    obj: dict[str, Any] = yaml.safe_load(GOOD.replace("requests", "requests=1"))
    obj["metadata"] = {"name": "a\x1b[2Jb", "namespace": 5}
    file = tmp_path / "file.json"
    file.write_text(json.dumps(obj))
    _, out, _ = _run(capsys, str(file))
    assert out.splitlines()[0] == "KasprApp a\\x1b[2Jb"


def test_a_byte_order_mark_and_windows_line_ends_are_accepted(tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "file.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + BAD.replace("\n", "\r\n").encode())
    code, out, _ = _run(capsys, str(file), "-o", "json")
    assert (code, [entry["line"] for entry in json.loads(out)]) == (1, [17, 18, 19, 12])


def test_a_policy_file_changes_the_actions(tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "file.yaml"
    file.write_text(GOOD.replace("requests", "requests=1"))
    policy = tmp_path / "policy.yaml"
    policy.write_text("rules: {requirement-syntax: warn}")
    assert _run(capsys, str(file), "--policy", str(policy))[0] == 0
    policy.write_text("rules: {requirement-sintax: warn}")
    assert _run(capsys, str(file), "--policy", str(policy)) == (
        2,
        "",
        (
            f'wheelwarden: policy file {policy}: rules: there is no rule "requirement-sintax"; '
            'did you mean "requirement-syntax"?\n'
        ),
    )
