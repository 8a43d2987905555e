"""The Secret and the webhook configurations: replicas agree, other owners' webhooks are unchanged, no key leaks."""

import asyncio
import base64
import copy
import datetime
import json
import logging
from typing import Any

import pytest

from certs.__main__ import describe
from certs.authority import CA_RENEWED_BEFORE, OVERLAP, Decision, authority_expiry, decide, expiry, service_hosts
from certs.rotate import INTERVAL_SECONDS, SETTLE_SECONDS, Rotation, pause_seconds
from certs.store import CertificateStore, Ensured, Place, bundle_patch, read_material
from wheelwarden.api.errors import Conflict, Forbidden, Invalid, KubeError, NotFound
from wheelwarden.api.objects import Object
from wheelwarden.kube import Cluster, Resource

NOW = datetime.datetime(2026, 1, 31, 10, 30, tzinfo=datetime.UTC)
PLACE = Place(namespace="guarding", secret="guard-certificate", registration="guard")
HOSTS = service_hosts("guard", "guarding")


def webhook(name: str, bundle: str | None = None) -> Object:
    client: Object = {"service": {"name": "guard", "namespace": "guarding"}}
    return {"name": name, "clientConfig": client if bundle is None else {**client, "caBundle": bundle}}


class FakeCluster(Cluster):
    """An API server with optimistic locking; other tasks can run before a read returns."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], Object] = {
            ("Secret", "guard-certificate"): {"metadata": {"name": "guard-certificate"}, "type": "Opaque"},
            ("ValidatingWebhookConfiguration", "guard"): {"webhooks": [webhook("validate.wheelwarden.dev")]},
            ("MutatingWebhookConfiguration", "guard"): {
                "webhooks": [webhook("stranger.example.com", "bXk="), webhook("notebooks.inject.wheelwarden.dev")]
            },
        }
        for one in self.objects.values():
            one.setdefault("metadata", {})["resourceVersion"] = "1"
        self.writes: list[str] = []
        self.failures: list[KubeError] = []

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object:
        await asyncio.sleep(0)
        if self.failures:
            raise self.failures.pop()
        try:
            return copy.deepcopy(self.objects[resource.kind, name])
        except KeyError:
            raise NotFound(404, "NotFound", f"{resource.plural} {name!r} not found") from None

    async def replace(
        self, resource: Resource, body: Any, namespace: str | None = None, *, subresource: str = ""
    ) -> Object:
        assert namespace == "guarding"
        key = (resource.kind, body["metadata"]["name"])
        current = self.objects[key]["metadata"]["resourceVersion"]
        if body["metadata"]["resourceVersion"] != current:
            raise Conflict(409, "Conflict", "the object has been modified")
        self.writes.append(resource.kind)
        self.objects[key] = copy.deepcopy(body)
        self.objects[key]["metadata"]["resourceVersion"] = str(int(current) + 1)
        return self.objects[key]

    async def patch(
        self,
        resource: Resource,
        name: str,
        patch: Any,
        namespace: str | None = None,
        *,
        subresource: str = "",
        style: str = "merge",
    ) -> Object:
        assert style == "json"
        self.writes.append(resource.kind)
        target = self.objects[resource.kind, name]
        for operation in patch:
            _, _, index, *rest = operation["path"].split("/")
            hook = target["webhooks"][int(index)]
            if operation["op"] == "test":
                if hook["name"] != operation["value"]:
                    raise Invalid(422, "Invalid", "the server rejected our request due to a failed test")
            else:
                assert rest == ["clientConfig", "caBundle"]
                hook["clientConfig"]["caBundle"] = operation["value"]
        return target

    def secret(self) -> dict[str, str]:
        data: dict[str, str] = self.objects["Secret", "guard-certificate"]["data"]
        return data

    def bundles(self) -> list[str | None]:
        kinds = ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")
        hooks = [hook for kind in kinds for hook in self.objects.get((kind, "guard"), {}).get("webhooks", [])]
        return [hook["clientConfig"].get("caBundle") for hook in hooks]


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime.datetime:
        return self.now


def store(cluster: FakeCluster, clock: Clock | None = None) -> CertificateStore:
    return CertificateStore(cluster, PLACE, HOSTS, clock or Clock())


async def test_an_empty_secret_is_filled_and_only_our_webhooks_get_the_bundle() -> None:
    cluster = FakeCluster()
    ensured = await store(cluster).ensure()
    bundle = base64.b64encode(ensured.material.ca_bundle).decode()
    assert read_material(cluster.objects["Secret", "guard-certificate"]) == ensured.material
    assert sorted(cluster.secret()) == ["ca.crt", "ca.key", "tls.crt", "tls.key"]
    assert cluster.bundles() == [bundle, "bXk=", bundle]
    assert (ensured.decision, ensured.reason, ensured.patched, ensured.missing) == (
        Decision.RENEW_CA,
        "the Secret has no certificates yet",
        ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"),
        (),
    )


async def test_valid_objects_are_not_written_again() -> None:
    cluster = FakeCluster()
    first = await store(cluster).ensure()
    cluster.writes.clear()
    again = await store(cluster).ensure()
    assert cluster.writes == []
    assert again == Ensured(
        material=first.material, decision=Decision.KEEP, reason="valid until 2026-05-01", patched=(), missing=()
    )


async def test_replicas_that_start_together_agree_on_one_ca() -> None:
    cluster = FakeCluster()
    ensured = await asyncio.gather(*(store(cluster).ensure() for _ in range(4)))
    assert {one.material for one in ensured} == {read_material(cluster.objects["Secret", "guard-certificate"])}
    assert cluster.writes.count("Secret") == 1


async def test_a_secret_that_others_change_all_the_time_is_an_error() -> None:
    class Busy(FakeCluster):
        async def replace(self, *_: Any, **__: Any) -> Object:
            raise Conflict(409, "Conflict", "the object has been modified")

    with pytest.raises(Conflict, match="Secret guarding/guard-certificate was changed by others during each of 5"):
        await store(Busy()).ensure()


async def test_invalid_data_in_the_secret_is_replaced_and_reported() -> None:
    cluster = FakeCluster()
    cluster.objects["Secret", "guard-certificate"]["data"] = {"tls.crt": "%%%", "ca.crt": "anVuaw==", "more": "eA=="}
    ensured = await store(cluster).ensure()
    assert ensured.reason == "ca.crt contains no readable certificate"
    assert decide(ensured.material, HOSTS, NOW)[0] is Decision.KEEP
    assert cluster.secret()["more"] == "eA=="


async def test_lost_data_is_renewed_and_the_previous_ca_stays_trusted() -> None:
    cluster = FakeCluster()
    certificates = store(cluster)
    before = await certificates.ensure()
    cluster.objects["Secret", "guard-certificate"]["data"] = {}
    after = await certificates.ensure()
    assert after.material.ca_bundle.endswith(before.material.ca_bundle)
    assert after.material.certificate != before.material.certificate


async def test_the_error_for_a_missing_secret_says_what_creates_it() -> None:
    cluster = FakeCluster()
    del cluster.objects["Secret", "guard-certificate"]
    with pytest.raises(NotFound, match="Secret guarding/guard-certificate does not exist; the chart creates it"):
        await store(cluster).ensure()


async def test_a_missing_webhook_configuration_is_logged_and_the_other_one_patched(
    caplog: pytest.LogCaptureFixture,
) -> None:
    cluster = FakeCluster()
    del cluster.objects["ValidatingWebhookConfiguration", "guard"]
    ensured = await store(cluster).ensure()
    assert ensured.missing == ("ValidatingWebhookConfiguration",)
    assert ensured.patched == ("MutatingWebhookConfiguration",)
    assert "ValidatingWebhookConfiguration guard does not exist" in caplog.text


async def test_a_webhook_configuration_that_changes_meanwhile_is_read_again() -> None:
    cluster = FakeCluster()
    read = cluster.get
    hooks = cluster.objects["MutatingWebhookConfiguration", "guard"]["webhooks"]

    async def get_then_reorder(resource: Resource, name: str, namespace: str | None = None) -> Object:
        found = await read(resource, name, namespace)
        if resource.kind == "MutatingWebhookConfiguration" and len(hooks) == 2:
            hooks.insert(0, webhook("first.example.com"))
        return found

    cluster.get = get_then_reorder  # type: ignore[method-assign]
    ensured = await store(cluster).ensure()
    bundle = base64.b64encode(ensured.material.ca_bundle).decode()
    assert cluster.bundles() == [bundle, None, "bXk=", bundle]


def test_a_patch_tests_the_name_of_each_webhook() -> None:
    registration = {"webhooks": [webhook("a.wheelwarden.dev", "new"), webhook("b.wheelwarden.dev", "old")]}
    assert bundle_patch(registration, "new") == [
        {"op": "test", "path": "/webhooks/1/name", "value": "b.wheelwarden.dev"},
        {"op": "add", "path": "/webhooks/1/clientConfig/caBundle", "value": "new"},
    ]
    assert bundle_patch({}, "new") == []


async def test_no_key_is_logged_or_printed(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    ensured = await store(FakeCluster()).ensure()
    text = caplog.text + repr(ensured) + "\n".join(describe(ensured))
    assert "PRIVATE" not in text
    assert "Secret guarding/guard-certificate: renew the CA, because the Secret has no certificates yet" in text


async def test_the_command_reports_each_result_in_a_line() -> None:
    cluster = FakeCluster()
    del cluster.objects["MutatingWebhookConfiguration", "guard"]
    assert describe(await store(cluster).ensure()) == [
        "done: renew the CA (the Secret has no certificates yet)",
        "certificate valid until 2026-05-01 10:30 UTC",
        "CA valid until 2036-01-29 10:30 UTC",
        "caBundle filled in: ValidatingWebhookConfiguration",
        "not found: MutatingWebhookConfiguration",
    ]


class Pauses:
    """A sleep that records its arguments; after `rounds` pauses it ends the loop."""

    def __init__(self, rounds: int) -> None:
        self.rounds = rounds
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        if len(self.seconds) >= self.rounds:
            raise asyncio.CancelledError


class Server:
    """Records what is to be served, and failures."""

    def __init__(self) -> None:
        self.served: list[Ensured] = []
        self.failed = 0

    def serve(self, ensured: Ensured) -> None:
        self.served.append(ensured)

    def fail(self) -> None:
        self.failed += 1


async def run(cluster: FakeCluster, pauses: Pauses) -> Server:
    server = Server()
    rotation = Rotation(store(cluster), server.serve, failed=server.fail, sleep=pauses)
    with pytest.raises(asyncio.CancelledError):
        await rotation.run()
    return server


def is_about(seconds: float, wanted: float) -> bool:
    return wanted * 0.8 <= seconds <= wanted * 1.2


async def test_rounds_that_fail_are_retried_with_growing_pauses_until_one_succeeds() -> None:
    cluster, pauses = FakeCluster(), Pauses(4)
    cluster.failures = [Forbidden(403, "Forbidden", "secrets is forbidden") for _ in range(3)]
    server = await run(cluster, pauses)
    assert (server.failed, len(server.served)) == (3, 1)
    wanted = [1.0, 2.0, 4.0, INTERVAL_SECONDS]
    assert [is_about(*pair) for pair in zip(pauses.seconds, wanted, strict=True)] == [True] * 4


async def test_after_a_missing_webhook_configuration_the_next_round_is_soon() -> None:
    cluster, pauses = FakeCluster(), Pauses(2)
    del cluster.objects["MutatingWebhookConfiguration", "guard"]
    server = await run(cluster, pauses)
    assert (server.failed, len(server.served)) == (0, 2)
    assert [is_about(*pair) for pair in zip(pauses.seconds, [1.0, 2.0], strict=True)] == [True] * 2


def test_pauses_grow_up_to_the_interval() -> None:
    assert [pause_seconds(attempt) for attempt in (0, 1, 2, 7, 8, 10_000)] == [120.0, 1.0, 2.0, 64.0, 120.0, 120.0]


async def test_a_new_leaf_is_served_only_after_the_api_servers_had_time_to_get_the_new_bundle() -> None:
    cluster, pauses, server = FakeCluster(), Pauses(100), Server()
    rotation = Rotation(store(cluster), server.serve, failed=server.fail, sleep=pauses)
    await rotation.run_once()
    assert pauses.seconds == []
    cluster.objects["Secret", "guard-certificate"]["data"] = {}
    await rotation.run_once()
    assert pauses.seconds == [SETTLE_SECONDS]
    await rotation.run_once()
    assert pauses.seconds == [SETTLE_SECONDS]


async def test_a_ca_is_rotated_in_rounds_and_the_leaf_is_trusted_at_any_time() -> None:
    cluster, clock, server = FakeCluster(), Clock(), Server()
    rotation = Rotation(store(cluster, clock), server.serve, failed=server.fail, sleep=Pauses(100))
    first = (await rotation.run_once()).material
    clock.now = authority_expiry(first) - CA_RENEWED_BEFORE - datetime.timedelta(minutes=1)
    renewed = (await rotation.run_once()).material
    assert renewed.ca_bundle == first.ca_bundle
    assert expiry(renewed) > expiry(first)
    clock.now += datetime.timedelta(minutes=1)
    overlapping = await rotation.run_once()
    assert overlapping.material.certificate == renewed.certificate
    assert overlapping.material.ca_bundle.endswith(first.ca_bundle)
    assert json.dumps(cluster.bundles()).count(base64.b64encode(overlapping.material.ca_bundle).decode()) == 2
    clock.now += OVERLAP
    switched = await rotation.run_once()
    assert switched.material.ca_bundle == overlapping.material.ca_bundle
    assert switched.material.certificate != renewed.certificate
    assert switched.patched == ()
