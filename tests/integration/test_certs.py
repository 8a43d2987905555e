"""Certificates on a real API server: made, agreed on, rotated and mended while reviews go on."""

import asyncio
import base64
import contextlib
import datetime
import os
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509

from certs.authority import (
    CA_RENEWED_BEFORE,
    CA_VALID,
    LEAF_RENEWED_BEFORE,
    LEAF_VALID,
    OVERLAP,
    Decision,
    Material,
    renew,
    service_hosts,
)
from certs.rotate import utc_now
from certs.store import read_material, write_material
from tests.integration.standin_objects import ROOT, until
from tests.integration.webhook_installation import (
    NAME,
    SECRET,
    Installation,
    kaspr_app_of,
    trusting,
)
from webhook.server import Server
from wheelwarden.kube import KASPRAPPS, VALIDATING_WEBHOOKS, Cluster
from wheelwarden.rules.policy_watcher import PolicyFile


class Time:
    """The clock and the sleep of a server: rounds of the rotation happen when the test says so."""

    def __init__(self) -> None:
        self.offset = datetime.timedelta()
        self._round = asyncio.Event()

    def now(self) -> datetime.datetime:
        return utc_now() + self.offset

    async def sleep(self, seconds: float) -> None:
        if seconds > 60:
            await self._round.wait()
            self._round.clear()
        else:
            await asyncio.sleep(min(seconds, 1.0))

    def start_round(self) -> None:
        self._round.set()


class Stream:
    """Reviews without a pause: through the API server, and over new connections that trust what it is told to trust.

    Every failure of either fails the test: a registration that fails closed turns it into a refused object.
    """

    def __init__(self, installation: Installation, namespace: str, port: int) -> None:
        self._installation = installation
        self._namespace = namespace
        self._port = port
        self.created = 0
        self.handshakes = 0
        self.issuers: list[str] = []

    @contextlib.asynccontextmanager
    async def flowing(self) -> AsyncIterator["Stream"]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._create()) for _ in range(2)] + [group.create_task(self._connect())]
            try:
                yield self
            finally:
                for task in tasks:
                    task.cancel()

    async def go_on(self) -> None:
        """Waits until each kind of request was answered some more times."""
        created, handshakes = self.created, self.handshakes
        async with asyncio.timeout(60):
            while self.created < created + 20 or self.handshakes < handshakes + 5:
                await asyncio.sleep(0.01)

    async def wait_for_issuers(self, count: int) -> None:
        async with asyncio.timeout(60):
            while len(self.issuers) < count:
                await asyncio.sleep(0.01)

    async def _create(self) -> None:
        body = kaspr_app_of("", ["six==1.16.0"])
        body["metadata"] = {"generateName": "flow-"}
        while True:
            await self._installation.cluster.create(KASPRAPPS, body, self._namespace)
            self.created += 1

    async def _connect(self) -> None:
        while True:
            # The two registrations are patched one after the other: for a moment they may differ, and each must do.
            for bundle in await self._installation.bundles():
                leaf = await leaf_of(self._port, bundle)
                name = leaf.issuer.rfc4514_string()
                if name not in self.issuers[-1:]:
                    self.issuers.append(name)
                self.handshakes += 1


async def leaf_of(port: int, bundle: str) -> x509.Certificate:
    """The certificate that is served to a new connection of a client that trusts `bundle`."""
    _, writer = await asyncio.open_connection("localhost", port, ssl=trusting(bundle))
    try:
        found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    finally:
        writer.close()
        await writer.wait_closed()
    return x509.load_der_x509_certificate(found)


@contextlib.asynccontextmanager
async def serving(installation: Installation, time: Time) -> AsyncIterator[Server]:
    """A webhook inside the test, with the chart's rights, called by the API server."""
    settings = installation.settings()
    stop = asyncio.Event()
    async with await Cluster.connect(kubeconfig=settings.kubeconfig, field_manager="wheelwarden-webhook") as cluster:
        server = Server(settings, cluster, PolicyFile(None), now=time.now, sleep=time.sleep)
        running = asyncio.create_task(server.run(stop))

        async def is_listening() -> bool:
            if running.done():
                running.result()
            return bool(server.addresses)

        await until(is_listening)
        await installation.point_to(server.addresses[0][1])
        await installation.wait_for_call()
        try:
            yield server
        finally:
            stop.set()
            await running


@contextlib.asynccontextmanager
async def flowing(installation: Installation, namespace: str, time: Time) -> AsyncIterator[tuple[Stream, int]]:
    """A webhook inside the test and a stream of reviews through it; with its port."""
    async with serving(installation, time) as server:
        port = server.addresses[0][1]
        async with Stream(installation, namespace, port).flowing() as stream:
            yield stream, port


async def seed(installation: Installation, *, ca_age: datetime.timedelta, leaf_age: datetime.timedelta) -> Material:
    """Material in the Secret as if it had been made some time ago."""
    hosts = service_hosts("localhost", installation.home)
    old = renew(Material(), Decision.RENEW_CA, hosts, utc_now() - ca_age)
    material = renew(old, Decision.RENEW_LEAF, hosts, utc_now() - leaf_age)
    data = {key: base64.b64decode(value) for key, value in write_material(material).items()}
    await installation.write_secret(data)
    return material


async def material_of(installation: Installation) -> Material:
    data = await installation.secret()
    return read_material({"data": {key: base64.b64encode(value).decode() for key, value in data.items()}})


