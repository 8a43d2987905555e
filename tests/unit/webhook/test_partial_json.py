"""A body that is read in part says the same as one that is read whole."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.cases import Case, load_cases
from tests.unit.webhook.test_review import body, kaspr_app, review
from webhook.partial_json import read_partly
from webhook.review import find_violations, read_review
from wheelwarden.api.errors import MalformedRequest
from wheelwarden.api.kinds import KINDS
from wheelwarden.rules import judge_object
from wheelwarden.rules.policy import DEFAULT


def body_of(obj: Mapping[str, Any], old: Mapping[str, Any] | None) -> bytes:
    group, _, version = str(obj["apiVersion"]).partition("/")
    kind = {"group": group, "version": version, "kind": obj["kind"]}
    return body(operation="UPDATE" if old else "CREATE", kind=kind, object=obj, oldObject=old)


@pytest.mark.parametrize("case", load_cases(), ids=lambda case: case.id)
def test_every_rule_finds_in_a_part_what_it_finds_in_the_whole(case: Case) -> None:
    found = find_violations(read_review(body_of(case.obj, case.old)), case.policy, KINDS)
    assert found == judge_object(case.obj, policy=case.policy, old=case.old)


@pytest.mark.parametrize(
    "fields",
    [
        {"object": {"metadata": [], "spec": "x"}},
        {"object": {"spec": None}},
        {"kind": None, "name": 5, "namespace": []},
        {"uid": "\ud800"},
    ],
    ids=["shapes", "null", "names", "surrogate"],
)
def test_what_is_unusual_is_read_whole(fields: dict[str, Any]) -> None:
    assert read_partly(body(**fields)) is None
    assert review(**fields).obj == {"object": kaspr_app("requests==2.31.0"), **fields}["object"]


def test_half_of_a_surrogate_pair_where_nobody_looks_is_no_fault() -> None:
    app = kaspr_app("six==1.17.0", labels={"half": "\ud800"})
    assert review(object=app).obj == app


def test_a_part_can_be_looked_at_as_any_mapping() -> None:
    spec = review().obj or {}
    assert dict(spec["spec"]) == {"pythonPackages": {"packages": ["requests==2.31.0"]}}
    assert (len(spec["metadata"]), "name" in spec["metadata"], spec["metadata"].get("labels")) == (2, True, None)


def test_what_nobody_looks_at_is_not_decoded() -> None:
    app = kaspr_app("six==1.17.0")
    text = body(object={**app, "spec": {**app["spec"], "agents": 0}}).replace(
        b'"agents": 0', b'"agents": ' + b"9" * 5000
    )
    read = read_review(text)
    assert find_violations(read, DEFAULT, KINDS) == []
    with pytest.raises(MalformedRequest, match="the body holds a number that is too long"):
        read.obj["spec"]["agents"]  # type: ignore[index]


def test_what_nobody_looks_at_is_text_all_the_same() -> None:
    app = kaspr_app("six==1.17.0")
    text = body(object={**app, "spec": {**app["spec"], "agents": "café"}})
    latin = json.loads(text)
    damaged = json.dumps(latin, ensure_ascii=False).encode("latin-1")
    with pytest.raises(MalformedRequest, match="the body is not UTF-8 text"):
        read_review(damaged)
