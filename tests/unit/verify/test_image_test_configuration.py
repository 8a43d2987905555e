"""What the test of an image may be asked for."""

from typing import Any

import pytest

from wheelwarden.verify import CustomImageTestConfiguration, InvalidConfiguration

GOOD: dict[str, Any] = {
    "namespace": "test-lab",
    "notebook_name": "lab-image",
    "custom_image": "registry.example.com/team/lab:2025.1",
    "packages_to_verify": ["sdg_hub", "instructlab"],
}


def _faults(**changes: Any) -> list[str]:
    try:
        CustomImageTestConfiguration(**GOOD | changes)
    except InvalidConfiguration as error:
        return [fault.message for fault in error.faults]
    return []


def test_what_is_left_out_has_the_defaults_of_the_seed() -> None:
    made = CustomImageTestConfiguration(**GOOD)
    assert (made.timeout_pod_ready, made.timeout_command, made.auth_annotations) == (600, 60, {})
    assert made.as_notebook


@pytest.mark.parametrize(
    "changes",
    [
        {"timeout_pod_ready": 60, "timeout_command": 10},
        {"timeout_pod_ready": 900, "timeout_command": 300},
        {"packages_to_verify": ["os.path", "json:loads"]},
        {"namespace": "test-" + "x" * 58, "notebook_name": "x" * 63},
        {"cpu": "500m", "memory": "2Gi", "port": 8888, "user": 0},
        {
            "auth_annotations": {
                "notebooks.opendatahub.io/inject-auth": "true",
                "notebooks.opendatahub.io/auth-sidecar-cpu-request": "0.2",
            }
        },
    ],
)
def test_what_is_in_range_is_taken(changes: dict[str, Any]) -> None:
    assert _faults(**changes) == []


@pytest.mark.parametrize(
    ("changes", "begin"),
    [
        ({"namespace": "lab"}, 'namespace "lab": it is not "test-"'),
        ({"timeout_command": "60"}, 'timeout_command "60": it is no number between 10 and 300'),
        ({"timeout_command": float("nan")}, 'timeout_command "nan": it is no number between 10 and 300'),
        ({"user": True}, 'user "true": it is no number between 0 and'),
        ({"packages_to_verify": iter(["os"])}, "packages_to_verify: it is a list_iterator and no list"),
        ({"namespace": "test-"}, 'namespace "test-"'),
        ({"namespace": "test-A"}, 'namespace "test-A"'),
        ({"namespace": "test-" + "x" * 59}, "namespace"),
        ({"notebook_name": ""}, 'notebook_name ""'),
        ({"notebook_name": "1lab"}, "notebook_name"),
        ({"notebook_name": "lab_image"}, "notebook_name"),
        ({"notebook_name": "lab-"}, "notebook_name"),
        ({"notebook_name": "x" * 64}, "notebook_name"),
        ({"custom_image": "registry.example.com/lab"}, "custom_image"),
        ({"packages_to_verify": []}, "packages_to_verify: it is empty"),
        ({"packages_to_verify": "json"}, 'packages_to_verify "json": it is one text'),
        ({"packages_to_verify": ["json", "1abc"]}, 'packages_to_verify[1] "1abc"'),
        ({"packages_to_verify": ["json"] * 101}, "packages_to_verify: 101 modules are more than 100"),
        ({"timeout_pod_ready": 59}, 'timeout_pod_ready "59": it is no number between 60 and 900'),
        ({"timeout_pod_ready": 901}, "timeout_pod_ready"),
        ({"timeout_command": 9}, 'timeout_command "9": it is no number between 10 and 300'),
        ({"timeout_command": 301}, "timeout_command"),
        ({"port": 0}, "port"),
        ({"port": 65536}, "port"),
        ({"user": -1}, "user"),
        ({"cpu": "lots"}, 'cpu "lots": it is no Kubernetes quantity'),
        ({"memory": "0"}, 'memory "0": it is not more than nothing'),
        ({"auth_annotations": {"example.com/x": "1"}}, "auth_annotations[example.com/x]: it is no annotation"),
        ({"auth_annotations": {"notebooks.opendatahub.io/": "1"}}, "auth_annotations["),
        ({"auth_annotations": {"notebooks.opendatahub.io/auth-sidecar-cpu-limit": "x"}}, "auth_annotations["),
        (
            {"auth_annotations": {"notebooks.opendatahub.io/inject-auth": "true"}, "as_notebook": False},
            "auth_annotations: only a Notebook gets an authentication sidecar",
        ),
    ],
)
def test_what_is_out_of_range_is_named_with_reason_and_remedy(changes: dict[str, Any], begin: str) -> None:
    (fault,) = _faults(**changes)
    assert fault.startswith(begin)
    assert fault.endswith(".")


def test_all_faults_are_said_at_once() -> None:
    faults = _faults(
        namespace="prod", notebook_name="Lab", custom_image="lab", packages_to_verify=["class"], timeout_command=1
    )
    paths = ["namespace", "notebook_name", "custom_image", "custom_image", "packages_to_verify[0]", "timeout_command"]
    assert [fault.split(" ")[0] for fault in faults] == paths


def test_a_password_in_an_image_is_not_shown() -> None:
    assert "s3cret" not in "".join(_faults(custom_image="https://alice:s3cret@registry.example.com/lab:1"))
    assert "s3cret" not in "".join(_faults(custom_image="alice:s3cret@registry.example.com/lab:1"))
