"""What a pod looks like after injection, whole; and why some pods stay as they are."""

import copy
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from webhook.install_containers import OUR_VARIABLES, Tools, is_within, tighten
from webhook.pod_patch import Injection, plan_injection, python_path
from wheelwarden.api.request import Request
from wheelwarden.parsing.request import read_request
from wheelwarden.payload import bundle

Object = dict[str, Any]

TOOLS = Tools(enabled=True, image="registry.example.com/wheelwarden:1", pull_policy="IfNotPresent")
NO_TOOLS = Tools(enabled=False)
IMAGE_PATHS = ":".join(f"/packages/image-{index}" for index in range(10))


def apply_patch(document: Object, patch: Sequence[Mapping[str, Any]]) -> Object:
    """RFC 6902, as far as the API server is asked for it here: add and replace."""
    document = copy.deepcopy(document)
    for operation in patch:
        *parents, last = (part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:])
        target: Any = document
        for part in parents:
            target = target[int(part)] if isinstance(target, list) else target[part]
        if isinstance(target, dict):
            assert operation["op"] == "add" or last in target
            target[last] = operation["value"]
        elif operation["op"] == "replace":
            target[int(last)] = operation["value"]
        elif last != "-":
            target.insert(int(last), operation["value"])
        else:
            assert last == "-"
            target.append(operation["value"])
    return document


def kaspr_request(annotations: Mapping[str, str] | None = None, **packages: Any) -> Request:
    request, violations = read_request(
        {
            "apiVersion": "kaspr.io/v1alpha1",
            "kind": "KasprApp",
            "metadata": {"name": "orders", "namespace": "shop", "annotations": dict(annotations or {})},
            "spec": {"pythonPackages": {"packages": ["requests==2.31.0"], **packages}},
        }
    )
    assert request is not None
    assert violations == []
    return request


def notebook_request() -> Request:
    request, violations = read_request(
        {
            "apiVersion": "kubeflow.org/v1",
            "kind": "Notebook",
            "metadata": {
                "name": "analysis",
                "namespace": "lab",
                "annotations": {"wheelwarden.dev/python-packages": "packages: [numpy]"},
            },
        }
    )
    assert request is not None
    assert violations == []
    return request


