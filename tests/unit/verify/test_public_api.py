"""The names that other programs import from `wheelwarden`."""

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

import wheelwarden
from wheelwarden import parse_package_string, validate_package_name, validate_packages_spec
from wheelwarden.verify.results import FAILURE_REASONS


def test_every_public_name_exists() -> None:
    assert {name: getattr(wheelwarden, name) is not None for name in wheelwarden.__all__} == dict.fromkeys(
        [
            "CommandTimeoutError",
            "ContainerCrashError",
            "ContainerNotFoundError",
            "ContainerStatus",
            "CustomImageTestConfiguration",
            "Forbidden",
            "ImagePullError",
            "KubeError",
            "NotebookResource",
            "NotebookStatus",
            "PackageVerificationResult",
            "PodDiagnosticInfo",
            "PodFailure",
            "PodFailureCategory",
            "PodNotReadyError",
            "PodReadinessTimeout",
            "PodReference",
            "ResourceNotFoundError",
            "Unreachable",
            "UnusableInput",
            "WheelwardenError",
            "__version__",
            "compute_packages_hash",
            "parse_package_string",
            "validate_package_name",
            "validate_packages_spec",
            "verify_package_import",
            "verify_package_import_async",
        ],
        True,
    )
    assert set(wheelwarden.__all__) <= set(dir(wheelwarden))


def test_states_and_failure_categories_have_the_documented_names() -> None:
    states = wheelwarden.NotebookStatus
    assert {
        name: getattr(states, name) for name in ("Created", "PodPending", "PodRunning", "Ready", "Failed", "Deleted")
    } == {
        "Created": states.CREATED,
        "PodPending": states.POD_PENDING,
        "PodRunning": states.POD_RUNNING,
        "Ready": states.READY,
        "Failed": states.FAILED,
        "Deleted": states.DELETED,
    }
    assert len(states) == 6
    notebook = wheelwarden.NotebookResource(
        name="lab", namespace="test-lab", image="registry.example.com/lab:1", pod_name="lab-0", container_name="lab",
        status=states.Ready,
    )  # fmt: skip
    assert (notebook.status, str(notebook.status)) == (states.READY, "Ready")
    assert {category.name: category.value for category in wheelwarden.PodFailureCategory} == {
        "IMAGE_PULL_ERROR": "ImagePullBackOff",
        "CRASH_LOOP": "CrashLoopBackOff",
        "INVALID_IMAGE": "InvalidImageName",
        "TIMEOUT": "TimeoutWaitingForReady",
        "RESOURCE_CONSTRAINTS": "InsufficientResources",
        "UNKNOWN": "Unknown",
    }


def test_the_exceptions_have_one_base_and_a_timeout_is_also_a_timeout_error() -> None:
    ours = [
        found for name in wheelwarden.__all__
        if isinstance(found := getattr(wheelwarden, name), type) and issubclass(found, Exception)
    ]  # fmt: skip
    assert len(ours) == 13
    assert all(issubclass(error, wheelwarden.WheelwardenError) for error in ours)
    assert issubclass(wheelwarden.CommandTimeoutError, TimeoutError)


def test_the_reasons_of_a_failure_are_a_closed_set_that_the_guide_lists() -> None:
    guide = (Path(wheelwarden.__file__).parents[1] / "docs" / "guide.md").read_text()
    table = guide.partition("## From Python")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == FAILURE_REASONS


def test_a_result_can_be_created_without_the_optional_fields() -> None:
    result = wheelwarden.PackageVerificationResult(
        package_name="a", import_successful=True, error_message=None, command_executed="python -c 'import a'",
        execution_time_seconds=0.8,
    )  # fmt: skip
    assert (result.pod_logs, result.stdout, result.stderr, result.reason, result.exception) == (
        None,
        "",
        "",
        None,
        None,
    )


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        wheelwarden.nonsense  # noqa: B018


def test_the_version_is_that_of_the_distribution() -> None:
    assert wheelwarden.__version__ == version("wheelwarden")


@pytest.mark.parametrize(
    "statement", ["import wheelwarden", "import wheelwarden.rules", "import wheelwarden.cli.check"]
)
def test_rules_and_check_load_neither_the_kubernetes_client_nor_a_server(statement: str) -> None:
    program = f"import sys; {statement}; print(*{{name.partition('.')[0] for name in sys.modules}}, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert {"kubernetes_asyncio", "aiohttp", "jsonschema", "asyncio"} & set(done.stdout.split()) == set()


@pytest.mark.parametrize(
    ("package", "expected"),
    [
        ("requests==2.31.0", True),
        ("requests>=2,<3", True),
        ("numpy==2.*", True),
        ("torch==2.0+cu118", True),
        ("requests[socks]; python_version < '3.12'", True),
        ("git+https://code.example.com/a.git@v1#egg=a", True),
        ("requests=1", False),
        ("requests!1", False),
        ("", False),
        ("a b", False),
        ("https://e.example.com/$(cmd${IFS})", False),
    ],
)
def test_package_names_are_validated_by_the_full_grammar(package: str, expected: bool) -> None:
    assert validate_package_name(package) is expected


def test_validating_a_spec_returns_every_error() -> None:
    assert validate_packages_spec({"packages": ["requests==2.31.0", "numpy"]}) == (True, [])
    assert validate_packages_spec({"packages": ["requests=1"], "installPolicy": {"timeout": 1}}) == (
        False,
        [
            'packages[0] "requests=1": a single "=" compares nothing. Did you mean requests==1? [requirement-syntax]',
            (
                'installPolicy.timeout "1": it is not between 30 and 86400 seconds. '
                "Write the seconds that one attempt may take; 600 is the default. [install-timeout]"
            ),
        ],
    )


def test_warnings_do_not_refuse_a_spec() -> None:
    assert validate_packages_spec({"packages": ["sklearn"]}) == (True, [])


def test_a_spec_that_is_not_a_mapping_is_refused() -> None:
    nonsense: Any
    for nonsense in (None, [], "requests", 5):
        valid, errors = validate_packages_spec(nonsense)
        assert (valid, len(errors)) == (False, 1)


def test_a_package_string_is_parsed() -> None:
    assert parse_package_string("Zope.Interface[test,docs] >= 5 ; python_version < '3.12'") == {
        "name": "Zope.Interface",
        "normalized_name": "zope-interface",
        "extras": ["docs", "test"],
        "specifier": ">=5",
        "operator": ">=",
        "version": "5",
        "marker": 'python_version < "3.12"',
        "url": None,
    }
    assert parse_package_string("git+ssh://git@code.example.com/team/mine.git@v1#egg=mine[fast]") == {
        "name": "mine",
        "normalized_name": "mine",
        "extras": ["fast"],
        "specifier": "",
        "operator": None,
        "version": None,
        "marker": None,
        "url": "git+ssh://git@code.example.com/team/mine.git@v1#egg=mine[fast]",
    }
    assert parse_package_string("requests>=2,<3")["specifier"] == "<3,>=2"
    assert parse_package_string("requests>=2,<3")["operator"] is None


def test_an_invalid_package_string_is_a_value_error_with_the_reason() -> None:
    with pytest.raises(ValueError, match=r'^a single "=" compares nothing\. Did you mean requests==1\?$'):
        parse_package_string("requests=1")
