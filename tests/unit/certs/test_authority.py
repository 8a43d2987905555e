"""Certificates: what is renewed when, and that clients accept the result at every step."""

import datetime
import ssl
from dataclasses import replace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from certs.authority import (
    CA_RENEWED_BEFORE,
    CA_VALID,
    LEAF_RENEWED_BEFORE,
    LEAF_VALID,
    OVERLAP,
    Decision,
    Material,
    authority_expiry,
    decide,
    expiry,
    renew,
    service_hosts,
)

HOSTS = service_hosts("guard", "guarding")
NOW = datetime.datetime(2026, 1, 31, 10, 30, tzinfo=datetime.UTC)
SECOND = datetime.timedelta(seconds=1)


def fresh(now: datetime.datetime = NOW) -> Material:
    return renew(Material(), Decision.RENEW_CA, HOSTS, now)


def names_of(bundle: bytes) -> list[str]:
    return [ca.subject.rfc4514_string() for ca in x509.load_pem_x509_certificates(bundle)]


def issuer_of(material: Material) -> str:
    return x509.load_pem_x509_certificate(material.certificate).issuer.rfc4514_string()


def is_accepted(material: Material, bundle: bytes, now: datetime.datetime) -> bool:
    """Whether a client that trusts `bundle` accepts the leaf for each of its names."""
    from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

    policy = PolicyBuilder().store(Store(x509.load_pem_x509_certificates(bundle))).time(now)
    leaf = x509.load_pem_x509_certificate(material.certificate)
    try:
        for host in HOSTS[:-1]:  # the last has no dot, so this verifier does not accept it as a host
            policy.build_server_verifier(x509.DNSName(host)).verify(leaf, [])
    except VerificationError:
        return False
    return True


def test_the_first_material_is_a_ca_and_a_leaf_for_the_service() -> None:
    assert decide(Material(), HOSTS, NOW) == (Decision.RENEW_CA, "the Secret has no certificates yet")
    material = fresh()
    assert HOSTS == ("guard.guarding.svc", "guard.guarding.svc.cluster.local", "guard.guarding", "guard")
    assert authority_expiry(material) == NOW + CA_VALID
    assert expiry(material) == NOW + LEAF_VALID
    assert is_accepted(material, material.ca_bundle, NOW)
    assert decide(material, HOSTS, NOW) == (Decision.KEEP, "valid until 2026-05-01")


def test_two_cas_do_not_trust_each_other() -> None:
    one, other = fresh(), fresh()
    assert names_of(one.ca_bundle) != names_of(other.ca_bundle)
    assert not is_accepted(one, other.ca_bundle, NOW)


def test_a_leaf_is_renewed_by_the_same_ca_before_it_expires() -> None:
    material = fresh()
    due = expiry(material) - LEAF_RENEWED_BEFORE
    assert decide(material, HOSTS, due - SECOND)[0] is Decision.KEEP
    assert decide(material, HOSTS, due) == (Decision.RENEW_LEAF, "the certificate is valid until 2026-05-01")
    renewed = renew(material, Decision.RENEW_LEAF, HOSTS, due)
    assert (renewed.ca_bundle, renewed.ca_key) == (material.ca_bundle, material.ca_key)
    assert expiry(renewed) == due + LEAF_VALID
    assert is_accepted(renewed, material.ca_bundle, due)
    assert decide(renewed, HOSTS, due)[0] is Decision.KEEP


def test_a_ca_is_renewed_with_an_overlap() -> None:
    first = fresh()
    due = authority_expiry(first) - CA_RENEWED_BEFORE
    old = renew(first, Decision.RENEW_LEAF, HOSTS, due - SECOND)
    assert decide(old, HOSTS, due - SECOND)[0] is Decision.KEEP
    assert decide(old, HOSTS, due) == (Decision.RENEW_CA, "the CA is valid until 2036-01-29")

    overlapping = renew(old, Decision.RENEW_CA, HOSTS, due)
    assert (overlapping.certificate, overlapping.key) == (old.certificate, old.key)
    assert names_of(overlapping.ca_bundle)[1:] == names_of(old.ca_bundle)
    assert is_accepted(overlapping, overlapping.ca_bundle, due)
    assert is_accepted(overlapping, old.ca_bundle, due)
    assert decide(overlapping, HOSTS, due + OVERLAP - SECOND) == (
        Decision.KEEP,
        "clients are learning to trust the new CA",
    )
    assert decide(overlapping, HOSTS, due + OVERLAP) == (
        Decision.RENEW_LEAF,
        "the certificate is signed by the older CA",
    )

    switched = renew(overlapping, Decision.RENEW_LEAF, HOSTS, due + OVERLAP)
    assert switched.ca_bundle == overlapping.ca_bundle
    assert is_accepted(switched, overlapping.ca_bundle, due + OVERLAP)
    assert not is_accepted(switched, old.ca_bundle, due + OVERLAP)
    assert decide(switched, HOSTS, due + OVERLAP)[0] is Decision.KEEP


