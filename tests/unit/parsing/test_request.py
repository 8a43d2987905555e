"""What one object asks of us."""

from typing import Any

from tests.cases import kaspr_app, notebook, request_of
from wheelwarden import compute_packages_hash
from wheelwarden.api import names
from wheelwarden.api.kinds import KASPR_APP, NOTEBOOK
from wheelwarden.api.request import Request
from wheelwarden.api.types import PackagesSpec
from wheelwarden.parsing.request import locate_request


def test_a_notebook_asks_by_its_annotations() -> None:
    obj = notebook({"packages": ["requests"]})
    obj["metadata"] |= {"uid": "u-1", "generation": 7}
    obj["metadata"]["annotations"] |= {
        names.VERIFY_IMPORTS_ANNOTATION: "requests, numpy\nrequests,",
        names.ROLLOUT_ANNOTATION: "auto",
        names.INSTALL_ANNOTATION: "observe",
        names.VERIFY_NOW_ANNOTATION: "again",
    }
    assert request_of(obj) == Request(
        kind=NOTEBOOK,
        namespace="science",
        name="analysis",
        uid="u-1",
        generation=7,
        packages=PackagesSpec(packages=("requests",)),
        packages_hash=compute_packages_hash({"packages": ["requests"]}),
        verify_imports=("requests", "numpy"),
        rollout="auto",
        install="observe",
        verify_now="again",
    )


def test_a_kaspr_app_asks_by_its_spec() -> None:
    assert request_of(kaspr_app({"packages": ["requests"]})) == Request(
        kind=KASPR_APP,
        namespace="shop",
        name="orders",
        uid="",
        generation=None,
        packages=PackagesSpec(packages=("requests",)),
        packages_hash=compute_packages_hash({"packages": ["requests"]}),
        verify_imports=(),
        rollout="auto",
        install=None,
        verify_now="",
    )


def test_a_notebook_may_want_imports_alone() -> None:
    obj = notebook("")
    obj["metadata"]["annotations"] = {names.VERIFY_IMPORTS_ANNOTATION: "sdg_hub"}
    request = request_of(obj)
    assert (request.packages, request.packages_hash, request.wanted, request.rollout) == (None, "", True, "manual")


def test_no_packages_are_no_request() -> None:
    request = request_of(kaspr_app({"packages": [], "indexUrl": "https://packages.example.com/simple"}))
    assert (request.packages, request.wanted) == (None, False)


def test_kinds_that_are_not_ours_have_no_request() -> None:
    assert locate_request({"apiVersion": "kubeflow.org/v2", "kind": "Notebook"}) is None
    assert locate_request({"apiVersion": 1, "kind": None}) is None


def test_what_cannot_be_read_is_left_out_and_said() -> None:
    obj = notebook("packages: [requests, 1]")
    obj["metadata"]["annotations"][names.ROLLOUT_ANNOTATION] = "sometimes"
    located = locate_request(obj)
    assert located is not None
    assert located.reading is not None
    request = located.request()
    assert (request.packages, request.rollout) == (PackagesSpec(packages=("requests",)), "manual")
    assert [violation.rule for violation in located.reading.violations] == ["shape-type"]


def asks(obj: dict[str, Any]) -> bool:
    located = locate_request({"apiVersion": "kaspr.io/v1alpha1", "kind": "KasprApp", **obj})
    assert located is not None
    return located.asks


def test_asking_is_carrying_the_field_or_one_of_our_annotations() -> None:
    assert asks(kaspr_app({}))
    assert not asks(kaspr_app(None))
    assert [asks({"metadata": {"annotations": {key: ""}}}) for key in names.USER_ANNOTATIONS] == [True] * 5
    assert not asks({"metadata": {"annotations": {names.LAST_RESULT_ANNOTATION: "{}"}}})
    assert not asks({"metadata": None, "spec": []})
