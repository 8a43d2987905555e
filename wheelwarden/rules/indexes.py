"""Rules on where packages come from: `indexUrl`, `extraIndexUrls`, `trustedHosts`.

URLs and hosts are read in `wheelwarden.parsing.index_url`.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from wheelwarden.api.redaction import shown
from wheelwarden.api.violations import Action
from wheelwarden.parsing.index_url import HTTPS_PORT, Index
from wheelwarden.parsing.requirement import Package
from wheelwarden.rules.packages import is_pinned
from wheelwarden.rules.public_hosts import is_public
from wheelwarden.rules.rule import Finding, Located, Packages, Rule

_USE_HTTPS: Final = "Use https://"


def _plain_http(subject: Packages, *, trusted: bool) -> Iterator[Located[Index]]:
    """The http indexes whose host is, or is not, in `trustedHosts`."""
    for index in subject.indexes:
        if index.value.scheme == "http" and trusted == _trusts(subject, index.value.host, index.value.port):
            yield index


def _trusts(subject: Packages, host: str, port: int) -> bool:
    return any(entry.value.covers(host, port) for entry in subject.trusted_hosts)


def _http_trusted(subject: Packages) -> Iterable[Finding]:
    if subject.spec.credentials is not None:
        return  # denied by index-http-credentials
    for index in _plain_http(subject, trusted=True):
        yield _at(index, "packages that come over http can be changed on their way", _USE_HTTPS)


def _http_untrusted(subject: Packages) -> Iterable[Finding]:
    for index in _plain_http(subject, trusted=False):
        yield _at(
            index,
            "packages that come over http can be changed on their way, and the host is not in trustedHosts",
            f"Use https://, or add {shown(index.value.host)} to trustedHosts",
        )


def _http_credentials(subject: Packages) -> Iterable[Finding]:
    if subject.spec.credentials is None:
        return
    for index in subject.indexes:
        if index.value.scheme == "http":
            yield _at(
                index, "credentials would cross the network for all to read", f"{_USE_HTTPS}, or drop credentials"
            )


def _duplicates(subject: Packages) -> Iterable[Finding]:
    seen: dict[str, str] = {}
    for index in subject.indexes:
        first = seen.setdefault(index.value.normal, index.path)
        if first != index.path:
            yield _at(
                index, f"the same index stands at {first.removeprefix(f'{subject.base}.')} already", "Drop one of them"
            )


def _default_first(subject: Packages) -> Iterable[Finding]:
    spec = subject.spec
    if spec.extra_index_urls and spec.index_url is None and not subject.lost("indexUrl"):
        yield Finding(
            path=f"{subject.base}.extraIndexUrls",
            value=None,
            reason="without indexUrl the default index, mostly a public one, is asked before these, "
            "and a package of the same name there wins",
            remedy="Set indexUrl to the index that is to be asked first",
        )


def _public_first(subject: Packages) -> Iterable[Finding]:
    for index in _too_early(subject):
        yield _at(
            index,
            "a public index is asked before a private one: whoever publishes a name and version there is installed,"
            " pinned or not",
            "Make the private index indexUrl, and the public one the last of extraIndexUrls",
        )


def _too_early(subject: Packages) -> list[Located[Index]]:
    """The public indexes that are asked before a private one."""
    if len(subject.indexes) < 2:
        return []
    public = [is_public(index.value.host, subject.policy.public_index_hosts) for index in subject.indexes]
    return [index for position, index in enumerate(subject.indexes) if public[position] and not all(public[position:])]


def _confusion(subject: Packages) -> Iterable[Finding]:
    if len({index.value.normal for index in subject.indexes}) < 2:
        return
    free = [entry for entry in subject.packages if not is_pinned(entry.value)]
    if free:
        yield Finding(
            path=f"{subject.base}.extraIndexUrls",
            value=None,
            reason=f"there are several indexes, and {_some(free)} may come from whichever is asked first: a stranger who"
            " publishes the name there is installed",
            remedy="Put the private index first, or use one index that mirrors the others: a pin does not protect here"
            if _too_early(subject)
            else "Pin every package with ==VERSION, or use one index that mirrors the others",
        )


def _some(entries: Sequence[Located[Package]]) -> str:
    names = [shown(entry.value.name or entry.text) for entry in entries[:3]]
    more = f" and {len(entries) - 3} more" if len(entries) > 3 else ""
    return f"{', '.join(names)}{more} without an exact version"


def _unused(subject: Packages) -> Iterable[Finding]:
    unread = {"index-url", "index-credentials"} & subject.found.keys()
    if not subject.trusted_hosts or unread or subject.lost("indexUrl", "extraIndexUrls", "packages"):
        return  # what could not be read may be what is trusted
    used = [(index.value.host, index.value.port) for index in subject.indexes]
    used += [(entry.value.host, entry.value.port or HTTPS_PORT) for entry in subject.packages if entry.value.host]
    for entry in subject.trusted_hosts:
        if not any(entry.value.covers(host, port) for host, port in used):
            yield Finding(
                path=entry.path,
                value=shown(entry.text),
                reason="no index and no reference has this host",
                remedy="Drop it, or correct it: the port counts where one is given",
            )


def _at(index: Located[Index], reason: str, remedy: str) -> Finding:
    return Finding(path=index.path, value=shown(index.text), reason=reason, remedy=remedy)


_HTTP_TRUSTED: Final = (
    "{packages: [requests], indexUrl: 'http://packages.example.com/simple', trustedHosts: [packages.example.com]}"
)

RULES: Final = (
    Rule(
        id="index-url",
        action=Action.DENY,
        summary="An index is an absolute http or https URL with a host, without query, fragment and signs of a shell",
        bad="{packages: [requests], indexUrl: 'packages.example.com/simple'}",
        good="{packages: [requests], indexUrl: 'https://packages.example.com/simple'}",
    ),
    Rule(
        id="index-credentials",
        action=Action.DENY,
        summary="An index URL holds no user and no password",
        bad="{packages: [requests], indexUrl: 'https://user:password@packages.example.com/simple'}",
        good="{packages: [requests], indexUrl: 'https://packages.example.com/simple',"
        " credentials: {secretRef: {name: packages}}}",
    ),
    Rule(
        id="index-http",
        action=Action.WARN,
        summary="An index is https, even where its host is trusted",
        bad=_HTTP_TRUSTED,
        good="{packages: [requests], indexUrl: 'https://packages.example.com/simple'}",
        check_packages=_http_trusted,
    ),
    Rule(
        id="index-http-untrusted",
        action=Action.DENY,
        summary="An http index has its host in trustedHosts",
        bad="{packages: [requests], indexUrl: 'http://packages.example.com/simple'}",
        good=_HTTP_TRUSTED,
        check_packages=_http_untrusted,
    ),
    Rule(
        id="index-http-credentials",
        action=Action.DENY,
        summary="No index is http where there are credentials",
        bad="{packages: [requests], indexUrl: 'http://packages.example.com/simple', trustedHosts: [packages.example.com],"
        " credentials: {secretRef: {name: packages}}}",
        good="{packages: [requests], indexUrl: 'https://packages.example.com/simple',"
        " credentials: {secretRef: {name: packages}}}",
        check_packages=_http_credentials,
    ),
    Rule(
        id="index-duplicate",
        action=Action.WARN,
        summary="No index is named twice",
        bad="{packages: [requests], indexUrl: 'https://packages.example.com/simple',"
        " extraIndexUrls: ['https://packages.example.com:443/simple/']}",
        good="{packages: [requests], indexUrl: 'https://packages.example.com/simple'}",
        check_packages=_duplicates,
    ),
    Rule(
        id="index-default-first",
        action=Action.WARN,
        summary="extraIndexUrls come with an indexUrl, since the default index is asked first otherwise",
        bad="{packages: [requests], extraIndexUrls: ['https://packages.example.com/simple']}",
        good="{packages: [requests], indexUrl: 'https://packages.example.com/simple'}",
        check_packages=_default_first,
    ),
    Rule(
        id="index-public-first",
        action=Action.WARN,
        summary="No public index, well known or named by the policy, stands before a private one, whatever is pinned",
        bad="{packages: [requests==2.32.3], indexUrl: 'https://index.example.org/simple',"
        " extraIndexUrls: ['https://packages.example.com/simple']}",
        good="{packages: [requests==2.32.3], indexUrl: 'https://packages.example.com/simple',"
        " extraIndexUrls: ['https://index.example.org/simple']}",
        check_packages=_public_first,
        policy="publicIndexHosts: [index.example.org]",
    ),
    Rule(
        id="index-confusion",
        action=Action.WARN,
        summary="With several indexes every package is pinned, so that nobody can slip in another by its name",
        bad="{packages: [mine], indexUrl: 'https://a.example.com/simple', extraIndexUrls: ['https://b.example.com/simple']}",
        good="{packages: [mine==1.0], indexUrl: 'https://a.example.com/simple',"
        " extraIndexUrls: ['https://b.example.com/simple']}",
        check_packages=_confusion,
    ),
    Rule(
        id="trusted-host",
        action=Action.DENY,
        summary="A trusted host is a host name or an address, with a port or without",
        bad="{packages: [requests], indexUrl: 'https://packages.example.com/simple',"
        " trustedHosts: ['https://packages.example.com/']}",
        good="{packages: [requests], indexUrl: 'https://packages.example.com/simple',"
        " trustedHosts: [packages.example.com]}",
    ),
    Rule(
        id="trusted-host-unused",
        action=Action.WARN,
        summary="A trusted host is the host of an index or a reference",
        bad="{packages: [requests], indexUrl: 'https://packages.example.com/simple', trustedHosts: [b.example.com]}",
        good="{packages: [requests], indexUrl: 'https://packages.example.com/simple',"
        " trustedHosts: [packages.example.com]}",
        check_packages=_unused,
    ),
)
