"""Stores the certificates in the Secret, and the CAs in the caBundle of our two webhook configurations.

Several replicas do this at the same time. The Secret is replaced only if it has not changed since it was read, so all
replicas agree on one CA. A webhook configuration always gets the whole bundle of the Secret.
"""

import base64
import binascii
import datetime
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from certs.authority import Decision, Material, decide, renew
from wheelwarden.api import names
from wheelwarden.api.errors import Conflict, Invalid, NotFound
from wheelwarden.api.objects import Object
from wheelwarden.kube import MUTATING_WEBHOOKS, SECRETS, VALIDATING_WEBHOOKS, Cluster, Resource

LOGGER = logging.getLogger(__name__)
ATTEMPTS: Final = 5
# Keys of the Secret; the first three are the same as in TLS Secrets of Kubernetes and cert-manager.
CERTIFICATE_KEY: Final = "tls.crt"
PRIVATE_KEY: Final = "tls.key"
CA_KEY: Final = "ca.crt"
CA_PRIVATE_KEY: Final = "ca.key"


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Names in the cluster: the Secret and its namespace, and both webhook configurations, which have the same name."""

    namespace: str
    secret: str
    registration: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Ensured:
    """The result of one round.

    Attributes:
        material: the certificates and keys to use.
        decision: what was done with the Secret.
        reason: the reason for the decision.
        patched: the kinds of the webhook configurations whose caBundle was filled in.
        missing: the kinds of the webhook configurations that do not exist.
    """

    material: Material
    decision: Decision
    reason: str
    patched: tuple[str, ...]
    missing: tuple[str, ...]


class CertificateStore:
    """Renews the Secret and keeps the webhook configurations up to date with it.

    Args:
        cluster: the client.
        place: the names of the objects.
        hosts: the host names for the certificate.
        now: the clock, timezone-aware.
    """

    def __init__(
        self, cluster: Cluster, place: Place, hosts: Sequence[str], now: Callable[[], datetime.datetime]
    ) -> None:
        self._cluster = cluster
        self._place = place
        self._hosts = tuple(hosts)
        self._now = now
        self._last_bundle = b""

    async def ensure(self) -> Ensured:
        """Renew what is due, then update the webhook configurations, and return what to serve from now on.

        Raises:
            NotFound: the Secret does not exist; the chart creates it, empty.
            KubeError: the API server refused.
        """
        material, decision, reason = await self._ensure_secret()
        self._last_bundle = material.ca_bundle
        outcomes = {
            resource.kind: await self._ensure_registration(resource, material)
            for resource in (VALIDATING_WEBHOOKS, MUTATING_WEBHOOKS)
        }
        return Ensured(
            material=material,
            decision=decision,
            reason=reason,
            patched=tuple(kind for kind, patched in outcomes.items() if patched),
            missing=tuple(kind for kind, patched in outcomes.items() if patched is None),
        )

    async def _ensure_secret(self) -> tuple[Material, Decision, str]:
        where = f"Secret {self._place.namespace}/{self._place.secret}"
        for _ in range(ATTEMPTS):
            try:
                secret = await self._cluster.get(SECRETS, self._place.secret, self._place.namespace)
            except NotFound as error:
                raise NotFound(
                    404, error.reason, f"{where} does not exist; the chart creates it: run helm upgrade again"
                ) from error
            material = read_material(secret)
            decision, reason = decide(material, self._hosts, self._now())
            if decision is Decision.KEEP:
                return material, decision, reason
            fresh = renew(material, decision, self._hosts, self._now(), trusted=self._last_bundle)
            secret["data"] = (secret.get("data") or {}) | write_material(fresh)
            try:
                await self._cluster.replace(SECRETS, secret, self._place.namespace)
            except Conflict:
                continue  # another replica was faster; use its certificates
            LOGGER.warning("%s: %s, because %s", where, decision, reason)
            return fresh, decision, reason
        raise Conflict(409, "Conflict", f"{where} was changed by others during each of {ATTEMPTS} attempts")

    async def _ensure_registration(self, resource: Resource, material: Material) -> bool | None:
        """Update one webhook configuration. Return whether it was patched, None if it does not exist."""
        name = self._place.registration
        bundle = base64.b64encode(material.ca_bundle).decode()
        for attempt in range(1, ATTEMPTS + 1):
            try:
                registration = await self._cluster.get(resource, name)
            except NotFound:
                LOGGER.warning("%s %s does not exist: the API server does not call the webhook", resource.kind, name)
                return None
            patch = bundle_patch(registration, bundle)
            if not patch:
                return False
            try:
                await self._cluster.patch(resource, name, patch, style="json")
            except (Conflict, Invalid):
                if attempt == ATTEMPTS:
                    raise
                continue  # somebody changed the list of webhooks since it was read
            except NotFound:
                continue
            break
        LOGGER.info("%s %s: caBundle filled in", resource.kind, name)
        return True


def bundle_patch(registration: Object, bundle: str) -> list[Object]:
    """A JSON patch that sets the caBundle of each of our webhooks that lacks it, each with a test of the webhook's name."""
    operations: list[Object] = []
    for index, webhook in enumerate(registration.get("webhooks") or []):
        ours = webhook["name"].endswith(f".{names.DOMAIN}")
        if ours and webhook["clientConfig"].get("caBundle") != bundle:
            operations += [
                {"op": "test", "path": f"/webhooks/{index}/name", "value": webhook["name"]},
                {"op": "add", "path": f"/webhooks/{index}/clientConfig/caBundle", "value": bundle},
            ]
    return operations


def read_material(secret: Object) -> Material:
    """Parse a Secret. A value that is missing or not valid base64 is empty."""
    data = secret.get("data") or {}
    return Material(
        ca_bundle=_decoded(data.get(CA_KEY)),
        ca_key=_decoded(data.get(CA_PRIVATE_KEY)),
        certificate=_decoded(data.get(CERTIFICATE_KEY)),
        key=_decoded(data.get(PRIVATE_KEY)),
    )


def write_material(material: Material) -> dict[str, str]:
    """The `data` of the Secret."""
    fields = {
        CA_KEY: material.ca_bundle,
        CA_PRIVATE_KEY: material.ca_key,
        CERTIFICATE_KEY: material.certificate,
        PRIVATE_KEY: material.key,
    }
    return {name: base64.b64encode(value).decode() for name, value in fields.items()}


def _decoded(value: object) -> bytes:
    try:
        return base64.b64decode(value, validate=True) if isinstance(value, str) else b""
    except binascii.Error:
        return b""
