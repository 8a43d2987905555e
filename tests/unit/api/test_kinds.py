"""Kinds as plug-ins: what a kind describes, and that no other code names a kind."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.standins.data_job import DATA_JOB, registered
from tools.generated import CHART, ROOT
from wheelwarden.api.kinds import (
    KASPR_APP,
    KINDS,
    NOTEBOOK,
    WorkloadKind,
    all_kinds,
    kind_named,
    kind_of,
    kind_of_bare_spec,
    kind_of_pod,
    kind_of_unknown_version,
)

PRODUCT = ("wheelwarden", "webhook", "controller", "certs", "tools")
HOME = ROOT / "wheelwarden" / "api" / "kinds"
CONSTANTS = {"NOTEBOOK", "KASPR_APP", "NOTEBOOKS", "KASPRAPPS"}
WORDS = {word for kind in KINDS for word in (kind.name, kind.plural, kind.group, kind.pod_label)}
# `wheelwarden test-image --notebook` creates a Notebook only; wheelwarden.kube names both resources for the tests.
NAMED = {
    "wheelwarden/verify/image_test/objects.py",
    "wheelwarden/verify/image_test/run.py",
    "wheelwarden/verify/image_test/states.py",
    "wheelwarden/kube/__init__.py",
    "wheelwarden/kube/resources.py",
}


def product_files() -> Iterator[Path]:
    for room in PRODUCT:
        yield from (path for path in sorted((ROOT / room).rglob("*.py")) if not path.is_relative_to(HOME))


def mentions(node: ast.AST) -> list[str]:
    """The kinds that an expression names, by a constant or by a word that belongs to one kind."""
    found = []
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and part.id in CONSTANTS:
            found.append(part.id)
        elif isinstance(part, ast.Attribute) and part.attr in CONSTANTS:
            found.append(part.attr)
        elif isinstance(part, ast.Constant) and isinstance(part.value, str) and part.value in WORDS:
            found.append(part.value)
    return found


def decisions_by_kind(source: str) -> list[tuple[int, str]]:
    """(line, kind) of every comparison, match and table that names a kind."""
    found = []
    for node in ast.walk(ast.parse(source)):
        parts: list[ast.AST] = []
        if isinstance(node, ast.Compare):
            parts = [node]
        elif isinstance(node, ast.MatchValue):
            parts = [node.value]
        elif isinstance(node, ast.Dict):
            parts = [key for key in node.keys if key is not None]
        found += [(node.lineno, name) for part in parts if hasattr(node, "lineno") for name in mentions(part)]
    return found


@pytest.mark.parametrize(
    "source",
    [
        "if kind is NOTEBOOK: pass",
        "if KASPR_APP in kinds: pass",
        "x = 1 if request.kind.name == 'Notebook' else 2",
        "x = {KASPR_APP.name: 1}",
        "match name:\n    case 'KasprApp': pass",
        "if resource is not kube.NOTEBOOKS: pass",
    ],
)
def test_a_decision_by_kind_is_detected(source: str) -> None:
    assert len(decisions_by_kind(source)) == 1


def test_no_code_decides_by_the_name_of_a_kind() -> None:
    found = {
        f"{path.relative_to(ROOT)}:{line}": name
        for path in product_files()
        for line, name in decisions_by_kind(path.read_text())
    }
    assert found == {}


def test_the_constants_of_kinds_are_used_only_for_objects_of_one_kind() -> None:
    found = set()
    for path in product_files():
        names = {part.id for part in ast.walk(ast.parse(path.read_text())) if isinstance(part, ast.Name)}
        names |= {
            alias.name
            for part in ast.walk(ast.parse(path.read_text()))
            if isinstance(part, ast.ImportFrom)
            for alias in part.names
        }
        if names & CONSTANTS:
            found.add(str(path.relative_to(ROOT)))
    assert found == NAMED


def test_no_template_of_the_chart_names_a_kind() -> None:
    words = WORDS | {word.lower() for word in WORDS}
    found = {
        f"{path.relative_to(ROOT)}: {word}"
        for path in sorted((CHART / "templates").rglob("*"))
        if path.is_file()
        for word in words
        if word in path.read_text()
    }
    assert found == set()


def test_a_kind_is_found_by_its_objects_and_its_pods() -> None:
    for kind in KINDS:
        assert [kind_of(f"{kind.group}/{version}", kind.name) for version in kind.versions] == [kind] * len(
            kind.versions
        )
        assert kind_of(f"{kind.group}/v9", kind.name) is None
        assert kind_of_unknown_version(f"{kind.group}/v9", kind.name) is kind
        assert kind_of_pod({kind.pod_label: "demo", "other": "label"}) == (kind, "demo")
        assert kind_named(kind.name) is kind
    assert kind_of("v1", "Pod") is None
    assert kind_of_pod({"other": "label"}) is None
    assert kind_of_bare_spec() is KASPR_APP


@pytest.mark.parametrize(
    ("kind", "claim", "labels"),
    [
        (NOTEBOOK, "demo-python-packages", {}),
        (
            KASPR_APP,
            "demo-app-python-packages",
            {"kaspr.io/component": "python-packages", "kaspr.io/app": "demo", "kaspr.io/cluster": "demo"},
        ),
        (DATA_JOB, "demo-python-packages", {}),
    ],
)
def test_each_kind_has_its_claim(kind: WorkloadKind, claim: str, labels: dict[str, str]) -> None:
    assert (kind.claim_name("demo"), kind.claim_labels("demo")) == (claim, labels)


@pytest.mark.parametrize(
    ("kind", "names", "main"),
    [
        (NOTEBOOK, ["proxy", "demo"], "demo"),
        (NOTEBOOK, ["proxy", "other"], "proxy"),
        (NOTEBOOK, [], None),
        (KASPR_APP, ["kaspr", "demo"], "kaspr"),
        (DATA_JOB, ["proxy", "worker"], "worker"),
    ],
)
def test_each_kind_has_its_main_container(kind: WorkloadKind, names: list[str], main: str | None) -> None:
    found = kind.main_container("demo", [{"name": name} for name in names])
    assert (found and found["name"]) == main


@pytest.mark.parametrize(
    ("kind", "obj", "replicas"),
    [
        (NOTEBOOK, {}, 1),
        (NOTEBOOK, {"metadata": {"annotations": {"kubeflow-resource-stopped": ""}}}, 0),
        (KASPR_APP, {}, 1),
        (KASPR_APP, {"spec": {"replicas": 3}}, 3),
        (KASPR_APP, {"spec": {"replicas": True}}, 1),
        (DATA_JOB, {"spec": {"workers": 2}}, 2),
    ],
)
def test_each_kind_has_its_replicas(kind: WorkloadKind, obj: dict[str, object], replicas: int) -> None:
    assert kind.wanted_replicas(obj) == replicas


def test_a_kind_is_registered_by_one_entry() -> None:
    assert all_kinds() == (NOTEBOOK, KASPR_APP)
    with registered() as kind:
        assert all_kinds() == (NOTEBOOK, KASPR_APP, kind)
        assert kind_of("jobs.example.com/v1beta1", "DataJob") is kind
        assert kind_of_pod({"jobs.example.com/job": "nightly"}) == (kind, "nightly")
    assert kind_of("jobs.example.com/v1", "DataJob") is None
