"""Another owner's installer is left as it is, or replaced in its place on its own volume."""

import json

from tests.unit.webhook.injection import (
    IMAGE_PATHS,
    INSTALLER_OF_ANOTHER,
    MANAGED,
    NO_TOOLS,
    TOOLS,
    apply_patch,
    asked_of_installer,
    inject,
    kaspr_request,
    operators_pod,
    pod,
)
from webhook.pod_patch import PodPatch, plan_injection


def test_another_owners_installer_is_left_as_it_is() -> None:
    given = pod(initContainers=[INSTALLER_OF_ANOTHER])
    reason = "the pod comes with an install-packages of its own, which is left as it is"
    assert plan_injection(given, kaspr_request(), TOOLS) == PodPatch(reason=reason)
    managed = kaspr_request({"wheelwarden.dev/install": "managed"})
    unclear = f"{reason}: it cannot be told which of its volumes holds the packages"
    assert plan_injection(given, managed, TOOLS) == PodPatch(reason=unclear, warning=f"KasprApp orders: {unclear}")


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
