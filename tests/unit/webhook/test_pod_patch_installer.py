"""What the installer is given: its request, variables, mounts, users and rights."""

import pytest

from tests.unit.webhook.injection import (
    Object,
    asked_of_installer,
    container,
    inject,
    installer_of,
    kaspr_request,
    pod,
    variables,
)
from webhook.install_containers import OUR_VARIABLES, is_within, tighten


def test_every_field_of_the_request_reaches_the_installer() -> None:
    request = kaspr_request(
        packages=["six", "attrs"],
        indexUrl="https://packages.example.com/simple",
        extraIndexUrls=["https://more.example.com/simple"],
        trustedHosts=["more.example.com"],
        credentials={"secretRef": {"name": "pypi", "usernameKey": "user"}},
        installPolicy={"retries": 5, "timeout": 90, "onFailure": "allow"},
        resources={"requests": {"cpu": "1"}, "limits": {"memory": "2Gi"}},
    )
    injected = inject(pod(), request)
    assert asked_of_installer(injected) == {
        "version": 1,
        "hash": request.packages_hash,
        "packages": ["six", "attrs"],
        "indexUrl": "https://packages.example.com/simple",
        "extraIndexUrls": ["https://more.example.com/simple"],
        "trustedHosts": ["more.example.com"],
        "credentials": {"secret": "pypi", "usernameKey": "user", "passwordKey": "password"},
        "installer": "uv",
        "uv": "/wheelwarden-tools/uv",
        "store": "/packages-store",
        "view": "/packages",
        "ownersMarker": None,
        "retries": 5,
        "timeoutSeconds": 90,
        "onFailure": "allow",
        "retentionSeconds": 604800,
        "keysInUse": None,
        "reportUsage": True,
        "messageBytes": 4096,
    }
    assert installer_of(injected)["resources"] == {"requests": {"cpu": "1"}, "limits": {"memory": "2Gi"}}


def test_credentials_are_references_to_the_secret_and_in_the_installer_only() -> None:
    request = kaspr_request(credentials={"secretRef": {"name": "pypi", "usernameKey": "user"}})
    injected = inject(pod(), request)
    assert installer_of(injected)["env"][:3] == [
        {
            "name": variable,
            "valueFrom": {"secretKeyRef": {"name": "pypi", "key": key, "optional": True}},
        }
        for variable, key in (("PYPI_USERNAME", "user"), ("PYPI_PASSWORD", "password"), ("PYPI_NETRC", "netrc"))
    ]
    assert [variable["name"] for variable in injected["spec"]["containers"][0]["env"]] == ["PYTHONPATH"]


def test_kubernetes_finds_nothing_to_expand_in_the_request() -> None:
    package = "tool @ https://${TOKEN}@git.example.com/$(HOME)/tool.zip"
    injected = inject(pod(), kaspr_request(packages=[package]))
    assert "$" not in variables(injected)["WHEELWARDEN_REQUEST"]["value"]
    assert asked_of_installer(injected)["packages"] == [package]


def test_the_installer_gets_the_environment_of_the_main_container_but_no_variable_of_ours() -> None:
    env = [
        {"name": "PIP_INDEX_URL", "value": "https://mirror.example.com/simple"},
        {"name": "PYTHONPATH", "value": "/opt/app"},
        *({"name": name, "value": "forged"} for name in sorted(OUR_VARIABLES)),
    ]
    sources = [{"configMapRef": {"name": "proxies"}}]
    installer = installer_of(inject(pod(containers=[container(env=env, envFrom=sources)])))
    assert installer["env"][:2] == env[:2]
    assert [variable["name"] for variable in installer["env"][2:]] == ["WHEELWARDEN_POD", "WHEELWARDEN_REQUEST"]
    assert installer["envFrom"] == sources


