"""Certificates: a CA of our own, a leaf for the webhook's Service, and when each is to be renewed.

Pure: the time is passed in, and what is made is returned as PEM. A CA is renewed with an overlap, so that no client ever
meets a leaf whose CA it does not trust yet:

    bundle        leaf signed by
    old           old               the CA nears its end
    new, old      old               OVERLAP long: clients learn to trust both
    new, old      new               until the old CA ends
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
# More than LEAF_VALID: a leaf never outlives its CA.
CA_RENEWED_BEFORE: Final = datetime.timedelta(days=365)
LEAF_RENEWED_BEFORE: Final = datetime.timedelta(days=30)
# From a new CA to the first leaf of it. Several rounds of `rotate`, so every replica and API server knows the CA by then.
OVERLAP: Final = datetime.timedelta(minutes=10)
CLOCK_SKEW: Final = datetime.timedelta(hours=1)  # a certificate is valid from before it was made
CAS_TRUSTED: Final = 3  # a bundle does not grow without end, however often the CA is renewed

_UNREADABLE: Final = (ValueError, TypeError, UnsupportedAlgorithm)


class Decision(StrEnum):
    """What is to be done with what the Secret holds."""

    KEEP = "keep"
    RENEW_LEAF = "renew the certificate"
    RENEW_CA = "renew the authority"


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Material:
    """What the Secret holds, as PEM; anything may be junk, somebody may have written it by hand.

    Attributes:
        ca_bundle: every CA that clients must trust: the signing one first, then older ones that are still valid.
        ca_key: key of the first CA.
        certificate: the leaf.
        key: key of the leaf.
    """

    ca_bundle: bytes = b""
    ca_key: bytes = b""
    certificate: bytes = b""
    key: bytes = b""


def service_hosts(service: str, namespace: str) -> tuple[str, ...]:
    """The names under which the API server and people in the cluster reach a Service."""
    return (f"{service}.{namespace}.svc", f"{service}.{namespace}.svc.cluster.local", f"{service}.{namespace}", service)


def decide(material: Material, hosts: Sequence[str], now: datetime.datetime) -> tuple[Decision, str]:
    """What to do, and why. `now` is timezone-aware; so are all times here."""
    if material == Material():
        return Decision.RENEW_CA, "there is none yet"
    cas = _certificates(material.ca_bundle)
    # Without a CA and its key no leaf can be made, now or later.
    if not cas:
        return Decision.RENEW_CA, "ca.crt holds no certificate that can be read"
    if not _is_key_of(material.ca_key, cas[0]):
        return Decision.RENEW_CA, "ca.key is not the key of the first certificate in ca.crt"
    # In good time: leaves of it must end before it does.
    if not cas[0].not_valid_before_utc <= now < cas[0].not_valid_after_utc - CA_RENEWED_BEFORE:
        return Decision.RENEW_CA, f"the authority is valid until {cas[0].not_valid_after_utc:%Y-%m-%d}"
    # A leaf that clients refuse, or that cannot be served, is replaced whatever the overlap.
    if problem := _problem_of_leaf(material, cas, hosts, now):
        return Decision.RENEW_LEAF, problem
    leaf = _certificates(material.certificate)[0]
    # The leaf of an older CA waits until clients know the new one.
    if not _is_issued_by(leaf, cas[0]):
        if now < cas[0].not_valid_before_utc + CLOCK_SKEW + OVERLAP:
            return Decision.KEEP, "the new authority is being made known"
        return Decision.RENEW_LEAF, "the certificate is of the older authority"
    if now >= leaf.not_valid_after_utc - LEAF_RENEWED_BEFORE:
        return Decision.RENEW_LEAF, f"the certificate is valid until {leaf.not_valid_after_utc:%Y-%m-%d}"
    return Decision.KEEP, f"valid until {leaf.not_valid_after_utc:%Y-%m-%d}"


def renew(
    material: Material, decision: Decision, hosts: Sequence[str], now: datetime.datetime, *, trusted: bytes = b""
) -> Material:
    """The material after `decision` (not KEEP).

    A new CA comes before the older ones that are still valid, and a leaf that clients accept stays as it is: a later
    `decide` asks for a leaf of the new CA. Without such a leaf, one is made at once.

    Args:
        material: what there is.
        decision: what `decide` said of it.
        hosts: names for the leaf.
        now: the time.
        trusted: CAs that clients trust already and other replicas may still serve a leaf of; they stay trusted, also
            where `material` lost them.
    """
    if decision is Decision.RENEW_CA:
        certificate, key = _make_ca(now)
        older = _still_valid(material.ca_bundle + b"\n" + trusted, now)
        material = replace(material, ca_bundle=b"".join([certificate, *older[: CAS_TRUSTED - 1]]), ca_key=key)
        if not _problem_of_leaf(material, _certificates(material.ca_bundle), hosts, now):
            return material
    certificate, key = _make_leaf(material, hosts, now)
    return replace(material, certificate=certificate, key=key)


def expiry(material: Material) -> datetime.datetime:
    """When the leaf ends."""
    return x509.load_pem_x509_certificate(material.certificate).not_valid_after_utc


def authority_expiry(material: Material) -> datetime.datetime:
    """When the signing CA ends."""
    return x509.load_pem_x509_certificates(material.ca_bundle)[0].not_valid_after_utc


def _problem_of_leaf(
    material: Material, cas: Sequence[x509.Certificate], hosts: Sequence[str], now: datetime.datetime
) -> str | None:
    leaves = _certificates(material.certificate)
    if not leaves:
        return "tls.crt holds no certificate that can be read"
    leaf = leaves[0]
    if not _is_key_of(material.key, leaf):
        return "tls.key is not the key of the certificate in tls.crt"
    if not any(_is_issued_by(leaf, ca) and now < ca.not_valid_after_utc for ca in cas):
        return "the certificate is of an authority that nobody trusts"
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
        # Only such keys as we make: a leaf cannot be signed with any other.
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
    # Each part on its own: junk in one must not lose the others.
    parts = bundle.split(b"-----BEGIN CERTIFICATE-----")[1:]
    found = [ca for part in parts for ca in _certificates(b"-----BEGIN CERTIFICATE-----" + part)]
    return list(dict.fromkeys(_pem(ca) for ca in found if ca.not_valid_after_utc > now))


def _make_ca(now: datetime.datetime) -> tuple[bytes, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    serial = x509.random_serial_number()
    # Two CAs in one bundle must be told apart, so each has a name of its own.
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
    # Clients look at the alternative names only; a host would not always fit into a common name (64 characters).
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
