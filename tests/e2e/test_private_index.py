"""Credentials on a real node: they reach the index and nothing else."""

import base64
import urllib.parse

import pytest

from tests.e2e.conftest import Indexes
from tests.e2e.workspace import IMPORTS_VERIFIED, KINDS, PACKAGES_INSTALLED, Workspace, first_pod, packages

pytestmark = pytest.mark.parametrize("kind", KINDS)


def secret(name: str, **values: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": values}


def test_a_private_index_is_used_and_its_password_is_nowhere_to_be_seen(
    workspace: Workspace, indexes: Indexes, kind: str
) -> None:
    workspace.apply(secret("pypi-credentials", username=indexes.user, password=indexes.password))
    asked = packages(
        indexes.private_url, "requests", "ww-native", credentials={"secretRef": {"name": "pypi-credentials"}}
    )
    workspace.apply(workspace.workload(kind, "private", asked))
    workspace.wait_condition(kind, "private", IMPORTS_VERIFIED, "True")

    pod = first_pod(kind, "private")
    seen = [
        workspace.kubectl("logs", pod, "-c", "install-packages"),
        workspace.kubectl("get", "pods,kasprapps,notebooks,pvc,events,statefulsets", "-o", "yaml"),
        workspace.kubectl("describe", "pods,kasprapps,notebooks"),
        workspace.kubectl("exec", "-q", pod, "--", "env"),
        workspace.kubectl("exec", "-q", pod, "--", "find", "/packages/", "/packages-store", "-name", "*netrc*"),
        workspace.kubectl("exec", pod, "--", "sh", "-c", "cat /packages/.installed-* /packages-store/*/record.json"),
    ]
    forms = [
        indexes.password,
        urllib.parse.quote(indexes.password),
        base64.b64encode(indexes.password.encode()).decode(),
    ]
    for text in seen:
        for form in forms:
            assert form not in text
    assert seen[4] == ""


def test_wrong_credentials_are_said_to_be_wrong_and_a_mended_secret_heals(
    workspace: Workspace, indexes: Indexes, kind: str
) -> None:
    workspace.apply(secret("pypi-credentials", username=indexes.user, password="not-the-password"))
    asked = packages(indexes.private_url, "six", credentials={"secretRef": {"name": "pypi-credentials"}})
    workspace.apply(workspace.workload(kind, "wrong", asked))
    failed = workspace.wait_condition(kind, "wrong", PACKAGES_INSTALLED, "False", "AuthenticationFailed")
    assert "not-the-password" not in failed["message"]
    workspace.apply(secret("pypi-credentials", username=indexes.user, password=indexes.password))
    workspace.wait_condition(kind, "wrong", IMPORTS_VERIFIED, "True")


def test_a_missing_secret_is_named(workspace: Workspace, indexes: Indexes, kind: str) -> None:
    asked = packages(indexes.private_url, "six", credentials={"secretRef": {"name": "forgotten"}})
    workspace.apply(workspace.workload(kind, "missing", asked))
    failed = workspace.wait_condition(kind, "missing", PACKAGES_INSTALLED, "False", "AuthenticationFailed")
    assert "forgotten" in failed["message"]


def test_a_netrc_key_serves_too(workspace: Workspace, indexes: Indexes, kind: str) -> None:
    host = urllib.parse.urlsplit(indexes.private_url).hostname
    escaped = indexes.password.replace("\\", "\\\\").replace('"', '\\"')
    netrc = f'machine {host}\nlogin {indexes.user}\npassword "{escaped}"\n'
    workspace.apply(secret("netrc-credentials", netrc=netrc))
    asked = packages(indexes.private_url, "six", credentials={"secretRef": {"name": "netrc-credentials"}})
    workspace.apply(workspace.workload(kind, "netrc", asked))
    workspace.wait_condition(kind, "netrc", IMPORTS_VERIFIED, "True")
