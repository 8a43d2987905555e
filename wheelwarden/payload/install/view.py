"""The pod's own folder: links to the packages and to what the image had, and the marks that others look for."""

from __future__ import annotations

import json
import os

from wheelwarden.payload.install.files import replace_link, write_atomically
from wheelwarden.payload.install.request import InstallRequest
from wheelwarden.payload.install.result import Result

IMAGE_ENTRIES = 10


def link_view(view: str, site_packages: str) -> list[str]:
    """Points the pod's view at the packages, and keeps the image's own PYTHONPATH reachable; returns warnings."""
    replace_link(site_packages, os.path.join(view, "site-packages"))
    entries = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if os.path.isabs(entry)]
    for index, entry in enumerate(entries[:IMAGE_ENTRIES]):
        replace_link(entry, os.path.join(view, f"image-{index}"))
    if len(entries) > IMAGE_ENTRIES:
        return [f"PYTHONPATH of the image has {len(entries)} entries, the first {IMAGE_ENTRIES} are kept"]
    return []


def write_marks(request: InstallRequest, result: Result) -> None:
    """Leaves the result where it is looked for: in the view, and where the owner of a replaced installer looks."""
    write_atomically(os.path.join(request.view, f".installed-{request.hash}"), json.dumps(result.as_object()))
    if request.owners_marker:
        write_atomically(request.owners_marker, json.dumps(owners_mark(result)))


def owners_mark(result: Result) -> dict[str, object]:
    """The result as the Kaspr operator reads it from the mark of its own installer."""
    return {
        "packages": sorted({*result.installed, *result.provided}),
        "install_time": result.installed_at,
        "duration": f"{max(1, round(result.install_seconds))}s",
        "pod_name": result.installed_by,
    }
