"""Why some pods stay as they are."""

import pytest

from tests.cases import request_of
from tests.unit.webhook.injection import TOOLS, Object, container, inject, installer_of, kaspr_request, pod
from webhook.pod_patch import PodPatch, plan_injection


def test_a_pod_is_injected_once() -> None:
    injected = inject(pod())
    assert plan_injection(injected, kaspr_request(), TOOLS) == PodPatch(reason="the pod is injected already")


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
    assert plan_injection(injected, kaspr_request(packages=["six"]), TOOLS) == PodPatch(
        reason="the pod already carries the annotation wheelwarden.dev/packages-hash",
        warning="KasprApp orders: its Python packages are not installed into this pod, because the pod already "
        "carries the annotation wheelwarden.dev/packages-hash. Remove it, then delete the pod.",
    )


def test_an_owner_that_wants_to_be_observed_gets_nothing() -> None:
    request = kaspr_request({"wheelwarden.dev/install": "observe"})
    assert plan_injection(pod(), request, TOOLS) == PodPatch(reason="its packages are only observed, as asked for")


def test_an_owner_without_packages_gets_nothing() -> None:
    request = request_of(
        {
            "apiVersion": "kaspr.io/v1alpha1",
            "kind": "KasprApp",
            "metadata": {"name": "orders", "annotations": {"wheelwarden.dev/verify-imports": "json"}},
            "spec": {},
        }
    )
    assert plan_injection(pod(), request, TOOLS) == PodPatch(reason="no packages are asked for")


def test_a_pod_without_containers_is_somebody_elses_problem() -> None:
    assert plan_injection(pod(containers=[]), kaspr_request(), TOOLS) == PodPatch(reason="the pod has no container")


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
    assert plan_injection(pod(**spec), kaspr_request(), TOOLS) == PodPatch(
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
