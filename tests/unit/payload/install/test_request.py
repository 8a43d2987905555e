"""The request: the installer reads what the webhook writes."""

import json
from typing import Any

import pytest

from wheelwarden.payload.install.request import Credentials, InstallRequest, RequestError, read_request
from wheelwarden.payload.install.schema import VersionError

REQUEST = InstallRequest(
    hash="0123456789abcdef",
    packages=["six"],
    index_url="https://pypi.example.com/simple",
    extra_index_urls=["https://more.example.com/simple"],
    trusted_hosts=["pypi.example.com"],
    credentials=Credentials(secret="pypi-credentials", username_key="user", password_key="pass"),
    installer="uv",
    uv="/tools/uv",
    store="/store",
    view="/view",
    owners_marker="/view/.installed",
    retries=3,
    timeout_seconds=600,
    on_failure="block",
    retention_seconds=604800,
    keys_in_use=["fedcba9876543210"],
    report_usage=False,
    message_bytes=2048,
)
OBJECT: dict[str, Any] = {
    "version": 1,
    "hash": "0123456789abcdef",
    "packages": ["six"],
    "indexUrl": "https://pypi.example.com/simple",
    "extraIndexUrls": ["https://more.example.com/simple"],
    "trustedHosts": ["pypi.example.com"],
    "credentials": {"secret": "pypi-credentials", "usernameKey": "user", "passwordKey": "pass"},
    "installer": "uv",
    "uv": "/tools/uv",
    "store": "/store",
    "view": "/view",
    "ownersMarker": "/view/.installed",
    "retries": 3,
    "timeoutSeconds": 600,
    "onFailure": "block",
    "retentionSeconds": 604800,
    "keysInUse": ["fedcba9876543210"],
    "reportUsage": False,
    "messageBytes": 2048,
}


@pytest.mark.parametrize("changes", [{}, {"credentials": None, "index_url": None, "uv": None}])
def test_a_written_request_can_be_read(changes: dict[str, Any]) -> None:
    request = REQUEST._replace(**changes)
    assert read_request(json.dumps(request.as_object())) == request


def test_fields_have_camel_case_names_in_json() -> None:
    assert REQUEST.as_object() == OBJECT


def test_optional_fields_have_defaults() -> None:
    optional = ("ownersMarker", "retentionSeconds", "keysInUse", "reportUsage", "messageBytes")
    text = json.dumps({name: value for name, value in OBJECT.items() if name not in optional})
    assert read_request(text) == REQUEST._replace(
        owners_marker=None, retention_seconds=0, keys_in_use=None, report_usage=True, message_bytes=4096
    )


@pytest.mark.parametrize(
    ("version", "problem"),
    [
        (2, "has version 2"),
        (0, "has version 0"),
        ("1", "has no version"),
        (None, "has no version"),
        (True, "has version True"),
    ],
)
def test_another_version_raises_an_error_with_advice(version: object, problem: str) -> None:
    with pytest.raises(VersionError) as refused:
        read_request(json.dumps({**OBJECT, "version": version}))
    assert str(refused.value) == (
        f"The install request {problem}, but this release reads version 1. "
        "Webhook and installer must be of the same release: see tools.image."
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "The install request is not JSON: Expecting value: line 1 column 1 (char 0)."),
        ("[1]", "The install request is not a JSON object."),
        (
            json.dumps({name: value for name, value in OBJECT.items() if name != "retries"}),
            "The install request cannot be read (KeyError: 'retries').",
        ),
        (
            json.dumps({**OBJECT, "credentials": {"secret": "pypi-credentials"}}),
            "The install request cannot be read (KeyError: 'usernameKey').",
        ),
    ],
)
def test_an_unreadable_request_raises_an_error_with_the_reason(text: str, message: str) -> None:
    with pytest.raises(RequestError) as refused:
        read_request(text)
    assert str(refused.value) == message
