"""`wheelwarden` with unusual input: pipes, closed streams, cyclic links, no kubeconfig, unknown versions."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.cli.test_check import BAD, GOOD, Capture, _run
from wheelwarden.cli.__main__ import main

UNKNOWN = GOOD.replace("kaspr.io/v1alpha1", "kaspr.io/v1")
COMMAND = (sys.executable, "-m", "wheelwarden")


def run(*words: str, **options: Any) -> tuple[int, str, str]:
    done = subprocess.run([*COMMAND, *words], capture_output=True, text=True, check=False, timeout=60, **options)
    return done.returncode, done.stdout, done.stderr


def test_an_unknown_version_is_a_warning_and_does_not_fail(tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "new.yaml"
    file.write_text(f"{UNKNOWN}---\n{GOOD}")
    assert _run(capsys, str(file)) == (
        0,
        (
            "KasprApp orders\n"
            f'  {file}:1: warn: apiVersion "kaspr.io/v1"\n'
            "    this version of KasprApp is not known here, so nothing of the object was judged. "
            "Write kaspr.io/v1alpha1, or use a Wheelwarden that knows it. [version-unknown]\n\n"
            "1 object checked in 1 file, skipped: 1 object of an unknown version. "
            "0 objects denied with 0 violations, 1 warning.\n"
        ),
        "",
    )
    assert _run(capsys, str(file), "--unknown-version", "deny")[0] == 1
    code, out, _ = _run(capsys, str(file), "-o", "json")
    assert (code, [(one["rule"], one["action"], one["path"]) for one in json.loads(out)]) == (
        0,
        [("version-unknown", "warn", "apiVersion")],
    )
    code, out, _ = _run(capsys, str(file), "-o", "sarif", "--unknown-version", "deny")
    assert (code, [one["ruleId"] for one in json.loads(out)["runs"][0]["results"]]) == (1, ["version-unknown"])


def test_the_option_changes_the_action_of_this_rule_only(tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(BAD)
    policy = tmp_path / "policy.yaml"
    policy.write_text("rules: {version-unknown: deny}")
    new = tmp_path / "new.yaml"
    new.write_text(UNKNOWN)
    assert _run(capsys, str(file), "--unknown-version", "warn")[0] == 1
    assert _run(capsys, str(new), "--policy", str(policy))[0] == 1
    assert _run(capsys, str(new), "--policy", str(policy), "--unknown-version", "warn")[0] == 0


def test_a_pipe_without_a_writer_is_an_error_and_does_not_block(tmp_path: Path, capsys: Capture) -> None:
    pipe = tmp_path / "pipe.yaml"
    os.mkfifo(pipe)
    complaint = f"wheelwarden: {pipe}: it cannot be read: it is a pipe that nobody writes to\n"
    for given in (pipe, tmp_path):
        code, _, err = _run(capsys, str(given))
        assert (code, err) == (2, complaint)
    file = tmp_path / "good.yml"
    file.write_text(GOOD)
    code, _, err = _run(capsys, str(file), "--policy", str(pipe))
    assert (code, err) == (
        2,
        f"wheelwarden: policy file {pipe}: it cannot be read: it is a pipe that nobody writes to\n",
    )


def test_a_pipe_with_a_writer_is_read() -> None:
    reading, writing = os.pipe()
    os.write(writing, BAD.encode())
    os.close(writing)
    code, out, err = run("check", f"/dev/fd/{reading}", "-o", "json", pass_fds=(reading,))
    os.close(reading)
    assert (code, len(json.loads(out)), err) == (1, 4, "")


def test_a_closed_standard_input_is_an_error() -> None:
    code, _, err = run("check", "-", preexec_fn=lambda: os.close(0))
    assert (code, err) == (2, "wheelwarden: <stdin>: it is closed; name a file, or pipe one into the command\n")


def test_a_closed_standard_output_does_not_change_the_exit_code(tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(BAD)
    assert run("check", str(file), preexec_fn=lambda: os.close(1)) == (1, "", "")


def test_links_to_folders_are_followed_and_cycles_end(tmp_path: Path, capsys: Capture) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (inside / "a.yaml").write_text(GOOD)
    (outside / "b.yaml").write_text(GOOD)
    (inside / "circle").symlink_to(inside)
    (inside / "other").symlink_to(outside)
    (outside / "back").symlink_to(inside)
    code, out, err = _run(capsys, str(inside))
    assert (code, out, err) == (
        0,
        "2 objects checked in 2 files. 0 objects denied with 0 violations, 0 warnings.\n",
        "",
    )


def test_a_link_to_itself_and_a_dangling_link_are_reported(tmp_path: Path, capsys: Capture) -> None:
    circle, nothing = tmp_path / "circle.yaml", tmp_path / "nothing.yaml"
    circle.symlink_to(circle)
    nothing.symlink_to(tmp_path / "not-there")
    code, _, err = _run(capsys, str(circle), str(nothing), str(tmp_path / ("x" * 300)))
    assert (code, err.splitlines()) == (
        2,
        [
            f"wheelwarden: {circle}: it cannot be read: Too many levels of symbolic links",
            f"wheelwarden: {nothing}: it cannot be read: No such file or directory",
            f"wheelwarden: {tmp_path}/{'x' * 300}: it cannot be read: File name too long",
        ],
    )


def without_cluster(**variables: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST")}
    return {**kept, **variables}


@pytest.mark.parametrize("words", [("results", "shop/orders"), ("verify", "pod-0", "-c", "kaspr", "json")])
def test_a_missing_kubeconfig_is_reported_in_one_line(words: tuple[str, ...], tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    for environment, named, hint in (
        (without_cluster(HOME=str(tmp_path)), "~/.kube/config", "; name one by KUBECONFIG or --kubeconfig"),
        (without_cluster(KUBECONFIG=str(absent)), str(absent), "; name one by KUBECONFIG or --kubeconfig"),
    ):
        line = f"wheelwarden: no usable Kubernetes configuration in {named}: there is no such file{hint}\n"
        assert run(*words, env=environment) == (2, "", line)
    line = f"wheelwarden: no usable Kubernetes configuration in {absent}: there is no such file\n"
    assert run(*words, "--kubeconfig", str(absent), env=without_cluster()) == (2, "", line)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("[", "while parsing a flow node expected the node content"),
        ("", "it holds no configuration"),
        (yaml.safe_dump({"kind": "Config"}), "Invalid kube-config file."),
    ],
)
def test_an_unusable_kubeconfig_is_reported_in_one_line(
    content: str, problem: str, tmp_path: Path, capsys: Capture
) -> None:
    file = tmp_path / "config"
    file.write_text(content)
    assert main(["results", "shop/orders", "--kubeconfig", str(file)]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"wheelwarden: no usable Kubernetes configuration in {file}: {problem}")


def test_the_package_runs_the_command() -> None:
    code, out, err = run("rules")
    assert (code, err) == (0, "")
    assert out.startswith("shape-syntax ")
    code, _, err = run()
    assert (code, err.splitlines()[0]) == (2, "usage: wheelwarden [-h] [--version] COMMAND ...")
