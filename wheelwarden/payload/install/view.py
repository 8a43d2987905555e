"""The pod's own folder: links to the packages and to the image's PYTHONPATH entries, and the marker files."""

from __future__ import annotations

import json
import os

from wheelwarden.payload.install.files import replace_link, write_atomically
from wheelwarden.payload.install.request import InstallRequest
from wheelwarden.payload.install.result import Result

IMAGE_ENTRIES = 10


def link_view(view: str, site_packages: str) -> list[str]:
    """Links the packages and the entries of the image's PYTHONPATH into the view. Returns warnings."""
    replace_link(site_packages, os.path.join(view, "site-packages"))
    entries = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if os.path.isabs(entry)]
    for index, entry in enumerate(entries[:IMAGE_ENTRIES]):
        replace_link(entry, os.path.join(view, f"image-{index}"))
    if len(entries) > IMAGE_ENTRIES:
        return [f"PYTHONPATH of the image has {len(entries)} entries, but only the first {IMAGE_ENTRIES} are kept"]
    return []


def write_markers(request: InstallRequest, result: Result) -> None:
    """Writes the result to the marker file in the view, and to that of the owner of a replaced installer."""
    write_atomically(os.path.join(request.view, f".installed-{request.hash}"), json.dumps(result.as_object()))
    if request.owners_marker:
        write_atomically(request.owners_marker, json.dumps(owners_marker_content(result)))


def owners_marker_content(result: Result) -> dict[str, object]:
    """The result in the format of the Kaspr operator's own installer."""
    return {
        "packages": sorted({*result.installed, *result.provided}),
        "install_time": result.installed_at,
        "duration": f"{max(1, round(result.install_seconds))}s",
        "pod_name": result.installed_by,
    }
