"""The chart's ValidatingAdmissionPolicies on a real API server: what they refuse of the case table, and that it is no more."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import yaml

from tests.cases import Case, load_cases
from tests.cases import kaspr_app as case_app
from tests.chart.helm import Helm, find_helm
from tests.cluster.apiserver import ApiServer
from tests.integration.standin_objects import apply_crds, kaspr_app, make_namespace, until
from wheelwarden.api.errors import KubeError
from wheelwarden.api.kinds import KASPR_APP
from wheelwarden.api.objects import Object
from wheelwarden.api.violations import Action
from wheelwarden.kube import KASPRAPPS, NAMESPACES, NOTEBOOKS, Cluster, Resource
from wheelwarden.rules import RULES_BY_ID, judge_object
from wheelwarden.rules.cel import ANNOTATION_EXPRESSIONS, PACKAGES_EXPRESSIONS, Expression

GROUP = "admissionregistration.k8s.io"
RESOURCES = {
    kind: Resource(group=GROUP, version="v1", plural=plural, kind=kind, namespaced=False)
    for kind, plural in (
        ("ValidatingAdmissionPolicy", "validatingadmissionpolicies"),
        ("ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings"),
    )
}
# Refused by the rules and not by an expression: other writings of addresses, and markers taken apart.
LAXER = {
    f"{name} (KasprApp)"
    for name in (
        "indexes: 'https://999.1.1.1/simple'",
        "indexes: 'http://[2001:db8::7]/simple'",
        "indexes: 'https://[::ffff:169.254.169.254]/simple'",
        "indexes: 'https://0xa9fea9fe/simple'",
        'requirements: "mine @ https://files.example.com/a\'b.whl"',
        "requirements: 'requests; python_version = \"3.8\"'",
        "requirements: 'requests; pyton_version > \"3\"'",
    )
}
# The CRD's own schema comes first.
REFUSED_BY_SCHEMA = {"cache-access-mode", "cache-type", "install-on-failure", "index-url"}
# Where the example of the table needs a policy, or the CRD's schema comes first with it.
OTHER_EXAMPLES = {
    "packages-limit": f"{{packages: [{', '.join(['six'] * 501)}]}}",
    "install-timeout": "{packages: [six], installPolicy: {timeout: 100000}}",
}
ALONE = {"kinds": ["Notebook", "KasprApp"], "admissionPolicy": {"enabled": True}}


@pytest.fixture
async def cluster(api: ApiServer) -> AsyncIterator[Cluster]:
    async with await Cluster.connect(kubeconfig=api.kubeconfig, field_manager="wheelwarden-test") as connected:
        await apply_crds(connected)
        yield connected


@pytest.fixture
async def namespace(cluster: Cluster) -> AsyncIterator[str]:
    """A namespace in which the policies are in force."""
    name = await make_namespace(cluster, "policed-")
    rendered = Helm(binary=find_helm()).render({**ALONE, "watchNamespaces": [name]})
    made = [(RESOURCES[kind], item) for kind in RESOURCES for item in rendered.all(kind)]
    for resource, item in made:
        await cluster.create(resource, item)

    async def in_force() -> bool:
        bad = [
            kaspr_app("probe", pythonPackages={"packages": ["requests=1"]}),
            {
                "apiVersion": "kubeflow.org/v1", "kind": "Notebook",
                "metadata": {"name": "probe", "annotations": {"wheelwarden.dev/rollout": "never"}},
                "spec": {"template": {"spec": {"containers": [{"name": "probe", "image": "i"}]}}},
            },
        ]  # fmt: skip
        return all(["ValidatingAdmissionPolicy" in await refusal(cluster, one, name) for one in bad])

    await until(in_force)
    yield name
    for resource, item in made:
        await cluster.delete(resource, item["metadata"]["name"])
    await cluster.delete(NAMESPACES, name)


async def refusal(cluster: Cluster, obj: Any, namespace: str, old: Any = None) -> str:
    """Why the API server refuses an object (or its update from an older one), empty where it does not."""
    resource = KASPRAPPS if obj["kind"] == KASPR_APP.name else NOTEBOOKS
    body = placed(obj, namespace)
    try:
        if old is not None:
            made = await cluster.create(resource, placed(old, namespace), namespace)
            body["metadata"]["resourceVersion"] = made["metadata"]["resourceVersion"]
            await cluster.replace(resource, body, namespace)
        else:
            await cluster.create(resource, body, namespace)
    except KubeError as error:
        return str(error)
    finally:
        with contextlib.suppress(KubeError):  # it was refused
            await cluster.delete(resource, body["metadata"]["name"], namespace)
    return ""


def example(text: str) -> Object:
    """An example of the table of rules as an object."""
    data: Object = yaml.safe_load(text)
    if "metadata" not in data and "spec" not in data:
        return case_app(data)
    return {"apiVersion": "kubeflow.org/v1", "kind": "Notebook", **data}


def placed(obj: Any, namespace: str) -> Object:
    metadata = {"name": "probe", **obj.get("metadata", {}), "namespace": namespace}
    spec = obj.get("spec") or {"template": {"spec": {"containers": [{"name": "probe", "image": "i"}]}}}
    return {**obj, "metadata": metadata, "spec": spec}


def is_for_a_cluster(case: Case) -> bool:
    """Cases with the default policy that an API server can be asked: names and annotations are its own business."""
    metadata = case.obj.get("metadata", {})
    annotations = metadata.get("annotations") or {} if isinstance(metadata, dict) else None
    return (
        not case.policy_data
        and isinstance(annotations, dict)
        and all(isinstance(value, str) for value in annotations.values())
        and "deletionTimestamp" not in metadata
        and not (case.old and any(one.action is Action.DENY for one in judge_object(case.old)))
    )


async def test_the_policies_refuse_what_they_can_express_and_nothing_that_is_good(
    cluster: Cluster, namespace: str
) -> None:
    expressed = {one.rule for one in (*PACKAGES_EXPRESSIONS, *ANNOTATION_EXPRESSIONS)}
    wrongly_refused, wrongly_admitted = [], []
    for case in filter(is_for_a_cluster, load_cases()):
        message = await refusal(cluster, case.obj, namespace, case.old)
        rules = {rule for action, rule, _ in case.expected if action == "deny"}
        if "ValidatingAdmissionPolicy" in message:
            if not rules:
                wrongly_refused.append((case.id, message))
        elif not message and rules and rules <= expressed and case.obj["kind"] == KASPR_APP.name:
            wrongly_admitted.append(case.id)
    assert wrongly_refused == []
    assert set(wrongly_admitted) == LAXER


@pytest.mark.parametrize("expression", [*PACKAGES_EXPRESSIONS, *ANNOTATION_EXPRESSIONS], ids=lambda one: one.rule)
async def test_each_expression_refuses_the_bad_example_of_its_rule_in_its_words(
    cluster: Cluster, namespace: str, expression: Expression
) -> None:
    rule = RULES_BY_ID[expression.rule]
    bad = OTHER_EXAMPLES.get(rule.id, rule.bad)
    before = example(rule.before) if rule.before else None
    message = await refusal(cluster, example(bad), namespace, before)
    if rule.action is Action.WARN:
        assert message == ""
    elif rule.id in REFUSED_BY_SCHEMA:
        assert "Unsupported value" in message or "should match" in message
    else:
        assert f"{rule.summary} [{rule.id}]" in message


async def test_a_notebook_s_packages_are_beyond_them(cluster: Cluster, namespace: str) -> None:
    obj = {
        "apiVersion": "kubeflow.org/v1", "kind": "Notebook",
        "metadata": {"name": "probe", "annotations": {"wheelwarden.dev/python-packages": "packages: [requests=1]"}},
    }  # fmt: skip
    assert await asyncio.wait_for(refusal(cluster, obj, namespace), 30) == ""
