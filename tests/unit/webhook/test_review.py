"""AdmissionReviews: which bodies are none, and what the answers say."""

import base64
import json
from typing import Any

import pytest

from webhook.review import (
    Review,
    allow,
    answer_violations,
    describe_denials,
    find_violations,
    fit_warnings,
    read_review,
)
from wheelwarden.api.errors import MalformedRequest
from wheelwarden.api.kinds import KASPR_APP, KINDS, NOTEBOOK
from wheelwarden.api.violations import Action, Violation
from wheelwarden.rules.policy import DEFAULT

Object = dict[str, Any]


def kaspr_app(*packages: str, **metadata: Any) -> Object:
    return {
        "apiVersion": "kaspr.io/v1alpha1",
        "kind": "KasprApp",
        "metadata": {"name": "orders", "namespace": "shop", **metadata},
        "spec": {"pythonPackages": {"packages": list(packages)}},
    }


def request(**fields: Any) -> Object:
    return {
        "uid": "u-1",
        "operation": "CREATE",
        "kind": {"group": "kaspr.io", "version": "v1alpha1", "kind": "KasprApp"},
        "resource": {"group": "kaspr.io", "version": "v1alpha1", "resource": "kasprapps"},
        "namespace": "shop",
        "name": "orders",
        "object": kaspr_app("requests==2.31.0"),
        "oldObject": None,
        **fields,
    }


def body(**fields: Any) -> bytes:
    return json.dumps(
        {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request(**fields)}
    ).encode()


def review(**fields: Any) -> Review:
    return read_review(body(**fields))


def violation(rule: str = "rule-a", action: Action = Action.DENY, reason: str = "it is wrong") -> Violation:
    return Violation(
        rule=rule, action=action, path="spec.pythonPackages.packages[0]", value="x!", reason=reason, remedy="Mend it"
    )


def test_a_review_is_read_field_by_field() -> None:
    assert review(operation="UPDATE", oldObject=kaspr_app("six"), subResource="status") == Review(
        uid="u-1",
        operation="UPDATE",
        group="kaspr.io",
        version="v1alpha1",
        kind="KasprApp",
        subresource="status",
        namespace="shop",
        name="orders",
        obj=kaspr_app("requests==2.31.0"),
        old=kaspr_app("six"),
    )
    assert review().guarded_kind is KASPR_APP


def test_an_object_that_is_yet_to_be_named_has_no_name() -> None:
    unnamed = {"apiVersion": "kaspr.io/v1alpha1", "kind": "KasprApp", "metadata": {"generateName": "orders-"}}
    assert review(name=None, object=unnamed).name == ""


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the body is empty; send an AdmissionReview as JSON"),
        (b"kind: AdmissionReview", "the body is not JSON: Expecting value in line 1, column 1"),
        (b'{"kind": "AdmissionReview",\n}', None),
        (b"\xff\xfe{}x", "the body is not UTF-8 text"),
        (b"[" * 100_000, "the body is nested too deeply to be an AdmissionReview"),
        (b'{"a":' * 100_000, "the body is nested too deeply to be an AdmissionReview"),
        (b"1" * 5000, "the body holds a number that is too long"),
        (b"[]", "the body is JSON but no AdmissionReview: its kind has to be AdmissionReview"),
        (b'{"kind": "Pod"}', "the body is JSON but no AdmissionReview: its kind has to be AdmissionReview"),
        (
            b'{"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1beta1"}',
            'the AdmissionReview is of version "admission.k8s.io/v1beta1"; only admission.k8s.io/v1 is understood',
        ),
        (
            b'{"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": []}',
            "the AdmissionReview holds no request",
        ),
        (body(uid=7), "the request needs a uid and an operation, both of them strings"),
        (body(uid=""), "the request needs a uid and an operation, both of them strings"),
        (body(operation=None), "the request needs a uid and an operation, both of them strings"),
        (body(object=None), "the request is a CREATE and has no object"),
        (body(operation="UPDATE", object="x"), "the request is a UPDATE and has no object"),
    ],
    ids=range(16),
)
def test_what_is_no_review_is_refused_with_a_sentence(data: bytes, message: str | None) -> None:
    with pytest.raises(MalformedRequest) as caught:
        read_review(data)
    assert caught.value.status == 400
    assert str(caught.value) == message or (message is None and "in line 2, column 1" in str(caught.value))


