"""The result of an installation: written by the installer, read by installers of later pods and by the controller."""

from __future__ import annotations

from typing import Any, Mapping, NamedTuple, Sequence

from wheelwarden.payload.install.schema import check_version, wire_name, wire_object

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wheelwarden.payload.common.volume import Usage

INSTALLED, REUSED, FAILED = "installed", "reused", "failed"
LISTS = ("installed", "provided", "warnings")


class Failure(NamedTuple):
    """Why an installation failed: a key of `errors.ADVICE` and the text for people."""

    kind: str
    message: str


class Result(NamedTuple):
    """One result.

    Attributes:
        outcome: `installed`, `reused` or `failed`.
        hash: hash of the packages.
        key: the name of the directory in the store.
        installer: name and version of the installer.
        python: version of the image's interpreter.
        attempts: number of attempts.
        duration_seconds: run time of this pod's installer.
        install_seconds: run time of the installer that installed the packages.
        installed_at: time of the installation (RFC 3339); None if it failed.
        installed_by: name of the pod whose installer installed the packages.
        installed: `name==version` of each distribution.
        provided: `name==version` of requested packages that the image provides.
        warnings: sentences.
        error: why it failed; None after a success.
        usage: usage of the store's volume; None if unknown, or if the volume has no size of its own.
    """

    outcome: str
    hash: str
    key: str = ""
    installer: str = ""
    python: str = ""
    attempts: int = 0
    duration_seconds: float = 0.0
    install_seconds: float = 0.0
    installed_at: str | None = None
    installed_by: str = ""
    installed: Sequence[str] = ()
    provided: Sequence[str] = ()
    warnings: Sequence[str] = ()
    error: Failure | None = None
    usage: Usage | None = None

    def failed(self, kind: str, message: str) -> Result:
        """The result as a failure, with the facts known so far."""
        return self._replace(outcome=FAILED, error=Failure(kind, message))

    def as_object(self) -> dict[str, Any]:
        """The result as a JSON object."""
        error = self.error and {"class": self.error.kind, "message": self.error.message}
        return wire_object({**self._asdict(), "error": error})


def result_of(found: Mapping[str, Any]) -> Result:
    """Reads a result from the JSON object that an installer wrote. Raises VersionError, KeyError or TypeError."""
    check_version(
        "The record of these packages on the volume",
        found.get("version"),
        "Remove its directory from the volume to install the packages again.",
    )
    given = {name: found[wire_name(name)] for name in Result._fields if wire_name(name) in found}
    error = given.get("error")
    return Result(**{**given, "error": error and Failure(error["class"], error["message"])})
