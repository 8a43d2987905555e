"""A webhook that follows its policy and looks at Secrets, with the chart's own rights, on a real API server."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml

from tests.cluster.apiserver import ApiServer
from tests.integration.standin_objects import until
from tests.integration.webhook_installation import Installation, installed, kaspr_app_of
from wheelwarden.kube import EVENTS, SECRETS

PRIVATE = {
    "indexUrl": "https://packages.example.com/simple",
    "credentials": {"secretRef": {"name": "pypi", "passwordKey": "token"}},
}


@pytest.fixture
async def looking(api: ApiServer, tmp_path: Path) -> AsyncIterator[Installation]:
    """The chart with secretRef.verify=deny."""
    async with installed(api, tmp_path, {"secretRef": {"verify": "deny"}}) as made:
        yield made


async def test_a_secret_is_looked_at_by_the_names_of_its_keys(
    looking: Installation, tmp_path: Path, api: ApiServer
) -> None:
    app = kaspr_app_of("orders", ["mine==1.0"], **PRIVATE)
    secret = {
        "metadata": {"name": "pypi"},
        "data": {"username": "YQ==", "password": base64.b64encode(b"hunter2").decode()},
    }
    async with looking.running(tmp_path) as process:
        output = await looking.try_to_create(app, "default", dry_run=True)
        assert 'secretRef.name "pypi": there is no such Secret in the namespace' in output
        await looking.cluster.create(SECRETS, secret, "default")
        try:
            output = await looking.try_to_create(app, "default", dry_run=True)
            assert "the Secret pypi has no such key; its keys: password, username" in output
            await looking.cluster.patch(SECRETS, "pypi", {"data": {"token": "YQ=="}}, "default")
            output = await looking.try_to_create(app, "default", dry_run=True)
            assert output == "kasprapp.kaspr.io/orders created (server dry run)\n"
        finally:
            await looking.cluster.delete(SECRETS, "pypi", "default")
        assert "hunter2" not in output + process.log


async def test_without_the_right_nobody_is_refused_and_the_author_is_told(
    installation: Installation, tmp_path: Path
) -> None:
    # The rule is on, but the chart was told nothing of it, and gave no right.
    policy = tmp_path / "own-policy.yaml"
    policy.write_text("rules: {secret-missing: deny}\n")
    async with installation.running(tmp_path, WHEELWARDEN_POLICY_FILE=str(policy)) as process:
        app = kaspr_app_of("orders", ["mine==1.0"], **PRIVATE)
        output = await installation.try_to_create(app, "default", dry_run=True)
        assert output == (
            "Warning: Wheelwarden could not check the Secret pypi; it is admitted unchecked\n"
            "kasprapp.kaspr.io/orders created (server dry run)\n"
        )
        assert 'cannot get resource "secrets"' in process.log


async def test_a_policy_that_cannot_be_used_changes_nothing_and_is_an_event_and_a_metric(
    installation: Installation, tmp_path: Path
) -> None:
    policy = tmp_path / "own-policy.yaml"
    policy.write_text("maxPackages: 1\n")
    environment = {
        "WHEELWARDEN_POLICY_FILE": str(policy),
        "WHEELWARDEN_POD_NAME": "webhook-0",
        "WHEELWARDEN_POD_UID": "7a0c3c40-0000-4000-8000-000000000001",
    }
    async with installation.running(tmp_path, **environment) as process:
        policy.write_text("maxPackages: many\n")

        async def told(reason: str) -> bool:
            events = (await installation.cluster.list(EVENTS, installation.home)).items
            return reason in [event["reason"] for event in events if event["involvedObject"]["name"] == "webhook-0"]

        async def is_invalid() -> bool:
            return await told("PolicyInvalid")

        async def is_changed() -> bool:
            return await told("PolicyChanged")

        await until(is_invalid)
        metrics = process.get("/metrics")[1]
        assert "wheelwarden_policy_valid 0.0" in metrics
        assert 'wheelwarden_policy_reloads_total{result="failure"} 1.0' in metrics
        two = kaspr_app_of("orders", ["six", "numpy"])
        assert "packages-limit" in await installation.try_to_create(two, "default", dry_run=True)
        policy.write_text(yaml.safe_dump({"maxPackages": 2}))
        await until(is_changed)
        assert "wheelwarden_policy_valid 1.0" in process.get("/metrics")[1]
        assert await installation.try_to_create(two, "default", dry_run=True) == (
            "kasprapp.kaspr.io/orders created (server dry run)\n"
        )
