"""The chart's values: wrong ones are refused with a text that says where and why; all of them are documented."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema
import pytest
import yaml

from tests.chart.helm import CHART, Helm, HelmError

WRONG = {
    "a failure policy that is none": (
        {"webhook": {"failurePolicy": "Maybe"}},
        "at '/webhook/failurePolicy': value must be one of 'Fail', 'Ignore'",
    ),
    "a misspelt value": ({"replicas": 3}, "additional properties 'replicas' not allowed"),
    "a misspelt value inside": (
        {"inject": {"timeout": 3}},
        "at '/inject': additional properties 'timeout' not allowed",
    ),
    "no replica": ({"replicaCount": 0}, "at '/replicaCount': minimum: got 0, want 1"),
    "a time-out longer than the API server waits": (
        {"webhook": {"timeoutSeconds": 31}},
        "at '/webhook/timeoutSeconds': maximum: got 31, want 30",
    ),
    "no kind": ({"kinds": []}, "at '/kinds': minItems: got 0, want 1"),
    "a kind that is not ours": ({"kinds": ["Pod"]}, "at '/kinds/0': value must be one of 'Notebook', 'KasprApp'"),
    "a namespace that cannot be": ({"watchNamespaces": ["Team_A"]}, "at '/watchNamespaces/0': 'Team_A' does not match"),
    "a log level that is none": ({"log": {"level": "loud"}}, "at '/log/level': value must be one of"),
    "a word for a number": ({"controller": {"workers": "many"}}, "at '/controller/workers': got string, want integer"),
    "a tag in the repository": (
        {"image": {"repository": "registry.example.com/wheelwarden:1"}},
        "at '/image/repository'",
    ),
}


@pytest.mark.parametrize(("values", "text"), WRONG.values(), ids=WRONG)
def test_wrong_values_are_refused_with_where_and_why(helm: Helm, values: dict[str, Any], text: str) -> None:
    with pytest.raises(HelmError) as refused:
        helm.render(values)
    assert text in str(refused.value)


def test_the_image_has_to_be_named_and_the_text_says_how(helm: Helm) -> None:
    with pytest.raises(HelmError, match=r"--set image\.repository=registry\.example\.com/wheelwarden"):
        helm.render({"image": {}})


@pytest.mark.parametrize(
    ("image", "reference"),
    [
        ({"repository": "registry.example.com:5000/guard/wheelwarden", "tag": "1.2"}, ":5000/guard/wheelwarden:1.2"),
        ({"repository": "localhost/wheelwarden"}, "localhost/wheelwarden:0.1.0"),
        ({"repository": "localhost/wheelwarden", "tag": "sha256:" + "a" * 64}, "wheelwarden@sha256:" + "a" * 64),
    ],
)
def test_an_image_is_named_by_tag_or_digest(helm: Helm, image: dict[str, str], reference: str) -> None:
    containers = helm.render({"image": image}).one("Deployment")["spec"]["template"]["spec"]["containers"]
    assert [item["image"].endswith(reference) for item in containers] == [True, True]


def test_lint_finds_nothing_but_the_missing_icon(helm: Helm) -> None:
    output = helm.run("lint", str(CHART), "--strict", values={})
    assert [line for line in output.splitlines() if line.startswith("[")] == ["[INFO] Chart.yaml: icon is recommended"]


def test_the_schema_is_one_and_holds_for_the_defaults() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.validate(_defaults(), schema)


def test_every_value_stands_in_schema_and_readme_with_its_default() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    rows = re.findall(r"^\| `([A-Za-z.]+)` \| `(.*?)` \|", (CHART / "README.md").read_text(), re.MULTILINE)
    assert {name: yaml.safe_load(default) for name, default in rows} == dict(_leaves(_defaults()))
    assert schema["properties"].keys() - {"global"} == _defaults().keys()


def _defaults() -> dict[str, Any]:
    defaults: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
    return defaults


def _leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every value by its path; `resources` are one value each."""
    for name, value in values.items():
        path = f"{prefix}{name}"
        if isinstance(value, dict) and value and name != "resources":
            yield from _leaves(value, f"{path}.")
        else:
            yield path, value
