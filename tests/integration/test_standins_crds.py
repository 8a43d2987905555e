"""The hand-written CRDs have the field rules of the real ones: what is pruned, refused, and left without a default."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from tests.integration.standin_objects import APP_CONDITION, CONDITION, apply_crds, kaspr_app, make_namespace, notebook
from wheelwarden.api.errors import Invalid
from wheelwarden.kube import KASPRAPPS, NAMESPACES, NOTEBOOKS, Cluster


@pytest.fixture
async def cluster(api: Any) -> AsyncIterator[Cluster]:
    async with await Cluster.connect(kubeconfig=api.kubeconfig, field_manager="wheelwarden-test") as connected:
        await apply_crds(connected)
        yield connected


@pytest.fixture
async def namespace(cluster: Cluster) -> AsyncIterator[str]:
    name = await make_namespace(cluster, "crds-")
    yield name
    await cluster.delete(NAMESPACES, name)


async def test_a_notebook_has_no_template_metadata_and_keeps_its_whole_pod_spec(
    cluster: Cluster, namespace: str
) -> None:
    body = notebook("one", nodeSelector={"zone": "a"}, runtimeClassName="fast")
    body["spec"]["template"]["metadata"] = {"annotations": {"a": "b"}}
    body["spec"]["bogus"] = 1
    made = await cluster.create(NOTEBOOKS, body, namespace)
    assert made["spec"] == notebook("one", nodeSelector={"zone": "a"}, runtimeClassName="fast")["spec"]


@pytest.mark.parametrize("version", ["v1", "v1beta1", "v1alpha1"])
async def test_every_version_of_a_notebook_is_served_and_shows_the_same(
    cluster: Cluster, namespace: str, version: str
) -> None:
    resource = replace(NOTEBOOKS, version=version)
    made = await cluster.create(resource, {**notebook("one"), "apiVersion": resource.api_version}, namespace)
    stored = await cluster.get(NOTEBOOKS, "one", namespace)
    assert {**stored, "apiVersion": resource.api_version} == made | {"metadata": stored["metadata"]}


async def test_a_notebooks_condition_loses_what_the_kind_does_not_know(cluster: Cluster, namespace: str) -> None:
    await cluster.create(NOTEBOOKS, notebook("one"), namespace)
    status = {"conditions": [{**CONDITION, "observedGeneration": 3}], "containerState": {}, "readyReplicas": 0}
    written = await cluster.patch(NOTEBOOKS, "one", {"status": status}, namespace, subresource="status")
    assert written["status"] == {"conditions": [CONDITION], "containerState": {}, "readyReplicas": 0}


async def test_a_notebooks_status_must_have_its_conditions(cluster: Cluster, namespace: str) -> None:
    await cluster.create(NOTEBOOKS, notebook("one"), namespace)
    with pytest.raises(Invalid, match=r"status\.conditions: Required value"):
        await cluster.patch(
            NOTEBOOKS, "one", {"status": {"containerState": {}, "readyReplicas": 0}}, namespace, subresource="status"
        )


async def test_unknown_fields_of_python_packages_are_pruned_and_a_cache_is_off_unless_it_is_switched_on(
    cluster: Cluster, namespace: str
) -> None:
    asked = {"packages": ["six"], "bogus": 1, "cache": {"bogus": 1}, "credentials": {"secretRef": {"name": "pypi"}}}
    made = await cluster.create(KASPRAPPS, kaspr_app("one", pythonPackages=asked, config={"any": "thing"}), namespace)
    assert made["spec"]["config"] == {"any": "thing"}
    assert made["spec"]["pythonPackages"] == {
        "packages": ["six"],
        "cache": {"type": "pvc", "enabled": False, "accessMode": "ReadWriteMany"},
        "credentials": {"secretRef": {"name": "pypi", "usernameKey": "username", "passwordKey": "password"}},
    }


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"packages": "six"}, "spec.pythonPackages.packages"),
        ({"packages": None}, "spec.pythonPackages.packages"),
        ({"indexUrl": "ftp://packages.example.com"}, "spec.pythonPackages.indexUrl"),
        ({"extraIndexUrls": ["packages.example.com"]}, "spec.pythonPackages.extraIndexUrls[0]"),
        ({"credentials": {"secretRef": {}}}, "spec.pythonPackages.credentials.secretRef.name"),
        ({"installPolicy": {"retries": -1}}, "spec.pythonPackages.installPolicy.retries"),
        ({"installPolicy": {"timeout": 59}}, "spec.pythonPackages.installPolicy.timeout"),
        ({"installPolicy": {"onFailure": "shrug"}}, "spec.pythonPackages.installPolicy.onFailure"),
        ({"cache": {"type": "s3"}}, "spec.pythonPackages.cache.type"),
        ({"cache": {"accessMode": "ReadWriteOnce"}}, "spec.pythonPackages.cache.accessMode"),
    ],
)
async def test_what_the_operators_schema_forbids_is_refused(
    cluster: Cluster, namespace: str, asked: dict[str, Any], field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        await cluster.create(KASPRAPPS, kaspr_app("one", pythonPackages={"packages": ["six"], **asked}), namespace)
    assert field in refused.value.message


@pytest.mark.parametrize("field", ["bootstrapServers", "authentication"])
async def test_a_kaspr_app_needs_what_its_operator_needs(cluster: Cluster, namespace: str, field: str) -> None:
    body = kaspr_app("one")
    del body["spec"][field]
    with pytest.raises(Invalid, match=rf"spec\.{field}: Required value"):
        await cluster.create(KASPRAPPS, body, namespace)


async def test_a_kaspr_apps_status_keeps_foreign_keys_and_prunes_inside_python_packages(
    cluster: Cluster, namespace: str
) -> None:
    await cluster.create(KASPRAPPS, kaspr_app("one"), namespace)
    kept = {
        "hash": "abc",
        "installed": ["six==1.17.0"],
        "cacheMode": "shared-pvc",
        "lastInstallTime": "2026-01-31T10:30:00Z",
        "installDuration": "45s",
        "installedBy": "one-app-0",
        "warnings": ["full"],
    }
    pruned = {
        "state": "Ready",
        "error": "none",
        "errorType": "network",
        "indexUrl": "https://packages.example.com/simple",
        "authentication": {"enabled": True},
        "cacheUsage": {"usedBytes": 5},
    }
    ours = {"any": {"thing": 1}}
    told = {**APP_CONDITION, "lastProbeTime": "2026-01-31T10:30:00Z"}
    status = {"pythonPackages": {**kept, **pruned}, "wheelwarden": ours, "conditions": [told]}
    written = await cluster.patch(KASPRAPPS, "one", {"status": status}, namespace, subresource="status")
    assert written["status"] == {"pythonPackages": kept, "wheelwarden": ours, "conditions": [APP_CONDITION]}


@pytest.mark.parametrize("field", ["status", "reason", "lastTransitionTime", "observedGeneration"])
async def test_a_kaspr_apps_condition_is_refused_where_a_field_is_missing(
    cluster: Cluster, namespace: str, field: str
) -> None:
    await cluster.create(KASPRAPPS, kaspr_app("one"), namespace)
    told = {key: value for key, value in APP_CONDITION.items() if key != field}
    with pytest.raises(Invalid, match=rf"status\.conditions\[0\]\.{field}: Required value"):
        await cluster.patch(KASPRAPPS, "one", {"status": {"conditions": [told]}}, namespace, subresource="status")


async def test_a_kaspr_apps_conditions_are_a_map_by_their_type(cluster: Cluster, namespace: str) -> None:
    await cluster.create(KASPRAPPS, kaspr_app("one"), namespace)
    twice = {"status": {"conditions": [APP_CONDITION, APP_CONDITION]}}
    with pytest.raises(Invalid, match=r"status\.conditions\[1\]: Duplicate value"):
        await cluster.patch(KASPRAPPS, "one", twice, namespace, subresource="status")
