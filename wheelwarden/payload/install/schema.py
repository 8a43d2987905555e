"""Shared by request and result: the version, and the names of their fields in JSON (camelCase)."""

from __future__ import annotations

from typing import Any, Mapping

VERSION = 1


class VersionError(Exception):
    """A request or result has another version than this release reads. The text names it and says what to do."""


def check_version(what: str, found: object, advice: str) -> None:
    """Raises VersionError for another version than VERSION.

    Args:
        what: subject of the message, such as `The install request`.
        found: the version.
        advice: a sentence that says what to do.
    """
    if found != VERSION or isinstance(found, bool):
        version = f"has version {found}" if isinstance(found, int) else "has no version"
        raise VersionError(f"{what} {version}, but this release reads version {VERSION}. {advice}")


def wire_name(field: str) -> str:
    """The name of a field in JSON: `indexUrl` for `index_url`."""
    head, *others = field.split("_")
    return head + "".join(other.capitalize() for other in others)


def wire_object(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields as a JSON object, with the version."""
    return {"version": VERSION, **{wire_name(name): value for name, value in fields.items()}}
