"""The tests' own certificate authority: made once and kept in the cache, so that the stand-in base image can trust it.

Its key never leaves the cache folder; what it signs (the package index's certificate) is recreated for each run.
"""

import datetime as dt
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.cluster import artifacts

_CA_DAYS = 3650
_LEAF_DAYS = 30
# A certificate is recreated this long before it ends, so that no run outlives it.
_CA_SPARE_DAYS = 60
# Clocks of the machines that share a cache may differ a little.
_SKEW = dt.timedelta(hours=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Authority:
    """Where the authority's certificate (PEM, for others to trust) and its key are."""

    certificate: Path
    key: Path


def prepare(cache: Path) -> Authority:
    """Return the authority kept in `cache`; a missing one, or one about to expire, is made first."""
    folder = cache / "authority"
    if folder.is_dir() and _ends_soon(folder / "ca.crt"):
        artifacts.remove(folder)
    artifacts.make_once(folder, _make, what="Making the tests' certificate authority")
    return Authority(certificate=folder / "ca.crt", key=folder / "ca.key")


def issue(authority: Authority, hosts: Iterable[str], folder: Path) -> tuple[Path, Path]:
    """Write a server certificate for `hosts` (names or addresses) into `folder`; the paths of certificate and key."""
    ca = x509.load_pem_x509_certificate(authority.certificate.read_bytes())
    ca_key = load_pem_private_key(authority.key.read_bytes(), None)
    if not isinstance(ca_key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{authority.key} is not an elliptic curve key; remove its folder, so that it is recreated")
    names = list(dict.fromkeys(hosts))
    key = ec.generate_private_key(ec.SECP256R1())
    usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
    certificate = (
        _begin(names[0], key.public_key(), _LEAF_DAYS)
        .issuer_name(ca.subject)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_name_of(host) for host in names]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    return _write(folder, "server", certificate, key)


def _make(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    builder = _begin("Wheelwarden tests", key.public_key(), _CA_DAYS)
    certificate = (
        builder.issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Wheelwarden tests")]))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write(folder, "ca", certificate, key)


def _begin(common_name: str, public_key: ec.EllipticCurvePublicKey, days: int) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]))
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + dt.timedelta(days=days))
    )


def _name_of(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _ends_soon(certificate: Path) -> bool:
    spare = dt.timedelta(days=_CA_SPARE_DAYS)
    parsed = x509.load_pem_x509_certificate(certificate.read_bytes())
    return parsed.not_valid_after_utc < dt.datetime.now(dt.UTC) + spare


def _write(
    folder: Path, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey
) -> tuple[Path, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    certificate_path, key_path = folder / f"{name}.crt", folder / f"{name}.key"
    key_path.touch(mode=0o600)
    key_path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    certificate_path.write_bytes(certificate.public_bytes(Encoding.PEM))
    return certificate_path, key_path
