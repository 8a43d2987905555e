"""The packages to install in addition to those of the image: a dry run of an installer against the image's environment."""

from __future__ import annotations

import re
from typing import Mapping, NamedTuple, Sequence

from wheelwarden.payload.common.distributions import normalised


class Changes(NamedTuple):
    """The changes that an installer would make, by name: requirements to add, and the image's versions that they override."""

    added: Mapping[str, str]
    replaced: Mapping[str, str]

    def requirements(self) -> list[str]:
        """Exact requirements of everything to install, so that dependencies need no resolving."""
        return [self.added[name] for name in sorted(self.added)]

    def provided(self, requested: Sequence[str], image: Mapping[str, str]) -> list[str]:
        """The requested packages that the image already provides, as `name==version`."""
        return [
            f"{name}=={image[name]}"
            for name in sorted(urls_by_name(requested))
            if name not in self.added and name in image
        ]

    def warnings(self) -> list[str]:
        """A warning for each version of the image that is overridden."""
        return [
            f"{self.added[name]} overrides the image's {name}=={version}: "
            "other packages of the image may require that version"
            for name, version in sorted(self.replaced.items())
            if name in self.added
        ]


def urls_by_name(packages: Sequence[str]) -> dict[str, str]:
    """`{normalised name: requirement}` of the packages; an empty requirement if it has no URL."""
    found = {}
    for package in packages:
        egg = re.search(r"^[a-z]+\+[^#]*#(?:.*&)?egg=([A-Za-z0-9._-]+)", package)  # pip's form without a name
        named = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*(@?)", package)
        if egg:
            found[normalised(egg.group(1))] = package
        elif named:
            found[normalised(named.group(1))] = package if named.group(2) else ""
    return found