def test_an_expired_ca_is_not_trusted_and_its_leaf_is_replaced_immediately() -> None:
    old = fresh()
    late = authority_expiry(old) + SECOND
    renewed = renew(old, *(Decision.RENEW_CA, HOSTS, late))
    assert len(names_of(renewed.ca_bundle)) == 1
    assert is_accepted(renewed, renewed.ca_bundle, late)


def test_the_size_of_a_bundle_is_limited() -> None:
    material = fresh()
    for _ in range(5):
        material = renew(material, Decision.RENEW_CA, HOSTS, NOW)
    assert len(names_of(material.ca_bundle)) == 3


def test_trusted_cas_stay_trusted_if_the_secret_was_lost() -> None:
    lost = fresh()
    material = renew(Material(), Decision.RENEW_CA, HOSTS, NOW, trusted=lost.ca_bundle)
    assert names_of(material.ca_bundle)[1:] == names_of(lost.ca_bundle)
    assert issuer_of(material) == names_of(material.ca_bundle)[0]
    assert is_accepted(lost, material.ca_bundle, NOW)


def other_key() -> bytes:
    return fresh().key


def rsa_key() -> bytes:
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@pytest.mark.parametrize(
    ("field", "junk", "decision", "reason"),
    [
        ("ca_bundle", b"", Decision.RENEW_CA, "ca.crt contains no readable certificate"),
        (
            "ca_bundle",
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            Decision.RENEW_CA,
            "ca.crt contains no readable certificate",
        ),
        ("ca_key", b"junk", Decision.RENEW_CA, "ca.key is not the key of the first certificate in ca.crt"),
        ("ca_key", other_key(), Decision.RENEW_CA, "ca.key is not the key of the first certificate in ca.crt"),
        ("ca_key", rsa_key(), Decision.RENEW_CA, "ca.key is not the key of the first certificate in ca.crt"),
        ("certificate", b"\x00junk", Decision.RENEW_LEAF, "tls.crt contains no readable certificate"),
        (
            "certificate",
            fresh().certificate,
            Decision.RENEW_LEAF,
            "tls.key is not the key of the certificate in tls.crt",
        ),
        ("key", b"", Decision.RENEW_LEAF, "tls.key is not the key of the certificate in tls.crt"),
        ("key", other_key(), Decision.RENEW_LEAF, "tls.key is not the key of the certificate in tls.crt"),
    ],
)
def test_invalid_contents_of_the_secret_are_renewed(field: str, junk: bytes, decision: Decision, reason: str) -> None:
    broken = replace(fresh(), **{field: junk})
    assert decide(broken, HOSTS, NOW) == (decision, reason)
    renewed = renew(broken, decision, HOSTS, NOW)
    assert decide(renewed, HOSTS, NOW)[0] is Decision.KEEP
    assert is_accepted(renewed, renewed.ca_bundle, NOW)


def test_a_leaf_of_another_ca_is_replaced_immediately() -> None:
    other = fresh()
    material = replace(fresh(), certificate=other.certificate, key=other.key)
    assert decide(material, HOSTS, NOW) == (
        Decision.RENEW_LEAF,
        "the certificate is signed by a CA that is not in ca.crt or has expired",
    )


def test_a_leaf_for_other_hosts_is_replaced_immediately() -> None:
    material = renew(Material(), Decision.RENEW_CA, ["other.example.com"], NOW)
    assert decide(material, HOSTS, NOW) == (Decision.RENEW_LEAF, "the certificate is for other.example.com")


def test_an_expired_leaf_is_replaced_immediately() -> None:
    material = fresh()
    assert decide(material, HOSTS, NOW + LEAF_VALID) == (
        Decision.RENEW_LEAF,
        "the certificate is valid from 2026-01-31 to 2026-05-01",
    )


def test_a_clock_that_was_set_back_causes_a_new_ca() -> None:
    assert decide(fresh(), HOSTS, NOW - datetime.timedelta(days=1))[0] is Decision.RENEW_CA


def test_a_service_with_the_longest_names_gets_a_certificate() -> None:
    hosts = service_hosts("s" * 63, "n" * 63)
    material = renew(Material(), Decision.RENEW_CA, hosts, NOW)
    assert decide(material, hosts, NOW)[0] is Decision.KEEP


def test_keys_are_elliptic_and_are_not_in_the_repr() -> None:
    material = fresh()
    for key in (material.ca_key, material.key):
        assert isinstance(serialization.load_pem_private_key(key, None), ec.EllipticCurvePrivateKey)
        assert key.decode() not in repr(material)
    assert "PRIVATE" not in repr(material)


def test_openssl_accepts_the_leaf_in_a_handshake() -> None:
    material = fresh(datetime.datetime.now(datetime.UTC))
    assert handshake(material, "guard.guarding.svc") == "TLSv1.3"


def handshake(material: Material, host: str) -> Any:
    from webhook.tls import load_certificate, make_context

    server_context = make_context()
    load_certificate(server_context, material.certificate, material.key)
    client_context = ssl.create_default_context(cadata=material.ca_bundle.decode())
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname=host)
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return client.version()
