"""Container image references, with the grammar of container runtimes (github.com/distribution/reference, `reference.go`).

`registry.example.com/team/lab:1.2`, or with a digest instead of the tag or after it.
"""

import re
from typing import Final

from wheelwarden.api.redaction import printable, redact

MAX_NAME_LENGTH: Final = 255  # registry and repository together, distribution's RepositoryNameTotalLengthMax

_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_REGISTRY: Final = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?")
_PATH_PART: Final = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*")
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}")
_AT_DIGEST: Final = re.compile(r"@(?=sha(?:256|384|512):[0-9a-f])")
# Replaces the "@" of a digest during redaction, which would take the text before it for a password.
_PLACEHOLDER: Final = "\N{SYMBOL FOR START OF HEADING}"


def explain_image(reference: str) -> list[str]:
    """Return all faults of a reference; empty if it names one image in one registry.

    The registry is required, because the default registry differs from node to node. A tag or a digest is required too.
    """
    if not reference:
        return ["it is empty"]
    if "://" in reference:
        return ["it is a URL; an image reference has no scheme"]
    name, at, digest = reference.partition("@")
    repository, colon, tag = name.rpartition(":")
    if "/" in tag or not colon:
        repository, colon, tag = name, "", ""
    faults = _faults_of_repository(repository)
    if not colon and not at:
        faults.append("it has neither a tag nor a digest")
    if colon and not _TAG.fullmatch(tag):
        faults.append("its tag is not valid: use up to 128 letters, digits and . _ -, and neither . nor - first")
    if at and not _DIGEST.fullmatch(digest):
        faults.append("its digest is not valid: use sha256: and 64 lower-case hexadecimal digits")
    return faults


def _faults_of_repository(repository: str) -> list[str]:
    """The faults of `REGISTRY/PATH`."""
    registry, slash, path = repository.partition("/")
    faults = []
    if not slash or not (registry == "localhost" or "." in registry or ":" in registry):
        faults.append("it has no registry (a host name with a dot or a port)")
        path = repository
    elif not _REGISTRY.fullmatch(registry):
        faults.append("its registry is not a host name with an optional port")
    if not path:
        faults.append("it has no repository")
    elif not all(_PATH_PART.fullmatch(part) for part in path.split("/")):
        faults.append(
            "its repository is not valid: use lower-case letters, digits and single separators . _ - between slashes"
        )
    if len(repository) > MAX_NAME_LENGTH:
        faults.append(f"registry and repository are longer than {MAX_NAME_LENGTH} characters")
    return faults


def clean(text: str) -> str:
    """Return foreign text (events, logs, messages about images) redacted line by line and safe for a terminal.

    Image digests are kept, although `redact` would take everything before their `@` for a possible password.
    """
    lines = (redact(_AT_DIGEST.sub(_PLACEHOLDER, line)).replace(_PLACEHOLDER, "@") for line in text.splitlines())
    return "\n".join(printable(line.replace("\t", "    ")) for line in lines)
