"""Direct references: the URL of `name @ https://…` and of a bare `git+ssh://…` (PEP 508, VCS support of pip and uv)."""

import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

from wheelwarden.api.redaction import shown
from wheelwarden.api.violations import Fault
from wheelwarden.parsing.hosts import is_host
from wheelwarden.parsing.suggestions import nearest

SCHEMES: Final = ("https", "git+https", "git+ssh")
_PLAIN_HTTP: Final = ("http", "git+http", "git")
_LOCAL: Final = ("file", "git+file")

# RFC 3986 without what a shell would read; those characters can be percent-encoded.
_NOT_IN_URL: Final = re.compile(r"[^A-Za-z0-9._~:/?#\[\]@!&+,=%-]")
_BAD_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_VARIABLE: Final = re.compile(r"\$\{[^}]*\}")
_USER: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._~-]*")
# Stands for a variable while the URL is taken apart: part of no real one, valid everywhere.
_PLACEHOLDER: Final = "wheelwarden-variable"
_FORM: Final = "Write name @ https://HOST/PATH, git+https://HOST/PATH@REVISION or git+ssh://git@HOST/PATH@REVISION"


def check_reference(url: str) -> Fault | None:
    """What is wrong with a direct reference, None where nothing is. `${NAME}` may stand for user,
    password, host or a part of the path.
    """
    plain = _VARIABLE.sub(_PLACEHOLDER, url)
    odd = _NOT_IN_URL.search(plain)
    if odd:
        return Fault(
            rule="requirement-shell" if odd.group() in "$`|;<>(){}\\'\"*" else "direct-url",
            reason=f'"{shown(odd.group())}" cannot stand in a URL',
            remedy=f"Write it percent-encoded, as %{ord(odd.group()):02X}",
        )
    if _BAD_PERCENT.search(plain):
        return _bad_url("a % must be followed by two hexadecimal digits")
    try:
        parts = urlsplit(plain)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return _bad_url("it is no URL")
    fault = _check_scheme(parts.scheme)
    if fault:
        return fault
    if not host or not is_host(host):
        return _bad_url("it names no valid host")
    return _check_user(parts) or _check_path(parts)


def _check_scheme(scheme: str) -> Fault | None:
    if scheme in SCHEMES:
        return None
    if scheme in _LOCAL:
        return Fault(
            rule="requirement-local-path",
            reason="a local path means nothing in the pod that installs",
            remedy="Publish it to an index, or refer to it as name @ https://…",
        )
    if scheme in _PLAIN_HTTP:
        secure = "git+https" if "git" in scheme else "https"
        return Fault(
            rule="direct-http",
            reason=f"what comes over {scheme} can be changed on its way",
            remedy=f"Use {secure}://",
        )
    if not scheme:
        return Fault(
            rule="requirement-syntax",
            reason='after "@" comes a URL',
            remedy="Write name==VERSION for a version, or name @ https://… for a URL",
        )
    meant = nearest(scheme, SCHEMES)
    return Fault(
        rule="direct-scheme",
        reason=f'"{shown(scheme)}" is none of {", ".join(SCHEMES)}',
        remedy=f"Did you mean {meant}://?" if meant else _FORM,
    )


def _check_user(parts: SplitResult) -> Fault | None:
    if "@" not in parts.netloc:
        return None
    user, _, password = parts.netloc.rpartition("@")[0].partition(":")
    if password and password != _PLACEHOLDER:
        return _credentials("a password stands in the URL for all to read")
    if user == _PLACEHOLDER:
        return None
    if not _USER.fullmatch(user):
        return _bad_url("its user name is not valid")
    if parts.scheme != "git+ssh" and not password:
        # A user name alone is a token nearly always.
        return _credentials("a user name or token stands in the URL for all to read")
    return None


def _check_path(parts: SplitResult) -> Fault | None:
    if len(parts.path) < 2:
        return _bad_url("it has no path")
    # A revision that begins with a dash is read as an option by the tool that is given it (CVE-2023-5752).
    if parts.scheme.startswith("git+") and "@-" in parts.path:
        return _bad_url('a revision cannot begin with "-"')
    return None


def _bad_url(reason: str) -> Fault:
    return Fault(rule="direct-url", reason=reason, remedy=_FORM)


def _credentials(reason: str) -> Fault:
    return Fault(
        rule="direct-credentials",
        reason=reason,
        remedy="Keep it in a Secret and name that in credentials.secretRef, with a netrc key for several hosts",
    )
