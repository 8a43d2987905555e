"""Credentials of the first index. They are passed by a netrc file and redacted in all output."""

from __future__ import annotations

import os
import re
from typing import NamedTuple, Sequence
from urllib.parse import quote, urlsplit

from wheelwarden.payload.install.errors import InstallError
from wheelwarden.payload.install.request import Credentials

VARIABLES = ("PYPI_USERNAME", "PYPI_PASSWORD", "PYPI_NETRC")
USER_INFO = re.compile(r"://[^/\s@]+@")
# A password that is not URL-encoded may contain `/` and `@`. Matches text where a port would be, up to the last `@`.
PASSWORD = re.compile(r"://[^/\s@:]*:(?![0-9]*(?:[/?#\s]|$))\S*@")


class Netrc(NamedTuple):
    """The content of the netrc file, and the secrets to redact."""

    content: str
    secrets: Sequence[str]


def read_netrc(credentials: Credentials, first_index: str | None) -> Netrc:
    """Reads the credentials from the environment, for the first index's host. Raises InstallError if they are missing."""
    username, password, content = (os.environ.get(name) for name in VARIABLES)
    secrets = [value for value in (password, content) if value]
    if content:
        return Netrc(content, secrets)
    if not (username and password):
        raise InstallError(
            "authentication",
            f"The Secret {credentials.secret} does not exist or has neither the keys {credentials.username_key} and "
            f"{credentials.password_key} nor a key netrc; create it in the namespace of the pod.",
        )
    host = urlsplit(first_index or "")
    if host.scheme != "https" or not host.hostname:
        raise InstallError("authentication", "Credentials are only sent over https: give an https indexUrl.")
    return Netrc(f"machine {host.hostname}\nlogin {quoted(username)}\npassword {quoted(password)}\n", secrets)


def quoted(value: str) -> str:
    """Quotes a netrc token so that both uv and pip read the same value: double quotes and backslashes."""
    if "\n" in value or "\r" in value:
        raise InstallError("authentication", "The user name or password contains a line break: correct the Secret.")
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def write_private(path: str, content: str) -> None:
    """Writes a file that only the owner can read."""
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(content)


def redacted(line: str, secrets: Sequence[str]) -> str:
    """Replaces the secrets, plain and URL-encoded, and the user part of URLs."""
    for secret in secrets:
        for form in (secret, quote(secret), quote(secret, safe="")):
            line = line.replace(form, "***")
    return USER_INFO.sub("://***@", PASSWORD.sub("://***@", line))
