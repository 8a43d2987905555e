"""Certificates: our own CA, a leaf for the webhook's Service, and when each is renewed.

Pure: the caller passes the time, and new certificates and keys are returned as PEM. A CA is renewed with an overlap, so
that no client ever gets a leaf whose CA it does not trust yet:

    bundle        leaf signed by
    old           old               the CA expires soon
    new, old      old               for OVERLAP: clients learn to trust both
    new, old      new               until the old CA expires
"""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_VALID: Final = datetime.timedelta(days=3650)
LEAF_VALID: Final = datetime.timedelta(days=90)
# More than LEAF_VALID, so that a leaf never outlives its CA.
CA_RENEWED_BEFORE: Final = datetime.timedelta(days=365)
LEAF_RENEWED_BEFORE: Final = datetime.timedelta(days=30)
# Between a new CA and its first leaf: several rounds of `rotate`, so that every replica and API server knows the CA.
OVERLAP: Final = datetime.timedelta(minutes=10)
CLOCK_SKEW: Final = datetime.timedelta(hours=1)  # certificates are valid from this long before their creation
CAS_TRUSTED: Final = 3  # limits the bundle, however often the CA is renewed

_UNREADABLE: Final = (ValueError, TypeError, UnsupportedAlgorithm)


class Decision(StrEnum):
    """What to do with the contents of the Secret."""

    KEEP = "keep"
    RENEW_LEAF = "renew the certificate"
    RENEW_CA = "renew the CA"


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Material:
    """The contents of the Secret, as PEM. Any field may be invalid, because people can edit the Secret.

    Attributes:
        ca_bundle: every CA that clients must trust: the signing CA first, then older ones that are still valid.
        ca_key: key of the first CA.
        certificate: the leaf.
        key: key of the leaf.
    """

    ca_bundle: bytes = b""
    ca_key: bytes = b""
    certificate: bytes = b""
    key: bytes = b""


def service_hosts(service: str, namespace: str) -> tuple[str, ...]:
    """The host names of a Service, for the API server and for people in the cluster."""
    return (f"{service}.{namespace}.svc", f"{service}.{namespace}.svc.cluster.local", f"{service}.{namespace}", service)


def decide(material: Material, hosts: Sequence[str], now: datetime.datetime) -> tuple[Decision, str]:
    """Decide what to do, and return the reason. `now` is timezone-aware, like all times here."""
    if material == Material():
        return Decision.RENEW_CA, "the Secret has no certificates yet"
    cas = _certificates(material.ca_bundle)
    # Without a CA and its key no leaf can be issued, now or later.
    if not cas:
        return Decision.RENEW_CA, "ca.crt contains no readable certificate"
    if not _is_key_of(material.ca_key, cas[0]):
        return Decision.RENEW_CA, "ca.key is not the key of the first certificate in ca.crt"
    # Early enough: its leaves must expire before it does.
    if not cas[0].not_valid_before_utc <= now < cas[0].not_valid_after_utc - CA_RENEWED_BEFORE:
        return Decision.RENEW_CA, f"the CA is valid until {cas[0].not_valid_after_utc:%Y-%m-%d}"
    # A leaf that clients refuse, or that cannot be served, is replaced even during the overlap.
    if problem := _leaf_problem(material, cas, hosts, now):
        return Decision.RENEW_LEAF, problem
    leaf = _certificates(material.certificate)[0]
    # The leaf of an older CA waits until clients know the new one.
    if not _is_issued_by(leaf, cas[0]):
        if now < cas[0].not_valid_before_utc + CLOCK_SKEW + OVERLAP:
            return Decision.KEEP, "clients are learning to trust the new CA"
        return Decision.RENEW_LEAF, "the certificate is signed by the older CA"
    if now >= leaf.not_valid_after_utc - LEAF_RENEWED_BEFORE:
        return Decision.RENEW_LEAF, f"the certificate is valid until {leaf.not_valid_after_utc:%Y-%m-%d}"
    return Decision.KEEP, f"valid until {leaf.not_valid_after_utc:%Y-%m-%d}"


