"""What judging promises beyond the case table: whole violations, the examples of the table, updates, limits."""

import json
from typing import Any

import pytest
import yaml

from tests.cases import kaspr_app, notebook
from wheelwarden.api import names
from wheelwarden.api.kinds import KASPR_APP, NOTEBOOK
from wheelwarden.api.objects import mapping_in
from wheelwarden.api.types import Cache, PackagesSpec
from wheelwarden.api.violations import Action, Violation
from wheelwarden.parsing.request import locate_request
from wheelwarden.rules import RULES, RULES_BY_ID, KnownSecret, Rule, judge, judge_object
from wheelwarden.rules.policy import DEFAULT, Policy
from wheelwarden.rules.policy_file import parse_policy


def _example(text: str) -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load(text)
    if "metadata" not in data and "spec" not in data:
        return kaspr_app(data)
    kind = KASPR_APP if data.get("kind") == KASPR_APP.name else NOTEBOOK
    return {"apiVersion": kind.api_version, "kind": kind.name} | data


def _violations(rule: Rule, example: str) -> list[Violation]:
    """What is found in an example of a rule; only the Secrets called `packages` are there."""
    obj = _example(example)
    named = (
        mapping_in(mapping_in(obj["spec"].get("pythonPackages", {}), "credentials"), "secretRef")
        if "spec" in obj
        else {}
    )
    keys = frozenset({"username", "password"}) if named.get("name") == "packages" else None
    return judge_object(
        obj,
        policy=parse_policy(yaml.safe_load(rule.policy)) if rule.policy else DEFAULT,
        old=_example(rule.before) if rule.before else None,
        secret=KnownSecret(exists=keys is not None, keys=keys or frozenset()),
    )


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_the_bad_example_of_a_rule_breaks_that_rule_alone(rule: Rule) -> None:
    assert {violation.rule for violation in _violations(rule, rule.bad)} == {rule.id}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_the_good_example_of_a_rule_is_admitted(rule: Rule) -> None:
    violations = _violations(rule, rule.good)
    assert [violation for violation in violations if violation.action is Action.DENY] == []
    assert rule.id not in {violation.rule for violation in violations}


def test_every_rule_has_an_id_of_its_own_and_one_line_of_documentation() -> None:
    assert len(RULES_BY_ID) == len(RULES)
    assert [rule.id for rule in RULES if not rule.summary or "\n" in rule.summary or rule.summary.endswith(".")] == []


def test_a_violation_says_what_where_why_and_what_to_do() -> None:
    base = "metadata.annotations[wheelwarden.dev/python-packages]"
    violations = judge_object(
        notebook(
            {
                "packages": ["requests=2.31.0"],
                "indexUrl": "https://alice:s3cret@packages.example.com/simple?token=abc",
                "cache": {"size": "10 GB"},
            }
        )
    )
    assert violations == [
        Violation(
            rule="requirement-syntax",
            action=Action.DENY,
            path=f"{base}.packages[0]",
            value="requests=2.31.0",
            reason='a single "=" compares nothing',
            remedy="Did you mean requests==2.31.0?",
        ),
        Violation(
            rule="index-credentials",
            action=Action.DENY,
            path=f"{base}.indexUrl",
            value="https://***@packages.example.com/simple?***",
            reason="user and password stand in the URL for all to read",
            remedy="Keep them in a Secret, name that in credentials.secretRef, and write the URL without them",
        ),
        Violation(
            rule="cache-size",
            action=Action.DENY,
            path=f"{base}.cache.size",
            value="10 GB",
            reason="it is not a Kubernetes quantity: a number with an optional unit such as Mi, Gi, M or m",
            remedy="Write a quantity such as 256Mi or 10Gi",
        ),
    ]
    assert violations[0].message == (
        f'{base}.packages[0] "requests=2.31.0": a single "=" compares nothing. '
        "Did you mean requests==2.31.0? [requirement-syntax]"
    )


def test_the_message_of_a_broken_annotation_names_line_and_column() -> None:
    assert judge_object(notebook("packages:\n  - requests\n  indexUrl: x\n")) == [
        Violation(
            rule="shape-syntax",
            action=Action.DENY,
            path="metadata.annotations[wheelwarden.dev/python-packages]",
            value=None,
            reason="it is not YAML or JSON: did not find expected '-' indicator (line 3, column 3)",
            remedy="Write a mapping such as {packages: [requests==2.31.0]}, in YAML or JSON",
        )
    ]


def test_an_update_that_changes_nothing_of_ours_is_admitted() -> None:
    old = notebook({"packages": ["requests=1"]})
    new = notebook({"packages": ["requests=1"]})
    new["metadata"]["annotations"] |= {"kubeflow-resource-stopped": "now", names.LAST_RESULT_ANNOTATION: "{}"}
    new["spec"] = {}
    assert judge_object(new, old=old) == []


def test_an_update_that_changes_one_of_our_annotations_is_judged_whole() -> None:
    old = notebook({"packages": ["requests=1"]})
    new = notebook({"packages": ["requests=1"]})
    new["metadata"]["annotations"][names.ROLLOUT_ANNOTATION] = "auto"
    assert [violation.rule for violation in judge_object(new, old=old)] == ["requirement-syntax"]


def test_an_update_that_takes_the_packages_away_is_admitted() -> None:
    old = kaspr_app({"packages": ["requests=1"]})
    new = kaspr_app(None)
    assert judge_object(new, old=old) == []


