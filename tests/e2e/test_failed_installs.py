"""Installations that fail on a real node, of either kind: told with what to do, and healed by a mend alone."""

import re

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
from tests.messages import read_message

pytestmark = pytest.mark.parametrize("kind", KINDS)


def test_a_package_that_is_nowhere_is_reported_and_its_mend_heals(
    workspace: Workspace, indexes: Indexes, kind: str
) -> None:
    workspace.apply(workspace.workload(kind, "typo", packages(indexes.open_url, "this-package-does-not-exist-12345")))
    failed = workspace.wait_condition(kind, "typo", PACKAGES_INSTALLED, "False", "PackageNotFound")
    assert "this-package-does-not-exist-12345" in failed["message"]
    stuck = workspace.get("pod", first_pod(kind, "typo"))
    assert stuck["status"]["phase"] == "Pending"
    # The termination message begins with a sentence: this is what people see of it, in `describe` and in an operator's status.
    name = "this-package-does-not-exist-12345"
    sentence = (
        f"Package not found in index. Verify package name and version. Because {name} was not found in the package registry "
        f"and you require {name}, we can conclude that your requirements are unsatisfiable."
    )
    assert sentence in failed["message"]
    shown = workspace.kubectl("describe", "pod", stuck["metadata"]["name"])
    facts = r"Error class: package_not_found\. Attempts: 1\. Packages hash: [0-9a-f]+\. Volume: [\d.]+ [KMGT]iB, .* available\."
    assert re.search(rf"^ +Message: +{re.escape(sentence)}\n *{facts}$", shown, re.MULTILINE), shown
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


def test_an_image_without_git_says_so(workspace: Workspace, indexes: Indexes, kind: str) -> None:
    asked = packages(indexes.open_url, "mine @ git+https://git.example.com/mine.git@v1")
    workspace.apply(workspace.workload(kind, "nogit", asked))
    failed = workspace.wait_condition(kind, "nogit", PACKAGES_INSTALLED, "False", "GitMissing")
    assert "The image has no git, which a git+ requirement needs." in failed["message"]


def test_a_store_that_is_a_part_of_the_nodes_disk_has_no_usage(
    workspace: Workspace, indexes: Indexes, kind: str
) -> None:
    asked = packages(indexes.open_url, "six==1.16.0", cache={"enabled": False})
    workspace.apply(workspace.workload(kind, "alone", asked))
    workspace.wait_condition(kind, "alone", IMPORTS_VERIFIED, "True")
    status = workspace.get("pod", first_pod(kind, "alone"))["status"]["initContainerStatuses"]
    [result] = [
        read_message(one["state"]["terminated"]["message"]) for one in status if one["name"] == "install-packages"
    ]
    assert (result["installed"], result["usage"]) == (["six==1.16.0"], None)
    if kind == "kasprapp":
        found = workspace.get(kind, "alone")["status"]["pythonPackages"]
        assert (found["cacheMode"], "cacheUsage" in found) == ("emptyDir", False)