async def test_a_leaf_that_nears_its_end_is_renewed_without_a_failed_request(
    installation: Installation, shop: str
) -> None:
    old = await seed(
        installation, ca_age=datetime.timedelta(days=300), leaf_age=LEAF_VALID - LEAF_RENEWED_BEFORE - OVERLAP
    )
    time = Time()
    async with flowing(installation, shop, time) as (stream, port):
        await stream.go_on()
        [bundle] = await installation.bundles()
        before = await leaf_of(port, bundle)
        time.offset = OVERLAP * 2
        time.start_round()

        async def is_renewed() -> bool:
            return (await leaf_of(port, bundle)) != before

        await until(is_renewed)
        await stream.go_on()
    renewed = await material_of(installation)
    assert (renewed.ca_bundle, renewed.ca_key) == (old.ca_bundle, old.ca_key)
    assert renewed.certificate != old.certificate


async def test_an_authority_that_nears_its_end_is_rotated_without_a_failed_request(
    installation: Installation, shop: str
) -> None:
    old = await seed(installation, ca_age=CA_VALID - CA_RENEWED_BEFORE - OVERLAP, leaf_age=datetime.timedelta(days=1))
    time = Time()
    async with flowing(installation, shop, time) as (stream, _):
        await stream.go_on()
        time.offset = OVERLAP * 2
        time.start_round()

        async def both_are_trusted() -> bool:
            bundles = await installation.bundles()
            return {bundle.count("BEGIN CERTIFICATE") for bundle in bundles} == {2}

        await until(both_are_trusted)
        await stream.go_on()
        assert len(stream.issuers) == 1
        time.offset = OVERLAP * 4
        time.start_round()
        await stream.wait_for_issuers(2)
        await stream.go_on()
        assert len(stream.issuers) == 2
    renewed = await material_of(installation)
    assert renewed.ca_bundle.endswith(old.ca_bundle)


async def test_a_secret_broken_by_hand_is_mended_without_a_failed_request(
    installation: Installation, shop: str
) -> None:
    time = Time()
    async with flowing(installation, shop, time) as (stream, _):
        await stream.go_on()
        await installation.write_secret({"tls.crt": b"junk", "ca.crt": b"-----BEGIN CERTIFICATE-----\n"})
        time.start_round()
        await stream.wait_for_issuers(2)
        await stream.go_on()
    assert (await installation.secret())["tls.crt"].startswith(b"-----BEGIN CERTIFICATE-----")


async def test_a_caBundle_that_somebody_removed_is_put_back(installation: Installation) -> None:  # noqa: N802 - its name
    time = Time()
    async with serving(installation, time):
        before = await installation.bundles()
        patch = [{"op": "remove", "path": "/webhooks/0/clientConfig/caBundle"}]
        await installation.cluster.patch(VALIDATING_WEBHOOKS, NAME, patch, style="json")
        time.start_round()

        async def is_back() -> bool:
            return await installation.bundles() == before

        await until(is_back)


async def test_two_replicas_that_start_at_once_agree_on_one_authority(
    installation: Installation, shop: str, tmp_path: Path
) -> None:
    with installation.process(tmp_path) as one, installation.process(tmp_path) as other:
        await installation.point_to(one.port)
        await until(one.is_ready)
        await until(other.is_ready)
        [bundle] = await installation.bundles()
        assert bundle.encode() == (await installation.secret())["ca.crt"]
        assert bundle.count("BEGIN CERTIFICATE") == 1
        assert await leaf_of(one.port, bundle) == await leaf_of(other.port, bundle)
        for process in (one, other):
            await installation.point_to(process.port)
            await installation.wait_for_call()
            body = kaspr_app_of(f"orders-{process.port}", ["six==1.16.0"])
            await installation.cluster.create(KASPRAPPS, body, shop)


async def test_the_certificate_is_for_the_names_of_the_service(installation: Installation, tmp_path: Path) -> None:
    async with installation.running(tmp_path) as process:
        [bundle] = await installation.bundles()
        leaf = await leaf_of(process.port, bundle)
        extension = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        home = installation.home
        assert extension.value.get_values_for_type(x509.DNSName) == [
            f"localhost.{home}.svc",
            f"localhost.{home}.svc.cluster.local",
            f"localhost.{home}",
            "localhost",
        ]
        stranger = renew(Material(), Decision.RENEW_CA, ["localhost"], utc_now())
        with pytest.raises(ssl.SSLCertVerificationError):
            await leaf_of(process.port, stranger.ca_bundle.decode())


async def test_an_admin_can_look_after_the_certificates_by_hand(installation: Installation) -> None:
    async def run(*options: str) -> tuple[int, list[str], str]:
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "certs", *options],
            cwd=ROOT,
            env={**os.environ, **installation.environment},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert "PRIVATE" not in done.stdout + done.stderr
        return done.returncode, done.stdout.splitlines(), done.stderr

    code, lines, _ = await run("--secret", SECRET, "--registration", NAME)
    assert (code, lines[0], lines[3:]) == (
        0,
        "done: renew the CA (the Secret has no certificates yet)",
        ["caBundle filled in: ValidatingWebhookConfiguration", "caBundle filled in: MutatingWebhookConfiguration"],
    )
    code, lines, _ = await run()
    assert (code, lines[0].split(" (")[0], len(lines)) == (0, "done: keep", 3)
    code, lines, error = await run("--secret", "elsewhere")
    assert (code, lines) == (1, [])
    assert error.startswith("wheelwarden-certs: secrets")
