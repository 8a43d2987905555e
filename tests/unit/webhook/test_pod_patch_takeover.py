"""What of the replaced installer stays when another owner's `install-packages` is taken over."""

from typing import Any

import pytest

from tests.unit.webhook.injection import MANAGED, TOOLS, Object, apply_patch, kaspr_request, operators_pod
from webhook.install_containers import Tools
from webhook.pod_patch import PodPatch, plan_injection
from wheelwarden.api.request import Request


def takeover(given: Object, request: Request | None = None, tools: Tools = TOOLS) -> Object:
    """Our installer in the place of the operator's."""
    injection = plan_injection(given, request or kaspr_request(MANAGED), tools)
    assert injection.warning == ""
    inits = apply_patch(given, injection.patch)["spec"]["initContainers"]
    return next(one for one in inits if one["name"] == "install-packages")


def operators_pod_with(installer: Object, main: Object | None = None, **metadata: Any) -> Object:
    """The operator's pod; what is given is added to the lists of its installer and of its main container."""
    given = operators_pod()
    given["metadata"].update(metadata)
    changes = ((given["spec"]["initContainers"][1], installer), (given["spec"]["containers"][0], main or {}))
    for container, fields in changes:
        for field, value in fields.items():
            container[field] = [*container.get(field, []), *value] if isinstance(value, list) else value
    return given


def secret_variable(name: str, secret: str) -> Object:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": "token"}}}


def test_a_taken_over_installer_keeps_the_variables_it_was_given_before_those_of_the_main_container() -> None:
    ssh = {"name": "GIT_SSH_COMMAND", "value": "ssh -i /var/run/secrets/ssh/id_ed25519"}
    index = {"name": "PIP_INDEX_URL", "value": "https://packages.example.com/simple"}
    given = operators_pod_with(
        {
            "env": [
                {"name": "INDEX_URL", "value": "https://packages.example.com/simple"},
                {"name": "EXTRA_INDEX_URLS", "value": "https://b.example.com/simple"},
                {"name": "TRUSTED_HOSTS", "value": "b.example.com"},
                {"name": "GCS_BUCKET", "value": "b"},
                {"name": "GCS_OBJECT_KEY", "value": "k"},
                secret_variable("PYPI_USERNAME", "theirs"),
                secret_variable("PYPI_PASSWORD", "theirs"),
                {"name": "PYTHONPATH", "value": "/opt/kaspr/packages"},
                ssh,
                index,
                secret_variable("GIT_TOKEN", "git"),
            ],
            "envFrom": [{"secretRef": {"name": "deploy"}}],
        },
        {
            "env": [{"name": "PIP_INDEX_URL", "value": "https://main.example.com/simple"}],
            "envFrom": [{"configMapRef": {"name": "settings"}}],
        },
    )
    ours = takeover(given)
    assert [one for one in ours["env"] if not one["name"].startswith("WHEELWARDEN_")] == [
        {"name": "PACKAGES_HASH", "value": "0123456789abcdef"},
        ssh,
        index,
        secret_variable("GIT_TOKEN", "git"),
        {"name": "BEFORE", "value": "1"},
    ]
    assert ours["envFrom"] == [{"configMapRef": {"name": "settings"}}, {"secretRef": {"name": "deploy"}}]


def test_a_taken_over_installer_has_the_credentials_of_the_request_and_not_those_of_the_operators_script() -> None:
    given = operators_pod_with({"env": [secret_variable("PYPI_PASSWORD", "theirs")]})
    request = kaspr_request(
        MANAGED, indexUrl="https://packages.example.com/simple", credentials={"secretRef": {"name": "ours"}}
    )
    passwords = [one for one in takeover(given, request)["env"] if one["name"] == "PYPI_PASSWORD"]
    reference = {"name": "ours", "key": "password", "optional": True}
    assert passwords == [{"name": "PYPI_PASSWORD", "valueFrom": {"secretKeyRef": reference}}]


def test_a_taken_over_installer_keeps_its_mounts_but_for_the_packages_and_the_bucket() -> None:
    key = {"name": "ssh", "mountPath": "/var/run/secrets/ssh", "readOnly": True}
    authority = {"name": "their-ca", "mountPath": "/etc/ca", "subPath": "ca"}
    given = operators_pod_with(
        {
            "volumeMounts": [
                key,
                {**authority, "mountPropagation": "Bidirectional"},
                {"name": "gcs-sa-key", "mountPath": "/var/run/gcs", "readOnly": True},
            ]
        },
        {
            "env": [
                {"name": "PIP_CERT", "value": "/etc/ca/ca.pem"},
                {"name": "SSL_CERT_FILE", "value": "/etc/tls/t.pem"},
            ],
            "volumeMounts": [{"name": "ca", "mountPath": "/etc/ca/"}, {"name": "tls", "mountPath": "/etc/tls"}],
        },
    )
    assert takeover(given)["volumeMounts"] == [
        {"name": "orders-app-packages", "mountPath": "/packages-store"},
        {"name": "wheelwarden-view", "mountPath": "/packages"},
        {"name": "wheelwarden-tools", "mountPath": "/wheelwarden-tools", "readOnly": True},
        key,
        authority,
        {"name": "tls", "mountPath": "/etc/tls", "readOnly": True},
    ]


def test_a_mount_of_the_replaced_installer_where_ours_have_to_stand_is_refused_with_a_warning() -> None:
    given = operators_pod_with({"volumeMounts": [{"name": "ssh", "mountPath": "/packages/ssh"}]})
    reason = "the mount path /packages/ssh of the pod is one that Wheelwarden needs"
    assert plan_injection(given, kaspr_request(MANAGED), TOOLS) == PodPatch(
        reason=reason,
        warning=f"KasprApp orders: its Python packages are not installed into this pod, because {reason}. "
        "Choose another, then delete the pod.",
    )


def test_a_taken_over_installer_keeps_its_user_and_gets_no_more_rights() -> None:
    given = operators_pod_with(
        {"securityContext": {"runAsUser": 1500, "privileged": True, "capabilities": {"add": ["NET_ADMIN"]}}},
        {"securityContext": {"runAsUser": 1000, "runAsGroup": 1000}},
    )
    assert takeover(given)["securityContext"] == {
        "runAsUser": 1500,
        "runAsGroup": 1000,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }


RESOURCES = {"requests": {"cpu": "200m"}, "limits": {"memory": "3Gi"}}
DEFAULTED = {"kubernetes.io/limit-ranger": "LimitRanger plugin set: memory limit for init container install-packages"}


@pytest.mark.parametrize(
    ("spec", "annotations", "expected"),
    [
        ({}, {}, RESOURCES),
        ({"resources": {"limits": {"memory": "2Gi"}}}, {}, {"limits": {"memory": "2Gi"}}),
        ({}, DEFAULTED, {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "1Gi"}}),
    ],
    ids=["those of the replaced container", "those of the request first", "but no defaults of the namespace"],
)
def test_a_taken_over_installer_keeps_its_resources(spec: Object, annotations: Object, expected: Object) -> None:
    given = operators_pod_with({"resources": RESOURCES}, annotations=annotations)
    assert takeover(given, kaspr_request(MANAGED, **spec))["resources"] == expected