def renew(
    material: Material, decision: Decision, hosts: Sequence[str], now: datetime.datetime, *, trusted: bytes = b""
) -> Material:
    """Return the material after `decision` (not KEEP).

    A new CA is put before the older ones that are still valid. A leaf that clients accept is kept, and a later `decide`
    requests a leaf of the new CA; otherwise a new leaf is issued immediately.

    Args:
        material: the current contents of the Secret.
        decision: the decision of `decide`.
        hosts: host names for the leaf.
        now: the current time.
        trusted: CAs that clients trust and whose leaves other replicas may still serve. They stay trusted even if
            `material` does not have them any more.
    """
    if decision is Decision.RENEW_CA:
        certificate, key = _make_ca(now)
        older = _still_valid(material.ca_bundle + b"\n" + trusted, now)
        material = replace(material, ca_bundle=b"".join([certificate, *older[: CAS_TRUSTED - 1]]), ca_key=key)
        if not _leaf_problem(material, _certificates(material.ca_bundle), hosts, now):
            return material
    certificate, key = _make_leaf(material, hosts, now)
    return replace(material, certificate=certificate, key=key)


def expiry(material: Material) -> datetime.datetime:
    """When the leaf expires."""
    return x509.load_pem_x509_certificate(material.certificate).not_valid_after_utc


def authority_expiry(material: Material) -> datetime.datetime:
    """When the signing CA expires."""
    return x509.load_pem_x509_certificates(material.ca_bundle)[0].not_valid_after_utc


def _leaf_problem(
    material: Material, cas: Sequence[x509.Certificate], hosts: Sequence[str], now: datetime.datetime
) -> str | None:
    leaves = _certificates(material.certificate)
    if not leaves:
        return "tls.crt contains no readable certificate"
    leaf = leaves[0]
    if not _is_key_of(material.key, leaf):
        return "tls.key is not the key of the certificate in tls.crt"
    if not any(_is_issued_by(leaf, ca) and now < ca.not_valid_after_utc for ca in cas):
        return "the certificate is signed by a CA that is not in ca.crt or has expired"
    if not leaf.not_valid_before_utc <= now < leaf.not_valid_after_utc:
        return (
            f"the certificate is valid from {leaf.not_valid_before_utc:%Y-%m-%d} to {leaf.not_valid_after_utc:%Y-%m-%d}"
        )
    names = _names(leaf)
    if names != set(hosts):
        return f"the certificate is for {', '.join(sorted(names)) or 'no host'}"
    return None


def _certificates(pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except _UNREADABLE:
        return []


def _is_key_of(key: bytes, certificate: x509.Certificate) -> bool:
    try:
        loaded = serialization.load_pem_private_key(key, None)
        # Only elliptic curve keys, as we create them: the signing code supports no other.
        return isinstance(loaded, ec.EllipticCurvePrivateKey) and loaded.public_key() == certificate.public_key()
    except _UNREADABLE:
        return False


def _is_issued_by(leaf: x509.Certificate, ca: x509.Certificate) -> bool:
    try:
        leaf.verify_directly_issued_by(ca)
    except (*_UNREADABLE, InvalidSignature):
        return False
    return True


def _names(leaf: x509.Certificate) -> set[str]:
    try:
        extension = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (*_UNREADABLE, x509.ExtensionNotFound, x509.DuplicateExtension):
        return set()
    return set(extension.value.get_values_for_type(x509.DNSName))


def _still_valid(bundle: bytes, now: datetime.datetime) -> list[bytes]:
    # Each part is parsed separately, so that one invalid part does not lose the others.
    parts = bundle.split(b"-----BEGIN CERTIFICATE-----")[1:]
    found = [ca for part in parts for ca in _certificates(b"-----BEGIN CERTIFICATE-----" + part)]
    return list(dict.fromkeys(_pem(ca) for ca in found if ca.not_valid_after_utc > now))


def _make_ca(now: datetime.datetime) -> tuple[bytes, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    serial = x509.random_serial_number()
    # Each CA has a unique name, so that clients can distinguish the CAs in one bundle.
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"wheelwarden-ca-{now:%Y%m%d}-{serial % 2**32:08x}")])
    usage = x509.KeyUsage(
        digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    certificate = (
        _builder(name, name, key.public_key(), serial, now, CA_VALID)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return _pem(certificate), _key_bytes(key)


def _make_leaf(material: Material, hosts: Sequence[str], now: datetime.datetime) -> tuple[bytes, bytes]:
    ca = x509.load_pem_x509_certificates(material.ca_bundle)[0]
    ca_key = serialization.load_pem_private_key(material.ca_key, None)
    assert isinstance(ca_key, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    # Clients check the alternative names only; a host may not fit into a common name (64 characters).
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "wheelwarden-webhook")])
    certificate = (
        _builder(name, ca.subject, key.public_key(), x509.random_serial_number(), now, LEAF_VALID)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    return _pem(certificate), _key_bytes(key)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    serial: int,
    now: datetime.datetime,
    valid: datetime.timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(serial)
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + valid)
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
