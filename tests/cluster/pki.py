"""Certificates and kubeconfigs of a cluster: recreated for each run, valid for a day."""

import base64
import datetime
import ipaddress
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# user: (organisation, common name); Kubernetes reads them as group and user.
USERS = {
    "admin": ("system:masters", "admin"),
    "controller-manager": (None, "system:kube-controller-manager"),
    "scheduler": (None, "system:kube-scheduler"),
    "node": ("system:nodes", "system:node:node-1"),
    "proxy": (None, "system:kube-proxy"),
}
_VALID = datetime.timedelta(days=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Pki:
    """The files of a cluster's PKI; `kubeconfig(user)` is one of USERS'."""

    folder: Path

    @property
    def ca(self) -> Path:
        return self.folder / "ca.crt"

    @property
    def service_account_key(self) -> Path:
        return self.folder / "service-account.key"

    def certificate(self, name: str) -> Path:
        return self.folder / f"{name}.crt"

    def key(self, name: str) -> Path:
        return self.folder / f"{name}.key"

    def kubeconfig(self, user: str) -> Path:
        return self.folder / f"{user}.kubeconfig"


def make_pki(folder: Path, *, server: str, hosts: Sequence[str]) -> Pki:
    """Makes the CA, the API server's certificate for `hosts`, and a kubeconfig for each user, pointing to `server`."""
    folder.mkdir(parents=True, exist_ok=True)
    pki = Pki(folder=folder)
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca_name = _name(None, "wheelwarden-test-cluster")
    ca = (
        _builder(ca_name, ca_name, ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    pki.ca.write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    _write_key(pki.service_account_key, rsa.generate_private_key(65537, 2048))
    for name, (organisation, common_name) in {"server": (None, "kube-apiserver"), **USERS}.items():
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_name(organisation, common_name), ca_name, key.public_key())
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        if name == "server":
            names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
            builder = builder.add_extension(names, critical=False)
        certificate = builder.sign(ca_key, hashes.SHA256())
        pki.certificate(name).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        _write_key(pki.key(name), key)
        if name in USERS:
            pki.kubeconfig(name).write_text(_kubeconfig(pki, name, server))
            pki.kubeconfig(name).chmod(0o600)
    return pki


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + _VALID)
    )


def _name(organisation: str | None, common_name: str) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if organisation:
        attributes.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation))
    return x509.Name(attributes)


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> None:
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )


def _kubeconfig(pki: Pki, user: str, server: str) -> str:
    """A kubeconfig as JSON, which is YAML; the credentials are inside, so that the file can be copied."""

    def data(path: Path) -> str:
        return base64.b64encode(path.read_bytes()).decode()

    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "local",
        "clusters": [{"name": "local", "cluster": {"server": server, "certificate-authority-data": data(pki.ca)}}],
        "contexts": [{"name": "local", "context": {"cluster": "local", "user": user}}],
        "users": [
            {
                "name": user,
                "user": {
                    "client-certificate-data": data(pki.certificate(user)),
                    "client-key-data": data(pki.key(user)),
                },
            }
        ],
    }
    return json.dumps(config, indent=2)
