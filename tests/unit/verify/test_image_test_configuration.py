"""The parameters of an image test."""

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


def test_parameters_that_are_left_out_have_defaults() -> None:
    configuration = CustomImageTestConfiguration(**GOOD)
    assert (configuration.timeout_pod_ready, configuration.timeout_command) == (600, 60)
    assert configuration.auth_annotations == {}
    assert configuration.as_notebook


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
def test_values_in_range_are_accepted(changes: dict[str, Any]) -> None:
    assert _faults(**changes) == []


@pytest.mark.parametrize(
    ("changes", "begin"),
    [
        ({"namespace": "lab"}, 'namespace "lab": it must be "test-"'),
        ({"timeout_command": "60"}, 'timeout_command "60": it is not a number between 10 and 300'),
        ({"timeout_command": float("nan")}, 'timeout_command "nan": it is not a number between 10 and 300'),
        ({"user": True}, 'user "true": it is not a number between 0 and'),
        ({"packages_to_verify": iter(["os"])}, "packages_to_verify: it is a list_iterator, not a list"),
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
        ({"packages_to_verify": "json"}, 'packages_to_verify "json": it is a single string, not a list'),
        ({"packages_to_verify": ["json", "1abc"]}, 'packages_to_verify[1] "1abc"'),
        ({"packages_to_verify": ["json"] * 101}, "packages_to_verify: 101 modules are more than the limit of 100"),
        ({"timeout_pod_ready": 59}, 'timeout_pod_ready "59": it is not a number between 60 and 900'),
        ({"timeout_pod_ready": 901}, "timeout_pod_ready"),
        ({"timeout_command": 9}, 'timeout_command "9": it is not a number between 10 and 300'),
        ({"timeout_command": 301}, "timeout_command"),
        ({"port": 0}, "port"),
        ({"port": 65536}, "port"),
        ({"user": -1}, "user"),
        ({"cpu": "lots"}, 'cpu "lots": it is not a Kubernetes quantity'),
        ({"memory": "0"}, 'memory "0": it must be more than 0'),
        ({"auth_annotations": {"example.com/x": "1"}}, "auth_annotations[example.com/x]: it is not an annotation"),
        ({"auth_annotations": {"notebooks.opendatahub.io/": "1"}}, "auth_annotations["),
        ({"auth_annotations": {"notebooks.opendatahub.io/auth-sidecar-cpu-limit": "x"}}, "auth_annotations["),
        (
            {"auth_annotations": {"notebooks.opendatahub.io/inject-auth": "true"}, "as_notebook": False},
            "auth_annotations: only a Notebook gets an authentication sidecar",
        ),
    ],
)
def test_a_value_out_of_range_is_a_fault_with_reason_and_remedy(changes: dict[str, Any], begin: str) -> None:
    (fault,) = _faults(**changes)
    assert fault.startswith(begin)
    assert fault.endswith(".")


def test_all_faults_are_reported_together() -> None:
    faults = _faults(
        namespace="prod", notebook_name="Lab", custom_image="lab", packages_to_verify=["class"], timeout_command=1
    )
    paths = ["namespace", "notebook_name", "custom_image", "custom_image", "packages_to_verify[0]", "timeout_command"]
    assert [fault.split(" ")[0] for fault in faults] == paths


def test_a_password_in_an_image_is_not_shown() -> None:
    assert "s3cret" not in "".join(_faults(custom_image="https://alice:s3cret@registry.example.com/lab:1"))
    assert "s3cret" not in "".join(_faults(custom_image="alice:s3cret@registry.example.com/lab:1"))