def test_an_entry_that_is_too_long_is_refused_without_being_read() -> None:
    (violation,) = judge_object(kaspr_app({"packages": ["a" * 10_000]}))
    assert (violation.rule, violation.value) == ("requirement-length", "a" * 120 + "… (10000 characters)")


def test_modules_beyond_the_limit_are_refused_and_not_looked_at() -> None:
    obj = notebook({"packages": ["requests"]})
    modules = [f"m{index}" for index in range(100)] + ["no-module"]
    obj["metadata"]["annotations"][names.VERIFY_IMPORTS_ANNOTATION] = ",".join(modules)
    assert [violation.rule for violation in judge_object(obj)] == ["verify-imports-limit"]


def test_ten_thousand_packages_are_one_violation() -> None:
    (violation,) = judge_object(kaspr_app({"packages": [f"package-{index}" for index in range(10_000)]}))
    assert violation.rule == "packages-limit"
    assert "10000 entries, more than the 500" in violation.reason


def test_a_message_stays_short_whatever_the_value() -> None:
    long = "x" * 100_000
    obj = kaspr_app(
        {
            "packages": [long],
            "indexUrl": f"https://user:{long}@packages.example.com",
            "trustedHosts": [long],
            "cache": {"size": long, "accessMode": long, "storageClass": long, "type": long},
            "credentials": {"secretRef": {"name": long, "passwordKey": long}},
            "installPolicy": {"onFailure": long},
            "resources": {"limits": {long: "1", "cpu": long}},
            long: 1,
        }
    )
    violations = judge_object(obj)
    assert len(violations) == 13
    assert max(len(violation.message) for violation in violations) < 800


def test_unknown_fields_without_number_are_named_only_so_far() -> None:
    violations = judge_object(kaspr_app({"packages": ["requests"]} | {f"field{index}": 1 for index in range(1000)}))
    assert len(violations) == 21
    assert "1000 fields are not known here" in next(v for v in violations if v.path == "spec.pythonPackages").reason


@pytest.mark.parametrize(
    ("packages", "path", "reason"),
    [
        ({"packages": [1] * 5000}, ".packages", "5000 entries are no strings; the first 1000 of them are named"),
        (
            {
                "packages": ["six"],
                "indexUrl": "https://a.example.com/",
                "extraIndexUrls": ["ftp://b.example.com"] * 5000,
            },
            ".extraIndexUrls",
            "it has 5000 entries, more than 1000, and only those were read",
        ),
        (
            {"packages": ["six"], "trustedHosts": ["a b"] * 5000},
            ".trustedHosts",
            "it has 5000 entries, more than 1000, and only those were read",
        ),
        (
            {"packages": ["six"], "resources": {"limits": {f"example.com/r{number}": "x" for number in range(5000)}}},
            ".resources.limits",
            "it has 5000 entries, more than 1000, and only those were read",
        ),
    ],
    ids=["packages", "indexes", "hosts", "quantities"],
)
def test_of_thousands_of_entries_one_thousand_is_read(packages: dict[str, Any], path: str, reason: str) -> None:
    found = judge_object(kaspr_app(packages))
    assert [one.reason for one in found if one.path == f"spec.pythonPackages{path}" and one.rule == "shape-type"] == [
        reason
    ]
    inside = [one for one in found if one.path.startswith(f"spec.pythonPackages{path}[")]
    assert len(inside) == 1000
    assert {one.action for one in inside} == {Action.DENY}


def test_of_thousands_of_unknown_annotations_a_hundred_are_named() -> None:
    obj = notebook("packages: [six]")
    obj["metadata"]["annotations"] |= {f"wheelwarden.dev/x{number}": "" for number in range(5000)}
    found = judge_object(obj)
    assert [one.rule for one in found] == ["annotation-unknown"] * 101
    assert "Wheelwarden does not know 5000 of them; the first 100 are named" in {one.reason for one in found}
    obj["metadata"]["annotations"] = {f"wheelwarden.dev/x{number}": 1 for number in range(5000)}
    assert len([one for one in judge_object(obj) if one.rule == "shape-type"]) == 100


def test_a_rule_that_the_policy_turned_off_says_nothing() -> None:
    policy = Policy(actions={"requirement-syntax": Action.OFF})
    assert judge_object(kaspr_app({"packages": ["requests=1"]}), policy=policy) == []


def test_packages_that_only_look_alike_are_judged_each_by_itself() -> None:
    policies = {"requirement-unpinned": Action.DENY}
    spec = {"packages": ["requests"], "installPolicy": {"retries": 1}}
    assert judge_object(kaspr_app(spec)) == []
    assert [one.rule for one in judge_object(kaspr_app({**spec, "installPolicy": {"retries": True}}))] == ["shape-type"]
    assert [one.rule for one in judge_object(kaspr_app(spec), policy=Policy(actions=policies))] == [
        "requirement-unpinned"
    ]
    assert judge_object(kaspr_app(spec)) == []
    assert [one.path for one in judge_object(notebook(json.dumps(spec)), policy=Policy(actions=policies))] == [
        "metadata.annotations[wheelwarden.dev/python-packages].packages[0]"
    ]
    assert [one.rule for one in judge_object(kaspr_app(json.dumps(spec)))] == ["shape-type"]


def test_a_request_that_was_read_is_judged_as_its_object_is() -> None:
    obj = kaspr_app({"packages": ["requests=1"], "cache": {"size": "1Gi"}})
    located = locate_request(obj)
    assert located is not None
    assert judge(located) == judge_object(obj) != []
    assert located.request().packages == PackagesSpec(packages=("requests=1",), cache=Cache(size="1Gi"))
