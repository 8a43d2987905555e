"""What people read when an installation fails: for each class the reason, the text with its remedy, and where it stands."""

import json

import pytest

from controller.plan import packages_condition
from controller.state import Installer, parse_result
from controller.status import package_status
from controller.summary import sum_up
from tests.unit.controller.test_plan import SIX, pod
from wheelwarden.api import names
from wheelwarden.api.conditions import FALSE, REASON_OF_ERROR, Condition
from wheelwarden.payload.install.errors import ADVICE

TEXTS = {
    "network": (
        "NetworkError",
        "Cannot reach package index. Check network connectivity and firewall rules.",
    ),
    "package_not_found": (
        "PackageNotFound",
        "Package not found in index. Verify package name and version.",
    ),
    "hash_mismatch": (
        "HashMismatch",
        "Package integrity check failed. Package may be corrupted.",
    ),
    "authentication": (
        "AuthenticationFailed",
        "Authentication failed. Check credentials in referenced Secret.",
    ),
    "timeout": (
        "InstallTimeout",
        "Installation timed out. Consider increasing installPolicy.timeout.",
    ),
    "disk_full": (
        "DiskFull",
        "The package volume is full. Increase cache.size.",
    ),
    "build_failed": (
        "BuildFailed",
        (
            "A package could not be built from source. Choose a version that has a wheel, or an image with the build tools "
            "it needs."
        ),
    ),
    "python_incompatible": (
        "PythonIncompatible",
        "No version of a package fits the image's Python or platform. Choose another version or image.",
    ),
    "git_missing": (
        "GitMissing",
        "The image has no git, which a git+ requirement needs. Use an image that has git, or a package from an index.",
    ),
    "unknown": ("InstallFailed", "See pod logs for details"),
}
CAUSE = "six 99 was asked for."


def test_every_class_has_its_text_and_its_reason() -> None:
    assert {name: text for name, (_, text) in TEXTS.items()} == ADVICE
    assert {name: reason for name, (reason, _) in TEXTS.items() if name != "unknown"} == REASON_OF_ERROR


@pytest.mark.parametrize("error", TEXTS)
def test_the_text_stands_in_pod_app_and_status(error: str) -> None:
    reason, advice = TEXTS[error]
    text = f"{advice} {CAUSE}"
    word: dict[str, object] = {
        "outcome": "failed", "hash": SIX.packages_hash, "installed": [], "installedAt": None, "installedBy": None,
        "installSeconds": 0, "attempts": 3, "warnings": [], "usage": None, "error": {"class": error, "message": text},
    }  # fmt: skip
    stuck = pod(
        ready=False, installer=Installer(phase="waiting", exit_code=1, result=parse_result(json.dumps(word)))
    )  # fmt: skip
    on_pod = packages_condition(SIX, stuck, None)
    assert on_pod == Condition(type=names.PACKAGES_INSTALLED, status=FALSE, reason=reason, message=text)
    on_app = sum_up(names.PACKAGES_INSTALLED, [("demo-app-0", on_pod)], 1)
    assert (on_app.reason, on_app.message) == (reason, f"demo-app-0: {text} 0 of 1 pods have their packages.")
    status = package_status(SIX, [stuck], on_app, None)
    assert status is not None
    assert (status["state"], status["error"], status["errorType"]) == ("Failed", text, error)
