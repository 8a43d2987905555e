"""What came of an installation: written by the installer, read by those of later pods and by the controller."""

from __future__ import annotations

from typing import Any, Mapping, NamedTuple, Sequence

from wheelwarden.payload.install.schema import check_version, on_the_wire, wire_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wheelwarden.payload.common.volume import Usage

INSTALLED, REUSED, FAILED = "installed", "reused", "failed"
LISTS = ("installed", "provided", "warnings")


class Failure(NamedTuple):
    """Why an installation failed: one of the classes of `errors.ADVICE`, and what a person reads."""

    kind: str
    message: str


class Result(NamedTuple):
    """One result.

    Attributes:
        outcome: `installed`, `reused` or `failed`.
        hash: of the packages.
        key: the name of the directory in the store.
        installer: which one, and its version.
        python: version of the image's interpreter.
        attempts: how many there were.
        duration_seconds: of the installer of this pod.
        install_seconds: of the one that installed.
        installed_at: when (RFC 3339); None where it was not.
        installed_by: name of the pod that did.
        installed: `name==version` of each distribution.
        provided: what was asked for and the image has.
        warnings: sentences.
        error: why it failed; None where it did not.
        usage: of the store's volume; None where it cannot be told, or is not the store's own.
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
        """The same, as a failure."""
        return self._replace(outcome=FAILED, error=Failure(kind, message))

    def as_object(self) -> dict[str, Any]:
        """The result as a JSON object."""
        error = self.error and {"class": self.error.kind, "message": self.error.message}
        return on_the_wire({**self._asdict(), "error": error})


def result_of(found: Mapping[str, Any]) -> Result:
    """The result that a JSON object is, which an installer wrote. Raises VersionError, KeyError or TypeError."""
    check_version(
        "The record of these packages on the volume",
        found.get("version"),
        "Remove that directory of the volume, and the packages are installed again.",
    )
    given = {name: found[wire_name(name)] for name in Result._fields if wire_name(name) in found}
    error = given.get("error")
    return Result(**{**given, "error": error and Failure(error["class"], error["message"])})
