"""What request and result have in common: their version, and that their fields are named in JSON as JSON is written."""

from __future__ import annotations

from typing import Any, Mapping

VERSION = 1


class VersionError(Exception):
    """What is to be read is of a version that this reader does not know; the text says which, and what to do."""


def check_version(what: str, found: object, advice: str) -> None:
    """Raises VersionError where a version is not ours.

    Args:
        what: that has the version, as in `The install request`.
        found: the version.
        advice: what to do, as a sentence.
    """
    if found != VERSION or isinstance(found, bool):
        told = f"has version {found}" if isinstance(found, int) else "has no version"
        raise VersionError(f"{what} {told}, and this release reads version {VERSION}. {advice}")


def wire_name(field: str) -> str:
    """The name of a field in JSON: `indexUrl` for `index_url`."""
    head, *others = field.split("_")
    return head + "".join(other.capitalize() for other in others)


def on_the_wire(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields as a JSON object of the version that we write."""
    return {"version": VERSION, **{wire_name(name): value for name, value in fields.items()}}
