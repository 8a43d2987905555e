"""The chart of a made-up third kind: registered, generated, rendered; no template is touched."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.chart.helm import CHART, Helm
from tests.standins.data_job import DATA_JOB, registered
from tools.generated import render_kinds, render_values_schema


@pytest.fixture
def rendered(helm: Helm, tmp_path: Path) -> Sequence[dict[str, Any]]:
    chart = tmp_path / "wheelwarden"
    shutil.copytree(CHART, chart)
    with registered():
        (chart / "files" / "kinds.yaml").write_text(render_kinds())
        (chart / "values.schema.json").write_text(render_values_schema())
    return helm.render(
        {"kinds": ["KasprApp", DATA_JOB.name], "admissionPolicy": {"enabled": True}}, chart=chart
    ).everything


def only(objects: Sequence[dict[str, Any]], kind: str) -> dict[str, Any]:
    [found] = [item for item in objects if item["kind"] == kind and "uninstall" not in item["metadata"]["name"]]
    return found


def test_it_is_judged_injected_read_and_cleared(rendered: Sequence[dict[str, Any]]) -> None:
    [judge] = only(rendered, "ValidatingWebhookConfiguration")["webhooks"]
    assert judge["rules"][1:] == [
        {
            "apiGroups": ["jobs.example.com"], "apiVersions": ["v1", "v1beta1"], "resources": ["datajobs"],
            "operations": ["CREATE", "UPDATE"], "scope": "Namespaced",
        }
    ]  # fmt: skip
    inject = only(rendered, "MutatingWebhookConfiguration")["webhooks"][1]
    assert (inject["name"], inject["objectSelector"]) == (
        "datajobs.inject.wheelwarden.dev",
        {"matchExpressions": [{"key": "jobs.example.com/job", "operator": "Exists"}]},
    )
    rights = {
        item["metadata"]["name"]: [rule for rule in item["rules"] if rule["apiGroups"] == ["jobs.example.com"]]
        for item in rendered
        if item["kind"] == "ClusterRole"
    }
    status = {"apiGroups": ["jobs.example.com"], "resources": ["datajobs/status"], "verbs": ["patch"]}
    job = {"apiGroups": ["jobs.example.com"], "resources": ["datajobs"]}
    assert rights == {
        "guard-wheelwarden": [{**job, "verbs": ["get", "list", "watch"]}, status],
        "guard-wheelwarden-uninstall": [{**job, "verbs": ["get", "list"]}, status],
    }


def test_its_policy_has_the_expressions_for_annotations_and_none_for_a_field(
    rendered: Sequence[dict[str, Any]],
) -> None:
    policies = [item for item in rendered if item["kind"] == "ValidatingAdmissionPolicy"]
    expressions = {
        item["metadata"]["name"].rpartition("-")[0].rpartition("-")[2]: len(item["spec"]["validations"])
        for item in policies
        if item["metadata"]["name"].endswith("-deny")
    }
    assert expressions.keys() == {"kasprapp", "datajob"}
    assert 0 < expressions["datajob"] < expressions["kasprapp"]
