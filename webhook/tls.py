"""The server's TLS context, whose certificate can be changed while it serves.

New connections get the new certificate; those that are open keep what they have, so no request is lost.
"""

import os
import ssl
import tempfile
from pathlib import Path


def make_context() -> ssl.SSLContext:
    """A context for a server that has no certificate yet."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def load_certificate(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Makes `context` serve a certificate from the next connection on.

    Args:
        context: of the running server.
        certificate: PEM.
        key: PEM.

    Raises:
        ssl.SSLError: the two do not fit or cannot be read; the context serves what it did before.
    """
    # `load_cert_chain` takes files only. This one is 0600 (mkstemp), and gone before this function returns.
    descriptor, name = tempfile.mkstemp(prefix="wheelwarden-", suffix=".pem")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(certificate + b"\n" + key)
        # A pair that does not fit leaves a context with half of it, so it is tried on another one first.
        make_context().load_cert_chain(name)
        context.load_cert_chain(name)
    finally:
        Path(name).unlink()
