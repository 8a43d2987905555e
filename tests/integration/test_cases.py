"""The case table through the webhook: over TLS, word for word as the rules; and by a real API server that calls it."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import aiohttp
import pytest

from tests.cases import Case, count_specs, load_cases
from tests.integration.standin_objects import until
from tests.integration.webhook_installation import Installation, trusting
from webhook.server import Server
from wheelwarden.api.errors import KubeError
from wheelwarden.api.kinds import KASPR_APP, kind_of
from wheelwarden.api.objects import Object
from wheelwarden.api.violations import Action
from wheelwarden.kube import KASPRAPPS, NOTEBOOKS, Cluster
from wheelwarden.kube.transport import MESSAGE_LIMIT
from wheelwarden.rules import judge_object
from wheelwarden.rules.policy import DEFAULT, Policy
from wheelwarden.rules.policy_file import parse_policy
from wheelwarden.rules.policy_watcher import PolicyFile

# What the CRDs' own schemas say before anybody else, or drop without a word.
OF_THE_SCHEMA = {
    "KasprApp": frozenset({"shape-type", "shape-missing", "shape-unknown-field"}),
    "Notebook": frozenset({"packages-misplaced"}),
}


class HeldPolicy(PolicyFile):
    """A policy that the test changes."""

    held: Policy = DEFAULT

    def current(self) -> Policy:
        return self.held


@dataclass(frozen=True, kw_only=True)
class Door:
    """A running webhook and its policy."""

    server: Server
    policy: HeldPolicy
    bundle: str

    @property
    def url(self) -> str:
        return f"https://localhost:{self.server.addresses[0][1]}/validate"


@pytest.fixture
async def door(installation: Installation) -> AsyncIterator[Door]:
    settings, policy, stop = installation.settings(), HeldPolicy(None), asyncio.Event()
    async with await Cluster.connect(kubeconfig=settings.kubeconfig, field_manager="wheelwarden-webhook") as cluster:
        server = Server(settings, cluster, policy)
        running = asyncio.create_task(server.run(stop))

        async def is_listening() -> bool:
            if running.done():
                running.result()
            return bool(server.addresses)

        await until(is_listening)
        await installation.point_to(server.addresses[0][1])
        await installation.wait_for_call()
        [bundle] = await installation.bundles()
        yield Door(server=server, policy=policy, bundle=bundle)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def by_policy(cases: list[Case]) -> Iterator[tuple[Policy, list[Case]]]:
    def policy_text(case: Case) -> str:
        return json.dumps(case.policy_data, sort_keys=True)

    for text, group in groupby(sorted(cases, key=policy_text), key=policy_text):
        yield parse_policy(json.loads(text)), list(group)


def review_of(case: Case) -> Object:
    group, _, version = case.obj["apiVersion"].rpartition("/")
    request = {
        "uid": "u",
        "kind": {"group": group, "version": version, "kind": case.obj["kind"]},
        "operation": "CREATE" if case.old is None else "UPDATE",
        "namespace": "shop",
        "name": "n",
        "object": case.obj,
        "oldObject": case.old,
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


def test_the_table_is_as_large_as_promised() -> None:
    assert count_specs() >= 300


async def test_the_webhook_says_over_tls_what_the_rules_say(door: Door) -> None:
    wrong = []
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting(door.bundle))) as session:
        for policy, cases in by_policy(load_cases()):
            door.policy.held = policy
            for case in cases:
                async with session.post(door.url, json=review_of(case)) as answer:
                    response = (await answer.json())["response"]
                violations = judge_object(case.obj, policy=policy, old=case.old)
                lines = response.get("status", {}).get("message", "").splitlines()[1:]
                said = [re.sub(r"^  [0-9]+\. ", "", line) for line in lines] + response.get("warnings", [])
                expected = [
                    one.message for action in (Action.DENY, Action.WARN) for one in violations if one.action is action
                ]
                if (response["allowed"], said) != (not case.denied, expected):
                    wrong.append((case.id, response, expected))
    assert wrong == []


def fits_an_api_server(case: Case) -> bool:
    """Objects that only a file can hold are left out, and updates whose beginning would be refused."""
    metadata = case.obj.get("metadata", {})
    annotations = metadata.get("annotations") or {} if isinstance(metadata, dict) else None
    return (
        kind_of(case.obj["apiVersion"], case.obj["kind"]) is not None
        and isinstance(annotations, dict)
        and all(isinstance(value, str) for value in annotations.values())
        and "deletionTimestamp" not in metadata
        and not (case.old and any(one.action is Action.DENY for one in judge_object(case.old, policy=case.policy)))
    )


async def test_a_real_api_server_admits_and_refuses_as_the_table_says(door: Door, cluster: Cluster, shop: str) -> None:
    wrong = []
    for policy, cases in by_policy([case for case in load_cases() if fits_an_api_server(case)]):
        for case in cases:
            # Cases name their namespaces, and a policy may go by them.
            given = case.obj.get("metadata", {}).get("namespace", shop)
            overrides = tuple(_moved(override, given, shop) for override in policy.overrides)
            door.policy.held = Policy(
                **{field: getattr(policy, field) for field in Policy.__dataclass_fields__ if field != "overrides"},
                overrides=overrides,
            )
            message = await refusal(cluster, case, shop)
            denied = {rule for action, rule, _ in case.expected if action == "deny"}
            if denied and denied <= OF_THE_SCHEMA[case.obj["kind"]]:
                continue
            if (not denied and re.search("in body should|Unsupported value", message)) or "in body must" in message:
                continue  # the operator's CRD asks for more than we do
            paths = [path for action, _, path in case.expected if action == "deny"]
            # Our client keeps the beginning of a message; the whole of it is compared above.
            whole = "denied the request" in message and len(message) < MESSAGE_LIMIT
            named = all(path in message for path in paths) or not whole
            if bool(message) != bool(denied) or not named:
                wrong.append((case.id, message, paths))
    assert [str(one)[:300] for one in wrong] == []


def _moved(override: Any, given: str, shop: str) -> Any:
    """An override with the test's namespace in the place of the case's."""
    if override.namespaces and override.fits(given, override.labels):
        return type(override)(
            namespaces=(shop,), labels=override.labels, actions=override.actions, settings=override.settings
        )
    return override


async def refusal(cluster: Cluster, case: Case, namespace: str) -> str:
    """Why the API server refuses it, empty where it does not."""
    resource = KASPRAPPS if case.obj["kind"] == KASPR_APP.name else NOTEBOOKS
    body = placed(case.obj, namespace)
    try:
        if case.old is not None:
            made = await cluster.create(resource, placed(case.old, namespace), namespace)
            body["metadata"]["resourceVersion"] = made["metadata"]["resourceVersion"]
            await cluster.replace(resource, body, namespace)
        else:
            await cluster.create(resource, body, namespace)
    except KubeError as error:
        return error.message
    finally:
        with contextlib.suppress(KubeError):  # it was refused
            await cluster.delete(resource, body["metadata"]["name"], namespace)
    return ""


def placed(obj: Any, namespace: str) -> Object:
    """The object in the test's namespace, with what its CRD wants."""
    metadata = {"name": "probe", **obj.get("metadata", {}), "namespace": namespace}
    spec = obj.get("spec") or {}
    if obj["kind"] != KASPR_APP.name and "template" not in spec:
        spec = {**spec, "template": {"spec": {"containers": [{"name": "probe", "image": "i"}]}}}
    if obj["kind"] == KASPR_APP.name:
        needed = {"bootstrapServers": "kafka.example.com:9092", "authentication": {"type": "plain"}, "replicas": 1}
        storage = {"type": "ephemeral", "class": "standard", "size": "1Gi"}
        spec = {**needed, "storage": storage, **spec}
    return {**obj, "apiVersion": api_version(obj), "metadata": metadata, "spec": spec}


def api_version(obj: Any) -> str:
    """Our client writes in the version that it reads; every served version is converted by the API server alike."""
    kind = kind_of(obj["apiVersion"], obj["kind"])
    assert kind is not None
    return kind.api_version
