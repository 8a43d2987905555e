"""Credentials on a real node: they reach the index and nothing else."""

import base64
import urllib.parse

from tests.e2e.conftest import Indexes
from tests.e2e.workspace import IMPORTS_VERIFIED, PACKAGES_INSTALLED, Workspace, packages


def secret(name: str, **values: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": values}


def test_a_private_index_is_used_and_its_password_is_nowhere_to_be_seen(workspace: Workspace, indexes: Indexes) -> None:
    workspace.apply(secret("pypi-credentials", username=indexes.user, password=indexes.password))
    asked = packages(
        indexes.private_url, "requests", "ww-native", credentials={"secretRef": {"name": "pypi-credentials"}}
    )
    workspace.apply(workspace.app("private", asked))
    workspace.wait_condition("kasprapp", "private", IMPORTS_VERIFIED, "True")

    seen = [
        workspace.kubectl("logs", "private-app-0", "-c", "install-packages"),
        workspace.kubectl("get", "pods,kasprapps,pvc,events,statefulsets", "-o", "yaml"),
        workspace.kubectl("describe", "pods,kasprapps"),
        workspace.kubectl("exec", "-q", "private-app-0", "--", "env"),
        workspace.kubectl(
            "exec", "-q", "private-app-0", "--", "find", "/packages/", "/packages-store", "-name", "*netrc*"
        ),
        workspace.kubectl(
            "exec", "private-app-0", "--", "sh", "-c", "cat /packages/.installed-* /packages-store/*/record.json"
        ),
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
    workspace: Workspace, indexes: Indexes
) -> None:
    workspace.apply(secret("pypi-credentials", username=indexes.user, password="not-the-password"))
    asked = packages(indexes.private_url, "six", credentials={"secretRef": {"name": "pypi-credentials"}})
    workspace.apply(workspace.app("wrong", asked))
    failed = workspace.wait_condition("kasprapp", "wrong", PACKAGES_INSTALLED, "False", "AuthenticationFailed")
    assert "not-the-password" not in failed["message"]
    workspace.apply(secret("pypi-credentials", username=indexes.user, password=indexes.password))
    workspace.wait_condition("kasprapp", "wrong", IMPORTS_VERIFIED, "True")


def test_a_missing_secret_is_named(workspace: Workspace, indexes: Indexes) -> None:
    asked = packages(indexes.private_url, "six", credentials={"secretRef": {"name": "forgotten"}})
    workspace.apply(workspace.app("missing", asked))
    failed = workspace.wait_condition("kasprapp", "missing", PACKAGES_INSTALLED, "False", "AuthenticationFailed")
    assert "forgotten" in failed["message"]


def test_a_netrc_key_serves_too(workspace: Workspace, indexes: Indexes) -> None:
    host = urllib.parse.urlsplit(indexes.private_url).hostname
    escaped = indexes.password.replace("\\", "\\\\").replace('"', '\\"')
    netrc = f'machine {host}\nlogin {indexes.user}\npassword "{escaped}"\n'
    workspace.apply(secret("netrc-credentials", netrc=netrc))
    asked = packages(indexes.private_url, "six", credentials={"secretRef": {"name": "netrc-credentials"}})
    workspace.apply(workspace.app("netrc", asked))
    workspace.wait_condition("kasprapp", "netrc", IMPORTS_VERIFIED, "True")