@pytest.mark.parametrize(
    "fields",
    [
        {"operation": "DELETE", "object": None, "oldObject": kaspr_app("bad one!")},
        {"operation": "CONNECT", "object": kaspr_app("bad one!")},
        {"subResource": "status", "object": kaspr_app("bad one!")},
        {"kind": {"group": "kaspr.io", "version": "v1", "kind": "KasprApp"}, "object": kaspr_app("bad one!")},
        {"kind": {"group": "", "version": "v1", "kind": "ConfigMap"}, "object": kaspr_app("bad one!")},
        {"object": kaspr_app("bad one!", deletionTimestamp="2026-01-31T10:30:00Z")},
        {"operation": "UPDATE", "object": kaspr_app("bad one!", labels={"a": "b"}), "oldObject": kaspr_app("bad one!")},
        {"object": kaspr_app("requests==2.31.0")},
    ],
    ids=["delete", "connect", "status", "version", "kind", "being deleted", "untouched", "good"],
)
def test_what_is_not_ours_to_judge_or_good_has_no_violations(fields: Object) -> None:
    assert find_violations(review(**fields), DEFAULT, KINDS) == []


def test_a_kind_that_is_switched_off_is_not_judged() -> None:
    bad = review(object=kaspr_app("bad one!"))
    assert find_violations(bad, DEFAULT, [NOTEBOOK]) == []
    assert [found.rule for found in find_violations(bad, DEFAULT, KINDS)] != []


def test_a_denial_lists_every_problem_on_a_line_of_its_own() -> None:
    violations = [violation(), violation("rule-b", Action.WARN, "it is odd"), violation("rule-c", reason="it is worse")]
    assert answer_violations(review(), violations) == {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": {
            "uid": "u-1",
            "allowed": False,
            "status": {
                "code": 422,
                "reason": "Invalid",
                "message": "2 problems in the Python packages that KasprApp shop/orders asks for:\n"
                '  1. spec.pythonPackages.packages[0] "x!": it is wrong. Mend it. [rule-a]\n'
                '  2. spec.pythonPackages.packages[0] "x!": it is worse. Mend it. [rule-c]',
            },
            "warnings": ['spec.pythonPackages.packages[0] "x!": it is odd. Mend it. [rule-b]'],
        },
    }


def test_one_problem_of_an_object_without_a_name() -> None:
    unnamed = review(name="", namespace="", object={"metadata": {}})
    assert describe_denials(unnamed, [violation()]).splitlines()[0] == (
        "1 problem in the Python packages that the KasprApp asks for:"
    )


def test_thousands_of_problems_are_counted_and_not_all_listed() -> None:
    lines = describe_denials(review(), [violation()] * 10_000).splitlines()
    assert lines[0] == "10000 problems in the Python packages that KasprApp shop/orders asks for:"
    assert len(lines) == 102
    assert lines[-1] == "  … and 9900 more; `wheelwarden check FILE` lists them all"


def test_warnings_alone_admit() -> None:
    assert answer_violations(review(), [violation(action=Action.WARN)])["response"] == {
        "uid": "u-1",
        "allowed": True,
        "warnings": ['spec.pythonPackages.packages[0] "x!": it is wrong. Mend it. [rule-a]'],
    }


def test_an_admission_carries_its_patch_as_base64() -> None:
    patch = [{"op": "add", "path": "/spec/volumes", "value": []}]
    response = allow(review(), patch=patch)["response"]
    assert json.loads(base64.b64decode(response.pop("patch"))) == patch
    assert response == {"uid": "u-1", "allowed": True, "patchType": "JSONPatch"}
    assert allow(review())["response"] == {"uid": "u-1", "allowed": True}


def test_warnings_stay_whole_while_they_fit_and_lose_control_characters() -> None:
    assert fit_warnings(["a" * 3000, "two\nlines\x1b[31m"]) == ["a" * 3000, "two lines [31m"]


def test_warnings_that_do_not_fit_are_cut_as_the_api_server_would_and_counted() -> None:
    cut = "a" * 255 + "…"
    assert fit_warnings(["a" * 3000, "b" * 2000, "c"]) == [cut, "b" * 255 + "…", "c"]
    assert fit_warnings(["a" * 500] * 20) == [cut] * 15 + ["… and 5 more warnings"]
