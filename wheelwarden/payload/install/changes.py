"""What is to be installed beside what the image has: by what an installer says it would do to the image's own environment."""

from __future__ import annotations

import re
from typing import Mapping, NamedTuple, Sequence

from wheelwarden.payload.common.distributions import normalised


class Changes(NamedTuple):
    """What an installer would do, by name: requirements that it adds, and versions of the image that these replace."""

    added: Mapping[str, str]
    replaced: Mapping[str, str]

    def requirements(self) -> list[str]:
        """Exact ones: all that is to be installed, without dependencies."""
        return [self.added[name] for name in sorted(self.added)]

    def provided(self, asked: Sequence[str], image: Mapping[str, str]) -> list[str]:
        """What was asked for and the image has, `name==version`."""
        return [
            f"{name}=={image[name]}"
            for name in sorted(places_by_name(asked))
            if name not in self.added and name in image
        ]

    def warnings(self) -> list[str]:
        """About versions of the image that are hidden from now on."""
        return [
            f"{self.added[name]} stands in the place of the image's {name}=={version}: "
            "what the image brought may need the other"
            for name, version in sorted(self.replaced.items())
            if name in self.added
        ]


def places_by_name(packages: Sequence[str]) -> dict[str, str]:
    """`{normal name: requirement}` of what is asked for; the requirement is empty where it names no place."""
    found = {}
    for package in packages:
        egg = re.search(r"^[a-z]+\+[^#]*#(?:.*&)?egg=([A-Za-z0-9._-]+)", package)  # pip's form without a name
        named = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*(@?)", package)
        if egg:
            found[normalised(egg.group(1))] = package
        elif named:
            found[normalised(named.group(1))] = package if named.group(2) else ""
    return found
