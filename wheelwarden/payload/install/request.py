"""What the installer is asked: written by the webhook, read by the installer."""

from __future__ import annotations

import json
from typing import Any, Mapping, NamedTuple, Sequence

from wheelwarden.payload.install.schema import check_version, on_the_wire, wire_name

MESSAGE_BYTES = 4096  # the kubelet keeps no more of one container (core/v1 Container.terminationMessagePath)
# What a request may leave out.
OPTIONAL: Mapping[str, Any] = {
    "owners_marker": None,
    "retention_seconds": 0,
    "keys_in_use": None,
    "report_usage": True,
    "message_bytes": MESSAGE_BYTES,
}


class RequestError(Exception):
    """A request that cannot be read; the text says why."""


class Credentials(NamedTuple):
    """Which Secret has the credentials of the first index, and under which keys; never a value of it."""

    secret: str
    username_key: str
    password_key: str


class InstallRequest(NamedTuple):
    """One request.

    Attributes:
        hash: of the packages.
        packages: requirements.
        index_url: the first index; None where the image's own configuration counts.
        extra_index_urls: asked after it, in this order.
        trusted_hosts: that may be asked without TLS.
        credentials: None where none are asked for.
        installer: a name of `installers.INSTALLERS`.
        uv: where uv is; None where there is none.
        store: the folder on the volume.
        view: the pod's own folder.
        owners_marker: path of the file that the owner of a replaced installer looks for; None without such an owner.
        retries: how many attempts there are.
        timeout_seconds: that one attempt may take.
        on_failure: `block` or `allow`.
        retention_seconds: for how long a set stays that no pod uses.
        keys_in_use: the hashes of the workload's live pods; None where they are not known, so that nothing is removed.
        report_usage: whether the store has a size of its own. Of an emptyDir, the figures would be those of the node's disk.
        message_bytes: how long the termination message may be.
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
        return on_the_wire({**self._asdict(), "credentials": named})


def read_request(text: str) -> InstallRequest:
    """Reads the JSON of a request. Raises RequestError, or VersionError for a version that is not ours."""
    found = parse(text)
    check_version(
        "The install request", found.get("version"), "Webhook and installer have to be of one release: see tools.image."
    )
    try:
        given = {name: _value(found, name) for name in InstallRequest._fields}
        wanted = found["credentials"]
        given["credentials"] = wanted and Credentials(*(wanted[wire_name(name)] for name in Credentials._fields))
    except (KeyError, TypeError) as error:
        raise RequestError(f"The install request cannot be read ({type(error).__name__}: {error}).") from error
    return InstallRequest(**given)


def parse(text: str) -> Mapping[str, Any]:
    """The JSON object of a text, of whatever version. Raises RequestError."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise RequestError(f"The install request is no JSON: {error}.") from error
    if not isinstance(found, dict):
        raise RequestError("The install request is no JSON object.")
    return found


def _value(found: Mapping[str, Any], name: str) -> Any:
    if name in OPTIONAL:
        return found.get(wire_name(name), OPTIONAL[name])
    return found[wire_name(name)]
