"""One entry of `packages`: read by `packaging` (PEP 508, PEP 440), or refused with a reason that helps.

Admitted beside PEP 508 are bare references as upstream lists them: `git+https://host/org/pkg.git@v1#egg=pkg`. Entries
are remembered: the same few hundred are read over and over.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import InvalidWheelFilename, NormalizedName, canonicalize_name, parse_wheel_filename

from wheelwarden.api.violations import Fault
from wheelwarden.parsing.direct_reference import check_reference
from wheelwarden.parsing.requirement_mistakes import explain, explain_character, reads_like_shell
from wheelwarden.parsing.specifier_conflicts import contradiction, spans_releases

MAX_LENGTH: Final = 512  # characters; a long direct reference with its hash has some 300

# PEP 508; packaging lets "_", "." and "-" stand at the end, the installers do not.
_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_NOT_PLAIN: Final = re.compile(r"[^\x20-\x7e]")
_OPTION: Final = re.compile(r"(?:^|\s)--?[A-Za-z]")
_VARIABLE: Final = re.compile(r"\$\{([^}]*)\}")
_VARIABLE_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BARE_REFERENCE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_NAMED_REFERENCE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\s*(?:\[[^\]]*\])?\s*@\s*(?P<url>\S+)")
_SCP_REFERENCE: Final = re.compile(r"(?:git\+)?[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:[^/].*")
_LOCAL_PATH: Final = re.compile(
    r"(?:\.{1,2}(?:[/\\].*)?|[/\\~].*|[A-Za-z]:[/\\].*|file:.*|[^@;]*\.(?:whl|zip|egg|tar\.gz|tar\.bz2|tgz|txt))",
    re.DOTALL,
)
# What nearly everybody writes, `name[extra]>=1.2,<3`, with a name that could be no file: read without the grammar of
# `packaging`, in a fifth of its time. A test holds that both read the same.
_PLAIN_NAME: Final = r"[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?"
_PLAIN_VERSION: Final = (
    r"(?:(?:==|!=|>=|<=|>|<) ?[0-9]{1,18}(?:\.[0-9]{1,18})*|(?:==|!=) ?[0-9]{1,18}(?:\.[0-9]{1,18})*\.\*)"
)
_PLAIN: Final = re.compile(
    rf"({_PLAIN_NAME})(?:\[({_PLAIN_NAME}(?:, ?{_PLAIN_NAME})*)\])? ?({_PLAIN_VERSION}(?:, ?{_PLAIN_VERSION})*)?"
)
_EGG: Final = re.compile(r"[#&]egg=([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)(?:\[([^\]]*)\])?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Package:
    """One entry that can be read.

    Attributes:
        name: as written; None for a bare reference that does not tell.
        key: the name in its normal form (PEP 503); None where there is no name.
        extras: sorted.
        versions: the comparisons that are asked for, as in `>=1.2,<3`; empty for a reference.
        contradiction: why no version fits them; None where one may.
        marker: the environment marker; None where there is none.
        url: the direct reference; None for a package from an index.
        host: of the reference, lower case; None where there is none, or where a variable stands for it.
        port: as the reference has it; None where it has none.
        variables: the names in `${NAME}` of the reference.
        bare: a reference without `name @` before it.
    """

    name: str | None
    key: NormalizedName | None
    extras: tuple[str, ...]
    versions: str
    contradiction: str | None
    marker: str | None
    url: str | None
    host: str | None
    port: int | None
    variables: tuple[str, ...]
    bare: bool

    @property
    def specifier(self) -> SpecifierSet:
        """The versions that are asked for, to compare with."""
        return _specifiers(self.versions)

    @property
    def normal(self) -> str:
        """The entry in its normal form: equal for entries that ask for the same."""
        if self.bare:
            return str(self.url)
        text = str(self.key)
        if self.extras:
            text += f"[{','.join(self.extras)}]"
        text += f" @ {self.url}" if self.url is not None else str(self.specifier)
        return f"{text} ; {self.marker}" if self.marker is not None else text


def read_package(text: str) -> Package | Fault:
    """Reads one entry: the package, or what is wrong with it. Nothing makes it raise."""
    if len(text) > MAX_LENGTH:
        return Fault(
            rule="requirement-length",
            reason=f"it has {len(text)} characters, more than {MAX_LENGTH}",
            remedy="Write one package for each entry, and use a shorter reference",
        )
    return _read(text)


def normalize_requirement(text: str) -> str:
    """The normal form of an entry: equal for entries that ask for the same; what cannot be read stays as it is."""
    package = read_package(text)
    return package.normal if isinstance(package, Package) else text.strip()


def parse_package_string(package: str) -> dict[str, Any]:
    """Takes one entry of `packages` apart.

    Args:
        package: such as `Requests[socks]>=2.31,<3; python_version < "3.12"`, `pkg @ https://…` or `git+https://…`.

    Returns:
        A dict: `name` as written (None for a bare reference that does not tell), `normalized_name`, `extras` (a list),
        `specifier` (a string, empty for any version), `operator` and `version` (of a single comparison, else None),
        `marker` and `url` (None where there is none).

    Raises:
        ValueError: it is no package that may be asked for; the text says why and what to write.
    """
    reading = read_package(package)
    if isinstance(reading, Fault):
        raise ValueError(f"{reading.reason}. {reading.remedy}")  # noqa: TRY004 - the type is right, the text is not
    comparisons = list(reading.specifier)
    single = comparisons[0] if len(comparisons) == 1 else None
    return {
        "name": reading.name,
        "normalized_name": reading.key,
        "extras": list(reading.extras),
        "specifier": str(reading.specifier),
        "operator": single.operator if single else None,
        "version": single.version if single else None,
        "marker": reading.marker,
        "url": reading.url,
    }


def validate_package_name(package: str) -> bool:
    """Whether `package` is an entry that `packages` may have: `requests==2.31.0` is, `requests=1` is not."""
    return isinstance(read_package(package), Package)


@lru_cache(maxsize=1024)
def _read(text: str) -> Package | Fault:
    entry = text.strip(" ")
    if not entry:
        return Fault(rule="requirement-empty", reason="it is empty", remedy="Drop it, or write a package")
    return read_plain(entry) or read_any(entry)


@lru_cache(maxsize=1024)
def _specifiers(versions: str) -> SpecifierSet:
    return SpecifierSet(versions)


def read_plain(entry: str) -> Package | None:
    """The package of an entry that is written plainly; None for all others, be they right or wrong."""
    match = _PLAIN.fullmatch(entry)
    if match is None:
        return None
    name, extras, versions = match.groups(default="")
    versions = versions.replace(" ", "")
    several = "," in versions
    return Package(
        name=name,
        key=canonicalize_name(name),
        extras=tuple(sorted({canonicalize_name(extra.strip()) for extra in extras.split(",")})) if extras else (),
        versions=versions,
        contradiction=contradiction(_specifiers(versions)) if several and not spans_releases(versions) else None,
        marker=None,
        url=None,
        host=None,
        port=None,
        variables=(),
        bare=False,
    )


def read_any(entry: str) -> Package | Fault:  # noqa: C901 - one check after another, each with its own fault
    """Reads an entry by the grammar of `packaging`, or says what is wrong with it."""
    odd = _NOT_PLAIN.search(entry)
    if odd:
        return explain_character(odd.group())
    if _OPTION.search(entry.partition(";")[0]) or re.search(r"\s--[a-z]", entry):
        return Fault(
            rule="requirement-option",
            reason="options of pip are not taken here",
            remedy="Write packages only; indexes have fields of their own: indexUrl, extraIndexUrls, trustedHosts",
        )
    variables = tuple(_VARIABLE.findall(entry))
    if "$" in _VARIABLE.sub("", entry):
        return reads_like_shell("$")
    bare = _BARE_REFERENCE.match(entry) is not None
    named = None if bare else _NAMED_REFERENCE.match(entry)
    fault = _check_variables(variables, referenced=bare or named is not None)
    if fault:
        return fault
    if bare and not entry.startswith("file:"):
        return _read_bare(entry, variables)
    if _SCP_REFERENCE.fullmatch(entry):
        return Fault(
            rule="requirement-syntax",
            reason="a reference to a repository is written as a URL",
            remedy="Write git+ssh://git@HOST/PATH, with a slash after the host",
        )
    if _LOCAL_PATH.fullmatch(entry) and named is None:
        return _local_path()
    try:
        requirement = Requirement(_VARIABLE.sub("VARIABLE", entry))
    except InvalidRequirement as error:
        return explain(entry, error)
    if not _NAME.fullmatch(requirement.name):
        return Fault(
            rule="requirement-syntax",
            reason="a name begins and ends with a letter or a digit (PEP 508)",
            remedy="Write it as requests==2.31.0",
        )
    url = None
    if requirement.url is not None and named is not None:
        url = named["url"]
        fault = check_reference(url)
        if fault:
            return fault
    marker = None if requirement.marker is None else str(requirement.marker)
    host, port = _host(url)
    key = canonicalize_name(requirement.name)
    extras = tuple(sorted({canonicalize_name(extra) for extra in requirement.extras}))
    return Package(
        name=requirement.name,
        key=key,
        extras=extras,
        versions=str(requirement.specifier),
        contradiction=contradiction(requirement.specifier),
        marker=marker,
        url=url,
        host=host,
        port=port,
        variables=variables,
        bare=False,
    )


def _read_bare(entry: str, variables: tuple[str, ...]) -> Package | Fault:
    fault = check_reference(entry)
    if fault:
        return fault
    name, extras = _name_in(entry)
    host, port = _host(entry)
    return Package(
        name=name,
        key=None if name is None else canonicalize_name(name),
        extras=extras,
        versions="",
        contradiction=None,
        marker=None,
        url=entry,
        host=host,
        port=port,
        variables=variables,
        bare=True,
    )


def _host(url: str | None) -> tuple[str | None, int | None]:
    """Host and port of a reference that was checked."""
    parts = urlsplit("" if url is None else url)
    if "${" in parts.netloc.rpartition("@")[2]:
        return None, None
    return parts.hostname, parts.port


def _name_in(url: str) -> tuple[str | None, tuple[str, ...]]:
    """The name that a bare reference tells, by `#egg=` or by the file name of a wheel."""
    egg = _EGG.search(url)
    if egg:
        extras = (extra.strip() for extra in (egg[2] or "").split(","))
        return egg[1], tuple(sorted({canonicalize_name(extra) for extra in extras if extra}))
    file_name = re.split(r"[?#]", url)[0].rpartition("/")[2]
    try:
        return str(parse_wheel_filename(file_name.replace("%2B", "+"))[0]), ()
    except InvalidWheelFilename:
        return None, ()


def _check_variables(variables: tuple[str, ...], *, referenced: bool) -> Fault | None:
    for variable in variables:
        if not _VARIABLE_NAME.fullmatch(variable):
            return Fault(
                rule="requirement-variable",
                reason="what stands between ${ and } is no name of a variable",
                remedy="Write ${NAME}, with letters, digits and underscores only",
            )
    if variables and not referenced:
        return Fault(
            rule="requirement-variable",
            reason="variables are only read inside the URL of a direct reference",
            remedy="Write the name and the version out",
        )
    return None


def _local_path() -> Fault:
    return Fault(
        rule="requirement-local-path",
        reason="a local path means nothing in the pod that installs",
        remedy="Publish it to an index, or refer to it as name @ https://…",
    )
