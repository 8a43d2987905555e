"""Public indexes are known by default, though no name of one is written down: the names here are pip's own."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pip._internal.models.index import PyPI, TestPyPI

from tests.cases import kaspr_app
from tools.generated import ROOT, add_public_hosts
from wheelwarden.rules import judge_object
from wheelwarden.rules.policy_file import parse_policy
from wheelwarden.rules.public_hosts import DATA, host_digest, is_public

PRIVATE = "https://packages.example.com/simple"
FIRST = "spec.pythonPackages.indexUrl"


def found(packages: dict[str, Any], policy: dict[str, Any] | None = None) -> list[tuple[str, str, str]]:
    violations = judge_object(kaspr_app(packages), policy=parse_policy(policy or {}))
    return [(str(one.action), one.rule, one.path) for one in violations]


@pytest.mark.parametrize("index", [PyPI, TestPyPI])
def test_a_well_known_public_index_before_a_private_one_is_told_though_all_is_pinned(index: Any) -> None:
    asked = {"packages": ["mine==1.0"], "indexUrl": index.simple_url, "extraIndexUrls": [PRIVATE]}
    assert found(asked) == [("warn", "index-public-first", FIRST)]
    assert found({**asked, "indexUrl": PRIVATE, "extraIndexUrls": [index.simple_url]}) == []


def test_a_host_that_the_policy_names_is_public_beside_those_that_are_known() -> None:
    asked = {
        "packages": ["mine==1.0"],
        "indexUrl": PyPI.simple_url,
        "extraIndexUrls": ["https://mirror.example.org/simple", PRIVATE],
    }
    policy = {"publicIndexHosts": ["*.example.org"]}
    assert found(asked) == [("warn", "index-public-first", FIRST)]
    assert found(asked, policy) == [
        ("warn", "index-public-first", FIRST),
        ("warn", "index-public-first", "spec.pythonPackages.extraIndexUrls[0]"),
    ]


def test_an_advice_to_pin_is_not_given_where_a_pin_does_not_protect() -> None:
    asked = {"packages": ["mine"], "indexUrl": PyPI.simple_url, "extraIndexUrls": [PRIVATE]}
    remedies = {one.rule: one.remedy for one in judge_object(kaspr_app(asked))}
    assert remedies == {
        "index-public-first": "Make the private index indexUrl, and the public one the last of extraIndexUrls",
        "index-confusion": "Put the private index first, or use one index that mirrors the others:"
        " a pin does not protect here",
    }


def test_a_host_is_known_in_any_writing_and_what_lies_below_it_is_another() -> None:
    host = urlsplit(PyPI.simple_url).netloc
    assert [is_public(one) for one in (host, host.upper(), f"{host}.", f"x.{host}", f"x{host}")] == [True] * 3 + [
        False
    ] * 2


def test_the_data_file_holds_digests_only_and_the_command_adds_to_it(tmp_path: Path) -> None:
    data = json.loads(DATA.read_text())
    assert list(data) == ["sha256"]
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in data["sha256"])
    copy = tmp_path / "hosts.json"
    assert add_public_hosts(["B.example.com.", "a.example.com"], copy) == 2
    assert add_public_hosts(["a.example.com"], copy) == 2
    assert json.loads(copy.read_text()) == {
        "sha256": sorted([host_digest("a.example.com"), host_digest("b.example.com")])
    }


def test_no_name_of_a_public_index_stands_in_our_texts() -> None:
    folders = ("wheelwarden", "docs", "examples", "charts", "tests")
    names = [one.netloc.encode() for one in (PyPI, TestPyPI)] + [PyPI.file_storage_domain.encode()]
    files = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]
    texts = [path for path in files if path.suffix in (".py", ".md", ".yaml", ".yml", ".json", ".toml")]
    assert [str(path) for path in texts if any(name in path.read_bytes() for name in names)] == []
