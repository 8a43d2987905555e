"""Distributions by the names of their metadata folders: `name-version.dist-info` (PEP 376) and `.egg-info`."""

from __future__ import annotations

import os


def split_metadata_name(name: str) -> tuple[str, str] | None:
    """(normalised name, version) from the name of a metadata folder, or None if it is not one. The version may be empty."""
    stem, extension = os.path.splitext(name)
    if extension not in (".dist-info", ".egg-info"):
        return None
    distribution, _, version = stem.partition("-")
    return normalised(distribution), version.partition("-")[0]


def normalised(name: str) -> str:
    """The normalised name of a distribution (PEP 503)."""
    import re

    return re.sub(r"[-_.]+", "-", name).lower()