def pod(**spec: Any) -> Object:
    """The pod of a KasprApp, as its operator writes it and the API server completes it."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "orders-app-0", "labels": {"kaspr.io/app": "orders"}},
        "spec": {
            "containers": [{"name": "kaspr", "image": "registry.example.com/kaspr:7", "imagePullPolicy": "Always"}],
            "serviceAccountName": "default",
            **spec,
        },
    }


def container(**fields: Any) -> Object:
    return {"name": "kaspr", "image": "registry.example.com/kaspr:7", **fields}


def inject(given: Object, request: Request | None = None, tools: Tools = TOOLS) -> Object:
    injection = plan_injection(given, request or kaspr_request(), tools)
    assert injection.warning == ""
    return apply_patch(given, injection.patch)


def installer_of(injected: Object) -> Object:
    found: Object = injected["spec"]["initContainers"][-1]
    assert found["name"] == "install-packages"
    return found


def variables(injected: Object) -> dict[str, Object]:
    return {variable["name"]: variable for variable in installer_of(injected)["env"]}


def asked_of_installer(injected: Object) -> Object:
    asked: Object = json.loads(variables(injected)["WHEELWARDEN_REQUEST"]["value"])
    return asked


def test_a_bare_pod_gets_volumes_tools_installer_mounts_path_and_marks() -> None:
    request = kaspr_request()
    asked = {
        "version": 1,
        "hash": request.packages_hash,
        "packages": ["requests==2.31.0"],
        "indexUrl": None,
        "extraIndexUrls": [],
        "trustedHosts": [],
        "credentials": None,
        "installer": "uv",
        "uv": "/wheelwarden-tools/uv",
        "store": "/packages-store",
        "view": "/packages",
        "ownersMarker": None,
        "retries": 3,
        "timeoutSeconds": 600,
        "onFailure": "block",
        "retentionSeconds": 604800,
        "keysInUse": None,
        "reportUsage": True,
        "messageBytes": 4096,
    }
    assert inject(pod(), request) == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "orders-app-0",
            "labels": {"kaspr.io/app": "orders"},
            "annotations": {
                "wheelwarden.dev/packages-hash": request.packages_hash,
                "wheelwarden.dev/workload": "KasprApp/orders",
            },
        },
        "spec": {
            "serviceAccountName": "default",
            "volumes": [
                {
                    "name": "wheelwarden-store",
                    "persistentVolumeClaim": {"claimName": "orders-app-python-packages"},
                },
                {"name": "wheelwarden-view", "emptyDir": {}},
                {"name": "wheelwarden-tools", "emptyDir": {}},
            ],
            "initContainers": [
                {
                    "name": "wheelwarden-tools",
                    "image": "registry.example.com/wheelwarden:1",
                    "imagePullPolicy": "IfNotPresent",
                    "command": [
                        "cp",
                        "/opt/wheelwarden/tools/uv",
                        "/opt/wheelwarden/tools/install.py",
                        "/wheelwarden-tools/",
                    ],
                    "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "128Mi"}},
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                        "readOnlyRootFilesystem": True,
                        "runAsNonRoot": True,
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                    "terminationMessagePolicy": "File",
                    "volumeMounts": [{"name": "wheelwarden-tools", "mountPath": "/wheelwarden-tools"}],
                },
                {
                    "name": "install-packages",
                    "image": "registry.example.com/kaspr:7",
                    "imagePullPolicy": "Always",
                    "command": ["python3", "-I", "/wheelwarden-tools/install.py"],
                    "env": [
                        {
                            "name": "WHEELWARDEN_POD",
                            "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}},
                        },
                        {"name": "WHEELWARDEN_REQUEST", "value": json.dumps(asked, separators=(",", ":"))},
                    ],
                    "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "1Gi"}},
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                    "terminationMessagePolicy": "File",
                    "volumeMounts": [
                        {"name": "wheelwarden-store", "mountPath": "/packages-store"},
                        {"name": "wheelwarden-view", "mountPath": "/packages"},
                        {"name": "wheelwarden-tools", "mountPath": "/wheelwarden-tools", "readOnly": True},
                    ],
                },
            ],
            "containers": [
                {
                    "name": "kaspr",
                    "image": "registry.example.com/kaspr:7",
                    "imagePullPolicy": "Always",
                    "env": [{"name": "PYTHONPATH", "value": f"/packages/site-packages:{IMAGE_PATHS}"}],
                    "volumeMounts": [
                        {"name": "wheelwarden-store", "mountPath": "/packages-store", "readOnly": True},
                        {"name": "wheelwarden-view", "mountPath": "/packages", "readOnly": True},
                    ],
                }
            ],
        },
    }


def test_what_a_pod_has_already_stays_and_stays_first() -> None:
    given = pod(
        volumes=[{"name": "data", "emptyDir": {}}],
        initContainers=[{"name": "proxy", "image": "proxy", "restartPolicy": "Always"}],
        containers=[
            container(
                env=[{"name": "MODE", "value": "fast"}],
                volumeMounts=[{"name": "data", "mountPath": "/data"}],
            ),
            {"name": "sidecar", "image": "sidecar", "env": [{"name": "PYTHONPATH", "value": "/own"}]},
        ],
        securityContext={"fsGroup": 100},
    )
    given["metadata"]["annotations"] = {"example.com/team": "orders"}
    injected = inject(given)
    spec = injected["spec"]
    assert spec["volumes"][0] == {"name": "data", "emptyDir": {}}
    assert [one["name"] for one in spec["initContainers"]] == ["proxy", "wheelwarden-tools", "install-packages"]
    assert spec["containers"] == [
        container(
            env=[
                {"name": "MODE", "value": "fast"},
                {"name": "PYTHONPATH", "value": f"/packages/site-packages:{IMAGE_PATHS}"},
            ],
            volumeMounts=[
                {"name": "data", "mountPath": "/data"},
                {"name": "wheelwarden-store", "mountPath": "/packages-store", "readOnly": True},
                {"name": "wheelwarden-view", "mountPath": "/packages", "readOnly": True},
            ],
        ),
        given["spec"]["containers"][1],
    ]
    assert spec["securityContext"] == {"fsGroup": 100}
    assert injected["metadata"]["annotations"]["example.com/team"] == "orders"


def test_the_container_named_like_the_notebook_is_the_main_one_wherever_it_stands() -> None:
    given = pod(containers=[{"name": "proxy", "image": "proxy"}, {"name": "analysis", "image": "notebook"}])
    injected = inject(given, notebook_request())
    assert injected["spec"]["containers"][0] == {"name": "proxy", "image": "proxy"}
    assert injected["spec"]["volumes"][0] == {
        "name": "wheelwarden-store",
        "persistentVolumeClaim": {"claimName": "analysis-python-packages"},
    }
    assert installer_of(injected)["image"] == "notebook"
    assert injected["metadata"]["annotations"]["wheelwarden.dev/workload"] == "Notebook/analysis"


def test_without_a_cache_each_pod_has_a_store_of_its_own() -> None:
    injected = inject(pod(), kaspr_request(cache={"enabled": False}))
    assert injected["spec"]["volumes"][0] == {"name": "wheelwarden-store", "emptyDir": {}}


def test_without_tools_the_installer_comes_inline_with_pip_and_nothing_of_ours_is_pulled() -> None:
    injected = inject(pod(), tools=NO_TOOLS)
    assert [one["name"] for one in injected["spec"]["initContainers"]] == ["install-packages"]
    assert [one["name"] for one in injected["spec"]["volumes"]] == ["wheelwarden-store", "wheelwarden-view"]
    assert installer_of(injected)["command"] == ["python3", "-I", "-c", bundle("install")]
    assert [mount["mountPath"] for mount in installer_of(injected)["volumeMounts"]] == ["/packages-store", "/packages"]
    asked = asked_of_installer(injected)
    assert (asked["installer"], asked["uv"]) == ("pip", None)


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


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({"value": "/opt/app:$(EXTRA)"}, "/packages/site-packages:/opt/app:$(EXTRA)"),
        # An empty entry would put the working directory on the path.
        ({"value": ""}, "/packages/site-packages"),
        ({}, "/packages/site-packages"),
        ({"valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}, f"/packages/site-packages:{IMAGE_PATHS}"),
    ],
)
def test_a_python_path_of_the_pod_stays_behind_our_packages_and_in_its_place(own: Object, expected: str) -> None:
    env = [{"name": "EXTRA", "value": "/x"}, {"name": "PYTHONPATH", **own}, {"name": "LAST", "value": "$(PYTHONPATH)"}]
    injected = inject(pod(containers=[container(env=env)]))
    assert injected["spec"]["containers"][0]["env"] == [env[0], {"name": "PYTHONPATH", "value": expected}, env[2]]
    assert variables(injected)["PYTHONPATH"] == {"name": "PYTHONPATH", **own}


def test_of_a_variable_that_is_there_twice_the_last_one_counts() -> None:
    env = [{"name": "PYTHONPATH", "value": "/one"}, {"name": "PYTHONPATH", "value": "/two"}]
    injected = inject(pod(containers=[container(env=env)]))
    assert injected["spec"]["containers"][0]["env"] == [env[0], {"name": "PYTHONPATH", "value": python_path("/two")}]


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


def test_a_pod_is_injected_once() -> None:
    injected = inject(pod())
    assert plan_injection(injected, kaspr_request(), TOOLS) == Injection(reason="the pod is injected already")


def test_what_others_add_after_us_reaches_the_installer_too() -> None:
    injected = inject(pod())
    main = injected["spec"]["containers"][0]
    added = [{"name": "HTTPS_PROXY", "value": "http://proxy.example.com"}, {"name": "PIP_CERT", "value": "/ca/ca.crt"}]
    main["env"] += added
    main["volumeMounts"] += [{"name": "ca", "mountPath": "/ca"}, {"name": "data", "mountPath": "/data"}]
    again = inject(injected)
    assert installer_of(again)["env"] == [*installer_of(injected)["env"], *added]
    assert installer_of(again)["volumeMounts"] == [
        *installer_of(injected)["volumeMounts"],
        {"name": "ca", "mountPath": "/ca", "readOnly": True},
    ]
    assert again["spec"]["containers"] == injected["spec"]["containers"]
    assert plan_injection(again, kaspr_request(), TOOLS).patch == ()


def test_a_copy_of_a_pod_with_other_packages_is_left_alone_with_a_warning() -> None:
    injected = inject(pod())
    assert plan_injection(injected, kaspr_request(packages=["six"]), TOOLS) == Injection(
        reason="the pod already carries the annotation wheelwarden.dev/packages-hash",
        warning="KasprApp orders: its Python packages are not installed into this pod, because the pod already "
        "carries the annotation wheelwarden.dev/packages-hash. Remove it, then delete the pod.",
    )


INSTALLER_OF_ANOTHER = {"name": "install-packages", "image": "registry.example.com/kaspr:7", "command": ["bash"]}


def test_another_owners_installer_is_left_as_it_is() -> None:
    given = pod(initContainers=[INSTALLER_OF_ANOTHER])
    reason = "the pod comes with an install-packages of its own, which is left as it is"
    assert plan_injection(given, kaspr_request(), TOOLS) == Injection(reason=reason)
    managed = kaspr_request({"wheelwarden.dev/install": "managed"})
    unclear = f"{reason}: it cannot be told which of its volumes holds the packages"
    assert plan_injection(given, managed, TOOLS) == Injection(reason=unclear, warning=f"KasprApp orders: {unclear}")


def operators_pod(**changes: Any) -> Object:
    """The pod of an operator that installs by itself (upstream-kaspr)."""
    mount = {"name": "orders-app-packages", "mountPath": "/opt/kaspr/packages"}
    main = container(
        env=[{"name": "BEFORE", "value": "1"}, {"name": "PYTHONPATH", "value": "/opt/kaspr/packages:${PYTHONPATH}"}],
        volumeMounts=[{"name": "orders-app-storage", "mountPath": "/var/lib/data"}, mount],
    )
    installer = {
        "name": "install-packages",
        "image": "registry.example.com/kaspr:7",
        "command": ["/bin/bash", "-c"],
        "args": ["pip install …"],
        "env": [{"name": "PACKAGES_HASH", "value": "0123456789abcdef"}],
        "volumeMounts": [mount],
    }
    claim = {"persistentVolumeClaim": {"claimName": "orders-app-python-packages"}}
    spec = {
        "containers": [main],
        "initContainers": [{"name": "first", "image": "i"}, installer, {"name": "last", "image": "i"}],
        "volumes": [{"name": "orders-app-storage", "emptyDir": {}}, {"name": "orders-app-packages", **claim}],
    }
    return pod(**{**spec, **changes})


MANAGED = {"wheelwarden.dev/install": "managed"}


def test_an_installer_that_is_taken_over_is_replaced_in_its_place_on_its_own_volume() -> None:
    given = operators_pod()
    request = kaspr_request(MANAGED)
    injection = plan_injection(given, request, TOOLS)
    assert (injection.warning, injection.reason) == ("", "injected in the place of its own install-packages")
    injected = apply_patch(given, injection.patch)
    inits = injected["spec"]["initContainers"]
    assert [one["name"] for one in inits] == ["first", "wheelwarden-tools", "install-packages", "last"]
    ours = inits[2]
    assert ours["command"] == ["python3", "-I", "/wheelwarden-tools/install.py"]
    assert ours["volumeMounts"][:2] == [
        {"name": "orders-app-packages", "mountPath": "/packages-store"},
        {"name": "wheelwarden-view", "mountPath": "/packages"},
    ]
    env = {variable["name"]: variable for variable in ours["env"]}
    # The operator looks for the hash on the container; its PYTHONPATH would hide the image's own.
    assert env["PACKAGES_HASH"]["value"] == "0123456789abcdef"
    assert "PYTHONPATH" not in env
    asked = json.loads(env["WHEELWARDEN_REQUEST"]["value"])
    assert asked["store"] == "/packages-store/.wheelwarden"
    assert asked["ownersMarker"] == "/packages/.installed-0123456789abcdef"
    assert asked["hash"] == request.packages_hash
    main = injected["spec"]["containers"][0]
    assert main["volumeMounts"] == [
        {"name": "orders-app-storage", "mountPath": "/var/lib/data"},
        {"name": "wheelwarden-view", "mountPath": "/opt/kaspr/packages", "readOnly": True},
        {"name": "orders-app-packages", "mountPath": "/packages-store", "readOnly": True},
        {"name": "wheelwarden-view", "mountPath": "/packages", "readOnly": True},
    ]
    assert main["env"] == [
        {"name": "BEFORE", "value": "1"},
        {"name": "PYTHONPATH", "value": f"/packages/site-packages:{IMAGE_PATHS}"},
    ]
    assert [volume["name"] for volume in injected["spec"]["volumes"]] == [
        "orders-app-storage", "orders-app-packages", "wheelwarden-view", "wheelwarden-tools"
    ]  # fmt: skip
    assert plan_injection(injected, request, TOOLS).reason == "the pod is injected already"


def test_a_takeover_without_tools_keeps_what_else_stood_in_the_path_and_needs_no_marker() -> None:
    given = operators_pod()
    given["spec"]["containers"][0]["env"][1]["value"] = "/opt/kaspr/packages/:/app"
    del given["spec"]["initContainers"][1]["env"]
    injected = apply_patch(given, plan_injection(given, kaspr_request(MANAGED), NO_TOOLS).patch)
    assert [one["name"] for one in injected["spec"]["initContainers"]] == ["first", "install-packages", "last"]
    assert injected["spec"]["containers"][0]["env"][1]["value"] == "/packages/site-packages:/app"
    env = {variable["name"]: variable for variable in injected["spec"]["initContainers"][1]["env"]}
    assert json.loads(env["WHEELWARDEN_REQUEST"]["value"])["ownersMarker"] is None
    assert "PACKAGES_HASH" not in env


def test_of_several_shared_volumes_the_one_in_the_path_holds_the_packages() -> None:
    given = operators_pod()
    storage = {"name": "orders-app-storage", "mountPath": "/var/lib/data"}
    given["spec"]["initContainers"][1]["volumeMounts"].insert(0, storage)
    injected = apply_patch(given, plan_injection(given, kaspr_request(MANAGED), TOOLS).patch)
    assert injected["spec"]["initContainers"][2]["volumeMounts"][0]["name"] == "orders-app-packages"
    assert injected["spec"]["containers"][0]["volumeMounts"][0] == storage


def test_only_a_volume_with_a_size_of_its_own_is_measured() -> None:
    assert asked_of_installer(inject(pod(), kaspr_request(cache={"enabled": False})))["reportUsage"] is False
    for volume, measured in (
        ({"persistentVolumeClaim": {"claimName": "c"}}, True),
        ({"emptyDir": {}}, False),
        ({"hostPath": {"path": "/srv"}}, False),
    ):
        given = operators_pod(volumes=[{"name": "orders-app-packages", **volume}])
        del given["spec"]["initContainers"][2]
        assert asked_of_installer(inject(given, kaspr_request(MANAGED)))["reportUsage"] is measured


@pytest.mark.parametrize(("more", "share"), [(0, 4096), (1, 3072), (2, 2457), (9, 1024)])
def test_the_termination_message_is_no_longer_than_the_containers_share_of_the_pods(more: int, share: int) -> None:
    sidecars = [{"name": f"side-{number}", "image": "i"} for number in range(more)]
    assert asked_of_installer(inject(pod(containers=[container(), *sidecars])))["messageBytes"] == share


def test_an_owner_that_wants_to_be_observed_gets_nothing() -> None:
    request = kaspr_request({"wheelwarden.dev/install": "observe"})
    assert plan_injection(pod(), request, TOOLS) == Injection(reason="its packages are only observed, as asked for")


def test_an_owner_without_packages_gets_nothing() -> None:
    request, _ = read_request(
        {
            "apiVersion": "kaspr.io/v1alpha1",
            "kind": "KasprApp",
            "metadata": {"name": "orders", "annotations": {"wheelwarden.dev/verify-imports": "json"}},
            "spec": {},
        }
    )
    assert request is not None
    assert plan_injection(pod(), request, TOOLS) == Injection(reason="no packages are asked for")


def test_a_pod_without_containers_is_somebody_elses_problem() -> None:
    assert plan_injection(pod(containers=[]), kaspr_request(), TOOLS) == Injection(reason="the pod has no container")


@pytest.mark.parametrize(
    ("spec", "taken"),
    [
        ({"volumes": [{"name": "wheelwarden-store"}]}, "the volume name wheelwarden-store"),
        ({"initContainers": [{"name": "wheelwarden-tools"}]}, "the container name wheelwarden-tools"),
        (
            {"containers": [container(), {"name": "install-packages", "image": "i"}]},
            "the container name install-packages",
        ),
        (
            {"containers": [container(volumeMounts=[{"name": "data", "mountPath": "/packages/"}])]},
            "the mount path /packages/",
        ),
        (
            {"containers": [container(volumeMounts=[{"name": "data", "mountPath": "/packages-store/data"}])]},
            "the mount path /packages-store/data",
        ),
    ],
)
def test_names_and_paths_that_are_taken_are_not_fought_for(spec: Object, taken: str) -> None:
    reason = f"{taken} of the pod is one that Wheelwarden needs"
    assert plan_injection(pod(**spec), kaspr_request(), TOOLS) == Injection(
        reason=reason,
        warning=f"KasprApp orders: its Python packages are not installed into this pod, because {reason}. "
        "Choose another, then delete the pod.",
    )


def test_a_mount_whose_path_only_begins_like_ours_is_no_collision() -> None:
    main = container(volumeMounts=[{"name": "data", "mountPath": "/packages-of-mine"}])
    assert installer_of(inject(pod(containers=[main])))["name"] == "install-packages"


def test_a_pod_for_windows_is_left_alone_with_a_warning() -> None:
    injection = plan_injection(pod(os={"name": "windows"}), kaspr_request(), TOOLS)
    assert (injection.patch, injection.reason) == ((), "the pod is for Windows")
    assert "Remove the packages from the KasprApp" in injection.warning
