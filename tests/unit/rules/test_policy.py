"""The admin's policy file."""

from pathlib import Path

import pytest

from wheelwarden.api.errors import UnusableInput
from wheelwarden.api.violations import Action
from wheelwarden.rules.policy import DEFAULT, Policy
from wheelwarden.rules.policy_file import load_policy


def test_every_setting_is_read(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(
        "rules: {index-http: deny, requirement-duplicate: off, requirement-syntax: 'off', direct-http: warn}\n"
        "allowedIndexHosts: [packages.example.com, '*.Internal.example.com']\n"
        "publicIndexHosts: [index.example.org]\n"
        "allowedVariables: [GIT_TOKEN]\n"
        "maxPackages: 20\n"
    )
    assert load_policy(file) == Policy(
        actions={
            "index-http": Action.DENY,
            "requirement-duplicate": Action.OFF,
            "requirement-syntax": Action.OFF,
            "direct-http": Action.WARN,
        },
        allowed_index_hosts=("packages.example.com", "*.internal.example.com"),
        public_index_hosts=("index.example.org",),
        allowed_variables=frozenset({"GIT_TOKEN"}),
        max_packages=20,
    )


@pytest.mark.parametrize("text", ["", "{}", "# nothing\n"])
def test_an_empty_file_is_the_default_policy(tmp_path: Path, text: str) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(text)
    assert load_policy(file) == DEFAULT


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("rules: [", "it is not YAML or JSON: did not find expected node content (line 2, column 1)"),
        ("[1]", "it must be a mapping"),
        (
            "maxPackage: 5",
            (
                'there is no setting "maxPackage" (did you mean "maxPackages"?); known are rules, allowedIndexHosts, '
                "publicIndexHosts, allowedVariables, allowedPackages, deniedPackages, maxPackages, install, overrides"
            ),
        ),
        ("rules: {index-htp: warn}", 'rules: there is no rule "index-htp"; did you mean "index-http"?'),
        ("rules: {zzz: warn}", 'rules: there is no rule "zzz"; `wheelwarden rules` prints them all'),
        ("rules: {index-http: never}", "rules.index-http: it must be off, warn or deny"),
        ("install: always", "install: it must be managed or observe"),
        ("maxPackages: many", "maxPackages: it must be a whole number"),
        ("maxPackages: 0", "maxPackages: 0 is less than the minimum of 1"),
        ("allowedVariables: ['A B']", 'allowedVariables.0: "A B" is no name of a variable'),
        (
            "allowedIndexHosts: packages.example.com\nmaxPackages: x",
            "allowedIndexHosts: it must be a list; maxPackages: it must be a whole number",
        ),
    ],
)
def test_a_file_that_is_not_understood_says_where(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(text)
    with pytest.raises(UnusableInput) as caught:
        load_policy(file)
    assert str(caught.value) == f"policy file {file}: {problem}"


def test_a_file_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    with pytest.raises(UnusableInput, match=r"missing\.yaml: it cannot be read: No such file or directory"):
        load_policy(tmp_path / "missing.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(UnusableInput, match="it is not UTF-8 text"):
        load_policy(tmp_path / "binary.yaml")
    (tmp_path / "large.yaml").write_bytes(b"#" * (1 << 20) + b"#")
    with pytest.raises(UnusableInput, match="it is larger than 1048576 bytes"):
        load_policy(tmp_path / "large.yaml")
