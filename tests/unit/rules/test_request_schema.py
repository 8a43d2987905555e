"""`wheelwarden schema`: made from the model, never stricter than the rules, and wide enough for the real CRD."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.cases import Case, load_cases
from tools.generated import ROOT
from wheelwarden.api.kinds import KASPR_APP
from wheelwarden.cli.__main__ import main
from wheelwarden.rules.request_schema import crd_fragment, json_schema

REAL_CRD = ROOT.parent / "shared" / "upstream" / "crds" / "kaspr.io_kasprapps.v0.18.51.yaml"
SHAPES = {"shape-type", "shape-missing", "shape-unknown-field"}
VALIDATOR = jsonschema.Draft202012Validator(json_schema())
Capture = pytest.CaptureFixture[str]


def asked(case: Case) -> Any:
    return case.obj.get("spec", {}).get("pythonPackages")


def cases() -> Iterator[Case]:
    for case in load_cases():
        if case.obj["kind"] == KASPR_APP.name and not case.policy_data and asked(case) is not None and case.old is None:
            yield case


def without_nulls(value: Any) -> Any:
    """Null means left out, which a schema cannot say."""
    if isinstance(value, dict):
        return {key: without_nulls(inner) for key, inner in value.items() if inner is not None}
    return value


def test_it_is_a_json_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())


@pytest.mark.parametrize("case", [case for case in cases() if not case.denied], ids=lambda case: case.id)
def test_what_the_rules_admit_fits_the_schema(case: Case) -> None:
    assert [error.message for error in VALIDATOR.iter_errors(without_nulls(asked(case)))] == []


@pytest.mark.parametrize(
    "case", [one for one in cases() if SHAPES & {rule for _, rule, _ in one.expected}], ids=lambda case: case.id
)
def test_what_has_the_wrong_shape_does_not_fit(case: Case) -> None:
    assert [error.message for error in VALIDATOR.iter_errors(asked(case))] != []


@pytest.mark.parametrize(
    "file", sorted((ROOT / "examples" / "python-packages").glob("*.yaml")), ids=lambda file: file.stem
)
def test_the_examples_fit(file: Path) -> None:
    for document in yaml.safe_load_all(file.read_text()):
        text = (document["metadata"].get("annotations") or {}).get("wheelwarden.dev/python-packages")
        request = yaml.safe_load(text) if text else (document.get("spec") or {}).get("pythonPackages", {})
        assert [error.message for error in VALIDATOR.iter_errors(request)] == []


def test_it_tells_defaults_limits_and_meanings() -> None:
    properties = json_schema()["properties"]
    assert properties["installPolicy"]["properties"] == {
        "retries": {
            "description": "Number of attempts in total; 0 means one.",
            "type": "integer",
            "default": 3,
            "minimum": 0,
            "maximum": 20,
        },
        "timeout": {
            "description": "Time limit for one attempt, in seconds.",
            "type": "integer",
            "default": 600,
            "minimum": 30,
            "maximum": 86400,
        },
        "onFailure": {
            "description": "block: the pod does not start. allow: it starts without these packages.",
            "type": "string",
            "default": "block",
            "enum": ["block", "allow"],
        },
    }
    assert properties["cache"]["properties"]["gcs"]["properties"]["secretRef"]["required"] == ["name"]


def test_the_command_prints_both(capsys: Capture) -> None:
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == json_schema()
    assert main(["schema", "--crd"]) == 0
    out = capsys.readouterr().out
    assert (yaml.safe_load(out), "&" in out, "*" in out) == (crd_fragment(), False, False)


def field_types(schema: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    """Every field below a schema with its type; a quantity is a string that may be a number."""
    if path:
        yield path, "string" if "x-kubernetes-int-or-string" in schema else schema["type"]
    for name, inner in schema.get("properties", {}).items():
        yield from field_types(inner, f"{path}.{name}")
    if "items" in schema:
        yield from field_types(schema["items"], f"{path}[]")


def test_the_fragment_holds_every_field_of_the_real_crd_with_its_type(request: pytest.FixtureRequest) -> None:
    if not REAL_CRD.exists():
        reporter = request.config.pluginmanager.get_plugin("terminalreporter")
        assert reporter is not None
        reporter.write_line(f"\n{REAL_CRD.name} is not here: the fragment was compared with no real CRD")
        return
    real = yaml.safe_load(REAL_CRD.read_text())["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    ours = crd_fragment()["properties"]
    for part in ("spec", "status"):
        theirs = dict(field_types(real[part]["properties"]["pythonPackages"]))
        fields = dict(field_types(ours[part]["properties"]["pythonPackages"]))
        assert theirs.items() <= fields.items()
