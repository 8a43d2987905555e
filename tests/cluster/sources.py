"""The machine's own apt source, so that the stand-in base image comes from where the machine's packages come from.

Reads both forms that apt reads: one line per source (`sources.list(5)`) and deb822 stanzas (`*.sources`).
"""

import platform
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_SCHEMES = ("http://", "https://", "file:/")
# Where python3-pip and python3-venv live; debootstrap alone would look in main only.
_COMPONENTS = {"debian": ("main",), "ubuntu": ("main", "universe")}


class SourceError(Exception):
    """No apt source of this machine can feed debootstrap; the message says what was looked for and where."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """One package source of apt: a mirror, one suite of it, and how apt checks its signature."""

    uri: str
    suite: str
    components: tuple[str, ...]
    keyring: Path | None = None
    trusted: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Distribution:
    """The machine's distribution, as far as debootstrap must know it: `id="debian", codename="bookworm"`."""

    id: str
    codename: str

    @property
    def components(self) -> tuple[str, ...]:
        """The archive components that hold what the image needs."""
        return _COMPONENTS[self.id]


def read_distribution(release: Mapping[str, str] | None = None) -> Distribution:
    """The machine's distribution from os-release(5).

    Raises:
        SourceError: neither Debian nor Ubuntu.
    """
    facts = platform.freedesktop_os_release() if release is None else release
    if facts.get("ID") not in _COMPONENTS or not facts.get("VERSION_CODENAME"):
        name = facts.get("PRETTY_NAME", "this system")
        raise SourceError(
            f"the test images are made from the machine's own Debian or Ubuntu packages, and this is {name}; "
            "run the tests on a Debian or Ubuntu machine"
        )
    return Distribution(id=facts["ID"], codename=facts["VERSION_CODENAME"])


def choose_source(distribution: Distribution, folder: Path = Path("/etc/apt")) -> Source:
    """The first source of apt that carries the distribution's own suite, with all the components the image needs.

    Raises:
        SourceError: there is none, or debootstrap cannot fetch from it.
    """
    found = [source for source in read_sources(folder) if source.suite == distribution.codename]
    usable = [source for source in found if source.uri.startswith(_SCHEMES)]
    for first in usable:
        offered = {name for source in usable if source.uri == first.uri for name in source.components}
        if offered.issuperset(distribution.components):
            return Source(
                uri=first.uri,
                suite=first.suite,
                components=distribution.components,
                keyring=first.keyring,
                trusted=first.trusted,
            )
    raise SourceError(
        f"apt has no http, https or file source for the suite {distribution.codename} with the components "
        f"{' '.join(distribution.components)} (looked in {folder}/sources.list and {folder}/sources.list.d); add one"
    )


def read_sources(folder: Path) -> list[Source]:
    """Every binary package source in `sources.list` and `sources.list.d`, in apt's order; disabled ones left out."""
    files = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]
    sources: list[Source] = []
    for file in files:
        if not file.is_file():
            continue
        if file.suffix == ".list":
            sources += _parse_lines(file.read_text())
        elif file.suffix == ".sources":
            sources += _parse_stanzas(file.read_text())
    return sources


def _parse_lines(text: str) -> Iterator[Source]:
    for raw in text.splitlines():
        line = raw.partition("#")[0].strip()
        if not line.startswith("deb "):
            continue
        rest = line.removeprefix("deb ").strip()
        options: dict[str, str] = {}
        if rest.startswith("["):
            inside, _, rest = rest[1:].partition("]")
            options = dict(option.split("=", 1) for option in shlex.split(inside) if "=" in option)
        words = rest.split()
        if len(words) >= 2:
            yield from _expand(words[:1], words[1:2], words[2:], options.get("signed-by"), options.get("trusted"))


def _parse_stanzas(text: str) -> Iterator[Source]:
    for fields in _read_stanzas(text.splitlines()):
        if fields.get("enabled", "yes").lower() in ("no", "false", "0") or "deb" not in fields.get("types", "").split():
            continue
        yield from _expand(
            fields.get("uris", "").split(),
            fields.get("suites", "").split(),
            fields.get("components", "").split(),
            fields.get("signed-by"),
            fields.get("trusted"),
        )


def _read_stanzas(lines: Iterable[str]) -> Iterator[dict[str, str]]:
    fields: dict[str, str] = {}
    name = ""
    for line in lines:
        if line.startswith("#"):
            continue
        if not line.strip():
            if fields:
                yield fields
            fields, name = {}, ""
        elif line[0].isspace():
            fields[name] = f"{fields.get(name, '')}\n{line.strip()}"
        else:
            name, _, value = line.partition(":")
            name = name.lower()
            fields[name] = value.strip()
    if fields:
        yield fields


def _expand(
    uris: Iterable[str], suites: Iterable[str], components: Iterable[str], signed_by: str | None, trusted: str | None
) -> Iterator[Source]:
    # An inline key block or a list of fingerprints is legal too; debootstrap then uses the distribution's own keyring.
    keyring = Path(signed_by) if signed_by is not None and signed_by.startswith("/") and " " not in signed_by else None
    for uri in uris:
        for suite in suites:
            yield Source(
                uri=uri,
                suite=suite,
                components=tuple(components),
                keyring=keyring,
                trusted=(trusted or "").lower() in ("yes", "true", "1"),
            )
