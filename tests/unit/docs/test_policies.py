"""The ready policies: each can be used as it is, and refuses what it is for."""

from pathlib import Path

import pytest

from tests.cases import kaspr_app
from tools.generated import ROOT
from wheelwarden.api.violations import Action
from wheelwarden.rules import judge_object
from wheelwarden.rules.policy import DEFAULT
from wheelwarden.rules.policy_file import load_policy

FOLDER = ROOT / "examples" / "policies"
INDEX = {"indexUrl": "https://packages.example.com/simple"}
HASH = "sha256=9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


def denied(policy: str, packages: dict[str, object], namespace: str = "shop") -> set[str]:
    obj = kaspr_app(packages)
    obj["metadata"]["namespace"] = namespace
    found = judge_object(obj, policy=load_policy(FOLDER / f"{policy}.yaml"))
    return {violation.rule for violation in found if violation.action is Action.DENY}


def test_each_is_in_the_documentation() -> None:
    page = (ROOT / "docs" / "policies.md").read_text()
    files = sorted(FOLDER.glob("*.yaml"))
    assert len(files) == 5
    assert [file.name for file in files if f"../examples/policies/{file.name}" not in page] == []


def test_open_is_the_default() -> None:
    assert load_policy(FOLDER / "open.yaml") == DEFAULT


@pytest.mark.parametrize(
    ("policy", "packages", "rules"),
    [
        ("internal-index-only", {"packages": ["requests"], **INDEX}, set()),
        ("internal-index-only", {"packages": ["requests"]}, {"host-not-allowed"}),
        ("internal-index-only", {"packages": ["mine @ https://a.example.org/mine.tar.gz"], **INDEX}, {"host-not-allowed"}),
        ("pinned-only", {"packages": ["requests==2.32.3"]}, set()),
        ("pinned-only", {"packages": ["requests"]}, {"requirement-unpinned"}),
        ("hash-locked", {"packages": [f"mine @ https://files.example.com/mine-1.0.tar.gz#{HASH}"]}, set()),
        ("hash-locked", {"packages": ["requests==2.32.3"], **INDEX}, {"requirement-unhashed", "host-not-allowed"}),
        ("locked-down", {"packages": ["numpy==2.1.0", "acme-tools==1.0"], **INDEX}, set()),
        ("locked-down", {"packages": ["flask==3.0.0"], **INDEX}, {"package-not-allowed"}),
        ("locked-down", {"packages": ["acme-nightly==1.0"], **INDEX}, {"package-not-allowed"}),
        ("locked-down", {"packages": ["numpy"], **INDEX}, {"requirement-unpinned"}),
    ],
)  # fmt: skip
def test_each_refuses_what_it_is_for(policy: str, packages: dict[str, object], rules: set[str]) -> None:
    assert denied(policy, packages) == rules


def test_sandboxes_are_told_only() -> None:
    assert denied("pinned-only", {"packages": ["requests"]}, "sandbox-1") == set()


def test_a_policy_may_stand_alone_or_among_values_of_the_chart(tmp_path: Path) -> None:
    alone, values = tmp_path / "policy.yaml", tmp_path / "values.yaml"
    alone.write_text("maxPackages: 3\n")
    values.write_text("replicaCount: 2\npolicy: {maxPackages: 3}\n")
    assert load_policy(alone) == load_policy(values)
