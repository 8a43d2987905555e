"""Credentials of the first index: by a netrc file, and in nothing that is printed."""

from __future__ import annotations

import os
import re
from typing import NamedTuple, Sequence
from urllib.parse import quote, urlsplit

from wheelwarden.payload.install.errors import InstallError
from wheelwarden.payload.install.request import Credentials

VARIABLES = ("PYPI_USERNAME", "PYPI_PASSWORD", "PYPI_NETRC")
USER_INFO = re.compile(r"://[^/\s@]+@")
# A password that nobody encoded may hold `/` and `@`: what stands where a port should and is none, up to the last `@`.
PASSWORD = re.compile(r"://[^/\s@:]*:(?![0-9]*(?:[/?#\s]|$))\S*@")


class Netrc(NamedTuple):
    """What is written for the installer, and the secrets that are never shown."""

    content: str
    secrets: Sequence[str]


def read_netrc(wanted: Credentials, first_index: str | None) -> Netrc:
    """The credentials, bound to the first index's host. Raises InstallError where there are none."""
    username, password, content = (os.environ.get(name) for name in VARIABLES)
    secrets = [value for value in (password, content) if value]
    if content:
        return Netrc(content, secrets)
    if not (username and password):
        raise InstallError(
            "authentication",
            f"The Secret {wanted.secret} does not exist or has neither the keys {wanted.username_key} and "
            f"{wanted.password_key} nor a key netrc; create it in the namespace of the pod.",
        )
    host = urlsplit(first_index or "")
    if host.scheme != "https" or not host.hostname:
        raise InstallError("authentication", "Credentials are only sent over https: give an https indexUrl.")
    return Netrc(f"machine {host.hostname}\nlogin {quoted(username)}\npassword {quoted(password)}\n", secrets)


def quoted(value: str) -> str:
    """A netrc token that uv and pip both read back as it was: in double quotes, with backslashes before special ones."""
    if "\n" in value or "\r" in value:
        raise InstallError("authentication", "The user name or password contains a line break: correct the Secret.")
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def write_private(path: str, content: str) -> None:
    """Writes a file that nobody else may read."""
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(content)


def redacted(line: str, secrets: Sequence[str]) -> str:
    """A line without the secrets, in whatever form a URL may have them, and without any user of a URL."""
    for secret in secrets:
        for form in (secret, quote(secret), quote(secret, safe="")):
            line = line.replace(form, "***")
    return USER_INFO.sub("://***@", PASSWORD.sub("://***@", line))