def test_mounts_that_hold_a_ca_bundle_or_pip_configuration_are_copied_read_only() -> None:
    main = container(
        env=[
            {"name": "PIP_CERT", "value": "/etc/pki/bundle/ca.crt"},
            {"name": "SSL_CERT_DIR", "value": "/etc/ssl/certs:/certs/more/"},
            {"name": "PIP_CONFIG_FILE", "value": "/etc/pip.conf"},
            {"name": "REQUESTS_CA_BUNDLE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "HOME", "value": "/home/user"},
        ],
        volumeMounts=[
            {"name": "bundle", "mountPath": "/etc/pki/bundle/", "mountPropagation": "Bidirectional"},
            {"name": "more", "mountPath": "/certs/more"},
            {"name": "pip", "mountPath": "/etc/pip.conf", "subPath": "pip.conf", "readOnly": True},
            {"name": "home", "mountPath": "/home/user"},
            {"name": "other", "mountPath": "/etc/pki/bundle-other"},
        ],
    )
    assert installer_of(inject(pod(containers=[main])))["volumeMounts"][3:] == [
        {"name": "bundle", "mountPath": "/etc/pki/bundle/", "readOnly": True},
        {"name": "more", "mountPath": "/certs/more", "readOnly": True},
        {"name": "pip", "mountPath": "/etc/pip.conf", "subPath": "pip.conf", "readOnly": True},
    ]


@pytest.mark.parametrize(
    ("path", "folder", "expected"),
    [("/a/b", "/a", True), ("/a", "/a/", True), ("/ab", "/a", False), ("/a", "/a/b", False), ("", "/", False)],
)
def test_a_path_is_within_a_folder_only_at_a_slash(path: str, folder: str, expected: bool) -> None:
    assert is_within(path, folder) is expected


def test_the_installer_has_the_users_of_the_main_container_and_fewer_rights() -> None:
    own = {
        "runAsUser": 1001,
        "runAsGroup": 0,
        "privileged": True,
        "procMount": "Unmasked",
        "allowPrivilegeEscalation": True,
        "capabilities": {"add": ["SYS_ADMIN"]},
        "readOnlyRootFilesystem": True,
        "seLinuxOptions": {"level": "s0:c1"},
    }
    assert installer_of(inject(pod(containers=[container(securityContext=own)])))["securityContext"] == {
        "runAsUser": 1001,
        "runAsGroup": 0,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "seLinuxOptions": {"level": "s0:c1"},
        "seccompProfile": {"type": "RuntimeDefault"},
    }


@pytest.mark.parametrize(
    ("own", "of_pod", "expected"),
    [
        ({}, {}, {"type": "RuntimeDefault"}),
        ({"seccompProfile": {"type": "Localhost"}}, {}, {"type": "Localhost"}),
        ({}, {"seccompProfile": {"type": "Localhost"}}, None),
    ],
)
def test_a_seccomp_profile_that_was_chosen_holds(own: Object, of_pod: Object, expected: Object | None) -> None:
    assert tighten(own, of_pod).get("seccompProfile") == expected


def test_the_tools_container_runs_as_its_own_user_in_a_pod_that_runs_as_root() -> None:
    injected = inject(pod(securityContext={"runAsUser": 0}))
    security = injected["spec"]["initContainers"][0]["securityContext"]
    assert (security["runAsUser"], security["runAsNonRoot"]) == (65532, True)
    injected = inject(pod(securityContext={"runAsUser": 1001}))
    assert "runAsUser" not in injected["spec"]["initContainers"][0]["securityContext"]


@pytest.mark.parametrize(("more", "share"), [(0, 4096), (1, 3072), (2, 2457), (9, 1024)])
def test_the_termination_message_is_no_longer_than_the_containers_share_of_the_pods(more: int, share: int) -> None:
    sidecars = [{"name": f"side-{number}", "image": "i"} for number in range(more)]
    assert asked_of_installer(inject(pod(containers=[container(), *sidecars])))["messageBytes"] == share
