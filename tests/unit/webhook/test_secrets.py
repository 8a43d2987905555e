"""The Secret that credentials name: looked at where the policy says so, judged by the names of its keys."""

import asyncio
from typing import Any

import pytest

from tests.unit.webhook.test_endpoints import Objects, app, review
from webhook import secrets
from webhook.endpoints import Validation
from wheelwarden.api.errors import Forbidden, NotFound
from wheelwarden.api.kinds import KINDS
from wheelwarden.rules.policy_file import parse_policy

OFF_HERE = {"overrides": [{"namespaces": ["shop"], "rules": {"secret-missing": "off"}}]}
ON = parse_policy({"rules": {"secret-missing": "deny"}})
CREDENTIALS = {"secretRef": {"name": "pypi", "usernameKey": "user", "passwordKey": "token"}}
PRIVATE = {"indexUrl": "https://packages.example.com/simple", "credentials": CREDENTIALS}
BASE = "spec.pythonPackages.credentials.secretRef"


async def ask(objects: Objects, policy: Any = ON, **spec: Any) -> tuple[str, Any]:
    judged = review(group="kaspr.io", version="v1alpha1", kind="KasprApp", name="orders", obj=app(**spec))
    answer = await Validation(objects, policy=lambda: policy, kinds=KINDS).answer(judged)
    return answer.outcome, answer.document["response"]


@pytest.mark.parametrize(
    "data", [{"user": "YQ==", "token": "c2VjcmV0"}, {"netrc": "bWFjaGluZQ=="}], ids=["user and password", "netrc"]
)
async def test_a_secret_with_the_keys_is_admitted(data: dict[str, str]) -> None:
    objects = Objects({"data": data})
    assert (await ask(objects, **PRIVATE))[0] == "allowed"
    assert objects.asked == [("/api/v1/namespaces/shop/secrets", "pypi", "shop")]


async def test_a_secret_that_is_not_there_is_refused_with_what_it_needs() -> None:
    outcome, response = await ask(Objects(NotFound(404, "NotFound", "no")), **PRIVATE)
    assert outcome == "denied"
    assert response["status"]["message"].splitlines()[1] == (
        f'  1. {BASE}.name "pypi": there is no such Secret in the namespace. '
        "Create it first, with the keys user and token. [secret-missing]"
    )


async def test_missing_keys_are_named_beside_those_that_are_there_and_no_value_is_shown() -> None:
    outcome, response = await ask(Objects({"data": {"user": "YQ==", "password": "c2VjcmV0"}}), **PRIVATE)
    message = response["status"]["message"]
    assert outcome == "denied"
    assert f'{BASE}.passwordKey "token": the Secret pypi has no such key; its keys: password, user.' in message
    assert "c2VjcmV0" not in message
    assert "secret\n" not in message


@pytest.mark.parametrize(
    ("policy", "spec"),
    [
        ({}, PRIVATE),
        ({"rules": {"secret-missing": "deny"}}, {}),
        ({"rules": {"secret-missing": "deny"}, **OFF_HERE}, PRIVATE),
    ],
    ids=["off by default", "no credentials", "off in this namespace"],
)  # fmt: skip
async def test_nobody_looks_where_nothing_is_to_be_known(policy: dict[str, Any], spec: dict[str, Any]) -> None:
    objects = Objects(NotFound(404, "NotFound", "no"))
    assert (await ask(objects, parse_policy(policy), **spec))[0] == "allowed"
    assert objects.asked == []


async def test_a_secret_that_may_not_be_read_is_a_warning_and_no_refusal() -> None:
    outcome, response = await ask(Objects(Forbidden(403, "Forbidden", "secrets is forbidden")), **PRIVATE)
    assert (outcome, response["allowed"]) == ("warned", True)
    assert response["warnings"] == ["Wheelwarden could not check the Secret pypi; it is admitted unchecked"]


async def test_an_api_server_that_does_not_answer_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "TIMEOUT_SECONDS", 0.01)
    async with asyncio.timeout(10):
        outcome, _ = await ask(Objects(None), **PRIVATE)
    assert outcome == "warned"
