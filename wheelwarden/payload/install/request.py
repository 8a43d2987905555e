"""The installer's request: written by the webhook, read by the installer."""

from __future__ import annotations

import json
from typing import Any, Mapping, NamedTuple, Sequence

from wheelwarden.payload.install.schema import check_version, wire_name, wire_object

MESSAGE_BYTES = 4096  # the kubelet keeps no more of one container (core/v1 Container.terminationMessagePath)
# Defaults of optional fields.
OPTIONAL: Mapping[str, Any] = {
    "owners_marker": None,
    "retention_seconds": 0,
    "keys_in_use": None,
    "report_usage": True,
    "message_bytes": MESSAGE_BYTES,
}


class RequestError(Exception):
    """A request cannot be read; the text is the reason."""


class Credentials(NamedTuple):
    """The Secret with the credentials of the first index, and its keys. Never contains a value of the Secret."""

    secret: str
    username_key: str
    password_key: str


class InstallRequest(NamedTuple):
    """One request.

    Attributes:
        hash: hash of the packages.
        packages: requirements.
        index_url: the first index; None for the image's own configuration.
        extra_index_urls: further indexes, in order.
        trusted_hosts: hosts that may be used without TLS.
        credentials: None if the indexes need none.
        installer: a key of `installers.INSTALLERS`.
        uv: path of uv; None without uv.
        store: the folder on the volume.
        view: the pod's own folder.
        owners_marker: path of the file that the owner of a replaced installer reads; None without such an owner.
        retries: maximum number of attempts.
        timeout_seconds: timeout of one attempt.
        on_failure: `block` or `allow`.
        retention_seconds: how long to keep sets that no pod uses.
        keys_in_use: hashes of the workload's live pods; None if unknown, then no set is removed.
        report_usage: whether to report the volume's usage. False for an emptyDir, whose figures are those of the node's disk.
        message_bytes: maximum length of the termination message.
    """

    hash: str
    packages: Sequence[str]
    index_url: str | None
    extra_index_urls: Sequence[str]
    trusted_hosts: Sequence[str]
    credentials: Credentials | None
    installer: str
    uv: str | None
    store: str
    view: str
    owners_marker: str | None
    retries: int
    timeout_seconds: float
    on_failure: str
    retention_seconds: float
    keys_in_use: Sequence[str] | None
    report_usage: bool
    message_bytes: int

    def as_object(self) -> dict[str, Any]:
        """The request as a JSON object."""
        named = self.credentials and {wire_name(name): value for name, value in self.credentials._asdict().items()}
        return wire_object({**self._asdict(), "credentials": named})


def read_request(text: str) -> InstallRequest:
    """Reads the JSON of a request. Raises RequestError, or VersionError for another version."""
    found = parse(text)
    check_version(
        "The install request",
        found.get("version"),
        "Webhook and installer must be of the same release: see tools.image.",
    )
    try:
        given = {name: _value(found, name) for name in InstallRequest._fields}
        wanted = found["credentials"]
        given["credentials"] = wanted and Credentials(*(wanted[wire_name(name)] for name in Credentials._fields))
    except (KeyError, TypeError) as error:
        raise RequestError(f"The install request cannot be read ({type(error).__name__}: {error}).") from error
    return InstallRequest(**given)


def parse(text: str) -> Mapping[str, Any]:
    """Parses a JSON object of any version. Raises RequestError."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise RequestError(f"The install request is not JSON: {error}.") from error
    if not isinstance(found, dict):
        raise RequestError("The install request is not a JSON object.")
    return found


def _value(found: Mapping[str, Any], name: str) -> Any:
    if name in OPTIONAL:
        return found.get(wire_name(name), OPTIONAL[name])
    return found[wire_name(name)]
