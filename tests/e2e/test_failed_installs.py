"""Installations that fail on a real node, of either kind: told with what to do, and healed by a mend alone."""

import pytest

from tests.e2e.conftest import Indexes
from tests.e2e.workspace import (
    IMPORTS_VERIFIED,
    KINDS,
    PACKAGES_INSTALLED,
    Workspace,
    first_pod,
    packages,
    wait_for,
)

pytestmark = pytest.mark.parametrize("kind", KINDS)


def test_a_package_that_is_nowhere_is_reported_and_its_mend_heals(
    workspace: Workspace, indexes: Indexes, kind: str
) -> None:
    workspace.apply(workspace.workload(kind, "typo", packages(indexes.open_url, "this-package-does-not-exist-12345")))
    failed = workspace.wait_condition(kind, "typo", PACKAGES_INSTALLED, "False", "PackageNotFound")
    assert "this-package-does-not-exist-12345" in failed["message"]
    stuck = workspace.get("pod", first_pod(kind, "typo"))
    assert stuck["status"]["phase"] == "Pending"
    if kind == "kasprapp":
        status = wait_for(
            "the status says so too",
            lambda: found if (found := workspace.packages_status("typo")).get("state") == "Failed" else None,
        )
        assert status["errorType"] == "package_not_found"
    workspace.apply(workspace.workload(kind, "typo", packages(indexes.open_url, "six")))
    workspace.wait_condition(kind, "typo", IMPORTS_VERIFIED, "True")
    assert workspace.get("pod", first_pod(kind, "typo"))["metadata"]["uid"] != stuck["metadata"]["uid"]


def test_onfailure_allow_starts_the_pod_and_says_that_it_lacks_its_packages(
    workspace: Workspace, indexes: Indexes, kind: str
) -> None:
    asked = packages(indexes.open_url, "nowhere-to-be-found", installPolicy={"onFailure": "allow", "retries": 1})
    workspace.apply(workspace.workload(kind, "degraded", asked))
    failed = workspace.wait_condition(kind, "degraded", PACKAGES_INSTALLED, "False", "PackageNotFound")
    assert "runs without these packages" in failed["message"]
    wait_for(
        "the pod runs",
        lambda: True if workspace.get("pod", first_pod(kind, "degraded"))["status"]["phase"] == "Running" else None,
    )
