"""What the chart makes: rights no wider than needed, webhooks that are in nobody's way, pods that may run anywhere."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from controller.uninstall import read_settings
from tests.chart.helm import Helm, HelmError, Rendered
from tools.generated import ROOT
from wheelwarden.api.kinds import KINDS
from wheelwarden.api.violations import Action
from wheelwarden.rules.policy_file import load_policy

NAME = "guard-wheelwarden"
CHANGE_ALL = ["get", "list", "watch", "create", "update", "patch", "delete"]
WORKLOAD_RULES = [
    {"apiGroups": ["kubeflow.org"], "resources": ["notebooks"], "verbs": ["get", "list", "watch", "patch"]},
    {"apiGroups": ["kaspr.io"], "resources": ["kasprapps"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": ["kaspr.io"], "resources": ["kasprapps/status"], "verbs": ["patch"]},
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch", "delete"]},
    {"apiGroups": [""], "resources": ["pods/eviction"], "verbs": ["create"]},
    {"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["get", "create"]},
    {"apiGroups": [""], "resources": ["pods/status"], "verbs": ["patch"]},
    {"apiGroups": [""], "resources": ["persistentvolumeclaims"], "verbs": CHANGE_ALL},
    {"apiGroups": ["apps"], "resources": ["statefulsets"], "verbs": ["get"]},
    {"apiGroups": [""], "resources": ["limitranges"], "verbs": ["list"]},
    {"apiGroups": [""], "resources": ["events"], "verbs": ["list", "create", "patch"]},
]
REGISTRATION_RULE = {
    "apiGroups": ["admissionregistration.k8s.io"],
    "resources": ["validatingwebhookconfigurations", "mutatingwebhookconfigurations"],
    "resourceNames": [NAME],
    "verbs": ["get", "patch"],
}


@pytest.fixture(scope="module")
def rendered(helm: Helm) -> Rendered:
    return helm.render()


def containers_of(rendered: Rendered) -> dict[str, dict[str, Any]]:
    return {item["name"]: item for item in rendered.one("Deployment")["spec"]["template"]["spec"]["containers"]}


def test_cluster_wide_rights_are_these_and_no_others(rendered: Rendered) -> None:
    assert rendered.one("ClusterRole")["rules"] == [REGISTRATION_RULE, *WORKLOAD_RULES]


def test_in_its_own_namespace_it_may_use_one_secret_and_one_lease_and_write_events(rendered: Rendered) -> None:
    role = rendered.one("Role")
    assert [role["metadata"]["namespace"], role["rules"]] == [
        "guarding",
        [
            {
                "apiGroups": [""],
                "resources": ["secrets"],
                "resourceNames": [f"{NAME}-certificate"],
                "verbs": ["get", "update", "patch"],
            },
            {
                "apiGroups": ["coordination.k8s.io"],
                "resources": ["leases"],
                "resourceNames": [f"{NAME}-controller"],
                "verbs": ["get", "update"],
            },
            {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]},
            {"apiGroups": [""], "resources": ["events"], "verbs": ["create"]},
        ],
    ]


def test_with_namespaces_given_rights_and_webhooks_end_there(helm: Helm) -> None:
    rendered = helm.render({"watchNamespaces": ["team-a", "team-b"]})
    assert rendered.one("ClusterRole")["rules"] == [REGISTRATION_RULE]
    roles = [item for item in rendered.all("Role") if item["metadata"]["name"] == f"{NAME}-workloads"]
    assert [[item["metadata"]["namespace"], item["rules"]] for item in roles] == [
        ["team-a", WORKLOAD_RULES],
        ["team-b", WORKLOAD_RULES],
    ]
    name = "kubernetes.io/metadata.name"
    selectors = [hook["namespaceSelector"]["matchExpressions"] for hook in hooks_of(rendered)]
    assert selectors == 3 * [
        [
            {"key": name, "operator": "NotIn", "values": ["kube-system", "guarding"]},
            {"key": name, "operator": "In", "values": ["team-a", "team-b"]},
        ]
    ]
    assert environment_of(containers_of(rendered)["controller"])["WHEELWARDEN_WATCH_NAMESPACES"] == "team-a,team-b"


def test_every_served_version_of_every_kind_is_judged_at_creation_and_change(rendered: Rendered) -> None:
    [hook] = rendered.one("ValidatingWebhookConfiguration")["webhooks"]
    assert hook["rules"] == [
        {
            "apiGroups": [kind.group],
            "apiVersions": list(kind.versions),
            "resources": [kind.plural],
            "operations": ["CREATE", "UPDATE"],
            "scope": "Namespaced",
        }
        for kind in KINDS
    ]
    assert [hook["failurePolicy"], hook["timeoutSeconds"], hook["sideEffects"], hook["matchPolicy"]] == [
        "Fail",
        5,
        "None",
        "Equivalent",
    ]
    assert [condition["name"] for condition in hook["matchConditions"]] == [
        "is-not-being-deleted",
        "asks-or-asked-for-packages",
        "changes-what-it-asks",
    ]


def test_only_new_pods_with_the_label_of_a_kind_are_injected_and_never_held_up(rendered: Rendered) -> None:
    hooks = rendered.one("MutatingWebhookConfiguration")["webhooks"]
    pods = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "scope": "Namespaced"}
    assert [
        [hook["name"], hook["objectSelector"]["matchExpressions"], hook["rules"], hook["failurePolicy"]]
        for hook in hooks
    ] == [
        [
            f"{kind.plural}.inject.wheelwarden.dev",
            [{"key": kind.pod_label, "operator": "Exists"}],
            [{**pods, "operations": ["CREATE"]}],
            "Ignore",
        ]
        for kind in KINDS
    ]
    assert [[hook["sideEffects"], hook["reinvocationPolicy"]] for hook in hooks] == 2 * [["None", "IfNeeded"]]


def test_a_kind_left_out_is_neither_judged_nor_injected_nor_read(helm: Helm) -> None:
    rendered = helm.render({"kinds": ["KasprApp"]})
    [hook] = rendered.one("ValidatingWebhookConfiguration")["webhooks"]
    assert [rule["resources"] for rule in hook["rules"]] == [["kasprapps"]]
    assert [hook["name"] for hook in rendered.one("MutatingWebhookConfiguration")["webhooks"]] == [
        "kasprapps.inject.wheelwarden.dev"
    ]
    assert rendered.one("ClusterRole")["rules"] == [REGISTRATION_RULE, *WORKLOAD_RULES[1:]]
    assert environment_of(containers_of(rendered)["webhook"])["WHEELWARDEN_KINDS"] == "KasprApp"


def test_nothing_that_the_programs_fill_in_is_named_by_the_chart(rendered: Rendered) -> None:
    assert [hook["clientConfig"].keys() for hook in hooks_of(rendered)] == 3 * [{"service"}]
    assert rendered.one("Secret").keys() == {"apiVersion", "kind", "metadata", "type"}
    assert rendered.one("Lease").keys() == {"apiVersion", "kind", "metadata"}


def test_the_webhooks_point_to_the_service(rendered: Rendered) -> None:
    service = rendered.one("Service")
    assert [service["metadata"]["name"], service["spec"]["ports"]] == [
        NAME,
        [{"name": "webhook", "port": 443, "targetPort": "webhook"}],
    ]
    where = {"name": NAME, "namespace": "guarding", "port": 443}
    assert [hook["clientConfig"]["service"] for hook in hooks_of(rendered)] == [
        {**where, "path": "/validate"},
        {**where, "path": "/inject"},
        {**where, "path": "/inject"},
    ]


COMMON = {
    "WHEELWARDEN_LOG_LEVEL": "info",
    "WHEELWARDEN_LOG_FORMAT": "text",
    "WHEELWARDEN_NAMESPACE": "metadata.namespace",
    "WHEELWARDEN_POD_NAME": "metadata.name",
    "WHEELWARDEN_POD_UID": "metadata.uid",
    "WHEELWARDEN_KINDS": "Notebook,KasprApp",
    "WHEELWARDEN_POLICY_FILE": "/etc/wheelwarden/policy.yaml",
}


def environment_of(container: dict[str, Any]) -> dict[str, str]:
    """Every variable, with its value or the field it is read from."""
    return {
        item["name"]: item["value"] if "value" in item else item["valueFrom"]["fieldRef"]["fieldPath"]
        for item in container["env"]
    }


def hooks_of(rendered: Rendered) -> list[dict[str, Any]]:
    return [
        *rendered.one("ValidatingWebhookConfiguration")["webhooks"],
        *rendered.one("MutatingWebhookConfiguration")["webhooks"],
    ]


def test_both_programs_are_told_what_they_read(rendered: Rendered) -> None:
    containers = containers_of(rendered)
    assert {name: environment_of(container) for name, container in containers.items()} == {
        "webhook": COMMON
        | {
            "WHEELWARDEN_LISTEN": "0.0.0.0:9443",
            "WHEELWARDEN_HEALTH_LISTEN": "0.0.0.0:8080",
            "WHEELWARDEN_SERVICE": NAME,
            "WHEELWARDEN_CERTIFICATE_SECRET": f"{NAME}-certificate",
            "WHEELWARDEN_WEBHOOK_CONFIGURATION": NAME,
            "WHEELWARDEN_TOOLS_ENABLED": "true",
            "WHEELWARDEN_TOOLS_IMAGE": "registry.example.com/wheelwarden:0.1.0",
            "WHEELWARDEN_TOOLS_PULL_POLICY": "IfNotPresent",
        },
        "controller": COMMON
        | {
            "WHEELWARDEN_HEALTH_LISTEN": "0.0.0.0:8081",
            "WHEELWARDEN_LEASE": f"{NAME}-controller",
            "WHEELWARDEN_WATCH_NAMESPACES": "",
            "WHEELWARDEN_WORKERS": "16",
            "WHEELWARDEN_RESYNC_SECONDS": "600",
            "WHEELWARDEN_PROBE_CONCURRENCY": "8",
            "WHEELWARDEN_PROBES_PER_NODE": "2",
            "WHEELWARDEN_PROBES_PER_NAMESPACE": "4",
        },
    }


def test_the_pods_meet_the_restricted_level_and_write_nowhere_but_tmp(helm: Helm, rendered: Rendered) -> None:
    test_pod = rendered.one("Pod")["spec"]
    for pod in (rendered.one("Deployment")["spec"]["template"]["spec"], test_pod):
        assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
    mounts = [container["volumeMounts"] for container in containers_of(rendered).values()]
    assert mounts == 2 * [
        [
            {"name": "temporary", "mountPath": "/tmp"},
            {"name": "policy", "mountPath": "/etc/wheelwarden", "readOnly": True},
        ]
    ]


def test_a_controller_in_trouble_does_not_take_the_webhook_out_of_the_service(rendered: Rendered) -> None:
    containers = containers_of(rendered)
    assert containers["webhook"]["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "health"}
    assert "readinessProbe" not in containers["controller"]
    assert [item["livenessProbe"]["httpGet"]["path"] for item in containers.values()] == ["/healthz", "/healthz"]


@pytest.mark.parametrize("kind", ["Notebook", "KasprApp"])
def test_the_test_pods_program_is_python_and_asks_about_a_guarded_kind(helm: Helm, kind: str) -> None:
    [container] = helm.render({"kinds": [kind]}).one("Pod")["spec"]["containers"]
    program = container["command"][2]
    compile(program, "helm-test", "exec")
    assert f'"{kind}"' in program


def test_the_policy_is_handed_on_as_it_was_written(helm: Helm) -> None:
    policy = {"rules": {"index-http": "deny"}, "allowedIndexHosts": ["packages.example.com"]}
    written = helm.render({"policy": policy}).one("ConfigMap")["data"]["policy.yaml"]
    assert yaml.safe_load(written) == policy


def test_a_policy_that_is_not_understood_is_refused_by_helm(helm: Helm) -> None:
    wrong: list[dict[str, Any]] = [{"rules": {"index-htp": "deny"}}, {"maxPackage": 1}, {"overrides": [{"rules": {}}]}]
    for policy in wrong:
        with pytest.raises(HelmError, match="/policy"):
            helm.render({"policy": policy})


@pytest.mark.parametrize("file", sorted((ROOT / "examples" / "policies").glob("*.yaml")), ids=lambda file: file.stem)
def test_the_ready_policies_are_values_of_the_chart(helm: Helm, file: Path, tmp_path: Path) -> None:
    written = helm.render(yaml.safe_load(file.read_text())).one("ConfigMap")["data"]["policy.yaml"]
    (tmp_path / "policy.yaml").write_text(written)
    policy = load_policy(tmp_path / "policy.yaml")
    verified = {"secret-missing": Action.DENY} if file.stem == "locked-down" else {}
    assert policy == replace(load_policy(file), actions={**load_policy(file).actions, **verified})


@pytest.mark.parametrize(("verify", "action"), [("off", None), (False, None), ("warn", "warn"), ("deny", "deny")])
def test_secrets_are_read_only_where_they_are_to_be_looked_at(helm: Helm, verify: Any, action: str | None) -> None:
    rendered = helm.render({"secretRef": {"verify": verify}})
    policy = yaml.safe_load(rendered.one("ConfigMap")["data"]["policy.yaml"])
    secrets = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}
    assert (secrets in rendered.one("ClusterRole")["rules"]) == (action is not None)
    assert policy.get("rules", {}).get("secret-missing") == action


def admission_rules(rendered: Rendered) -> dict[str, set[str]]:
    return {
        item["metadata"]["name"].removeprefix(f"{NAME}-"): {
            validation["message"].rpartition("[")[2].rstrip("]") for validation in item["spec"]["validations"]
        }
        for item in rendered.all("ValidatingAdmissionPolicy")
    }


UNINSTALL_RULES = [
    {"apiGroups": ["kaspr.io"], "resources": ["kasprapps"], "verbs": ["get", "list"]},
    {"apiGroups": ["kaspr.io"], "resources": ["kasprapps/status"], "verbs": ["patch"]},
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]},
    {"apiGroups": [""], "resources": ["pods/status"], "verbs": ["patch"]},
]
LEASE_RULE = {
    "apiGroups": ["coordination.k8s.io"],
    "resources": ["leases"],
    "resourceNames": [f"{NAME}-controller"],
    "verbs": ["get", "update"],
}


def test_an_uninstall_clears_with_rights_of_its_own_and_no_others(helm: Helm, rendered: Rendered) -> None:
    made = [(item["kind"], item["metadata"]["name"], item.get("rules")) for item in rendered.uninstall]
    name = f"{NAME}-uninstall"
    assert made == [
        ("ServiceAccount", name, None),
        ("ClusterRole", name, UNINSTALL_RULES),
        ("ClusterRoleBinding", name, None),
        ("Role", name, [LEASE_RULE]),
        ("RoleBinding", name, None),
        ("Job", name, None),
    ]
    policies = {item["metadata"]["annotations"]["helm.sh/hook-delete-policy"] for item in rendered.uninstall}
    assert policies == {"before-hook-creation,hook-succeeded,hook-failed"}
    within = helm.render({"watchNamespaces": ["team-a", "team-b"], "kinds": ["Notebook"]}).uninstall
    roles = [
        (item["kind"], item["metadata"].get("namespace"), item["rules"]) for item in within if "rules" in item
    ]  # fmt: skip
    assert sorted(roles, key=lambda role: str(role[1])) == [
        ("Role", "guarding", [LEASE_RULE]),
        ("Role", "team-a", UNINSTALL_RULES[2:]),
        ("Role", "team-b", UNINSTALL_RULES[2:]),
    ]


def test_the_uninstalls_pod_is_bounded_restricted_and_in_no_service(rendered: Rendered) -> None:
    [job] = [item for item in rendered.uninstall if item["kind"] == "Job"]
    template = job["spec"]["template"]
    assert (job["spec"]["backoffLimit"], job["spec"]["activeDeadlineSeconds"]) == (0, 240)
    assert template["metadata"]["labels"]["app.kubernetes.io/name"] == "wheelwarden-uninstall"
    assert template["spec"]["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    [container] = template["spec"]["containers"]
    assert container["command"] == ["python3", "-m", "controller.uninstall"]
    environment = {variable["name"]: variable["value"] for variable in container["env"]}
    assert environment == {
        "WHEELWARDEN_NAMESPACE": "guarding", "WHEELWARDEN_LEASE": f"{NAME}-controller",
        "WHEELWARDEN_KINDS": "Notebook,KasprApp", "WHEELWARDEN_WATCH_NAMESPACES": "",
        "WHEELWARDEN_UNINSTALL_SECONDS": "120",
    }  # fmt: skip
    assert read_settings(environment).seconds == 120


def uninstalls_job(rendered: Rendered) -> dict[str, Any]:
    [job] = [item for item in rendered.uninstall if item["kind"] == "Job"]
    return job


def test_the_uninstalls_pod_has_a_label_of_a_legal_length(helm: Helm) -> None:
    job = uninstalls_job(helm.render({"nameOverride": "n" * 60}))
    assert job["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/name"] == f"{'n' * 53}-uninstall"


def test_the_uninstalls_pod_has_the_labels_and_annotations_of_pods(helm: Helm) -> None:
    values = {"podLabels": {"inject": "false"}, "podAnnotations": {"example.com/inject": "false"}}
    metadata = uninstalls_job(helm.render(values))["spec"]["template"]["metadata"]
    assert metadata["labels"]["inject"] == "false"
    assert metadata["labels"]["app.kubernetes.io/name"] == "wheelwarden-uninstall"
    assert metadata["annotations"] == values["podAnnotations"]


def test_values_of_a_release_that_knew_no_uninstall_render_as_the_defaults(helm: Helm, rendered: Rendered) -> None:
    assert helm.render({"uninstall": None}).uninstall == rendered.uninstall


@pytest.mark.parametrize("values", [{"uninstall": {"clear": False}}, {"rbac": {"create": False}}])
def test_an_uninstall_can_do_without_clearing(helm: Helm, values: dict[str, Any]) -> None:
    assert helm.render(values).uninstall == ()


def test_admission_policies_are_made_where_asked_for_and_follow_the_policy(helm: Helm, rendered: Rendered) -> None:
    assert admission_rules(rendered) == {}
    enabled = {"admissionPolicy": {"enabled": True}}
    plain = admission_rules(helm.render(enabled))
    assert plain.keys() == {"kasprapp-deny", "kasprapp-warn", "notebook-deny"}
    assert plain["kasprapp-warn"] == {"cache-immutable"}
    changed = {
        "rules": {"index-url": "off", "cache-size": "warn", "secret-key": False},
        "overrides": [{"namespaces": ["sandbox"], "rules": {"secret-name": "off"}, "maxPackages": 9}],
    }
    found = admission_rules(helm.render({**enabled, "policy": changed}))
    assert found["kasprapp-warn"] == {"cache-size", "cache-immutable"}
    gone = {"index-url", "cache-size", "secret-key", "secret-name", "packages-limit"}
    assert found["kasprapp-deny"] == plain["kasprapp-deny"] - gone


@pytest.mark.parametrize(("replicas", "budgets"), [(1, 0), (2, 1)])
def test_a_budget_is_made_where_there_are_several_replicas(helm: Helm, replicas: int, budgets: int) -> None:
    assert len(list(helm.render({"replicaCount": replicas}).all("PodDisruptionBudget"))) == budgets


def test_metrics_are_offered_where_they_are_asked_for(helm: Helm, rendered: Rendered) -> None:
    assert list(rendered.all("ServiceMonitor")) == []
    asked = {"metrics": {"serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}}}}
    monitor = helm.render(asked).one("ServiceMonitor")
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert [item["port"] for item in monitor["spec"]["endpoints"]] == ["webhook-metrics", "controller-metrics"]


def test_a_long_release_name_makes_names_that_fit(helm: Helm) -> None:
    rendered = helm.render(release="r" * 53)
    assert max(len(item["metadata"]["name"]) for item in rendered.objects) <= 63
