"""The package indexes to use: those of the request, else those of the image's own pip configuration."""

from __future__ import annotations

import configparser
import os
import re
import sys
from typing import Mapping, NamedTuple, Sequence

from wheelwarden.payload.install.request import InstallRequest


class Indexes(NamedTuple):
    """The first index (None: the installer's default), further indexes in order, and hosts to use without TLS."""

    first: str | None
    extra: Sequence[str]
    trusted: Sequence[str]


def read_indexes(request: InstallRequest, environment: Mapping[str, str]) -> Indexes:
    """The indexes for one request. `environment` may contain the image's pip settings."""
    if request.index_url:
        return Indexes(request.index_url, request.extra_index_urls, request.trusted_hosts)
    own = pip_configuration(environment)
    return Indexes(
        own["index-url"][0] if own["index-url"] else None,
        [*request.extra_index_urls, *own["extra-index-url"]],
        [*request.trusted_hosts, *own["trusted-host"]],
    )


def pip_configuration(environment: Mapping[str, str]) -> dict[str, list[str]]:
    """`index-url`, `extra-index-url` and `trusted-host` as pip reads them: from variables, else from configuration files."""
    found: dict[str, list[str]] = {"index-url": [], "extra-index-url": [], "trusted-host": []}
    files = [
        "/etc/pip.conf",
        os.path.expanduser("~/.config/pip/pip.conf"),
        os.path.expanduser("~/.pip/pip.conf"),
        os.path.join(sys.prefix, "pip.conf"),
        environment.get("PIP_CONFIG_FILE", ""),
    ]
    for path in files:
        parser = configparser.RawConfigParser()
        try:
            parser.read(path)
        except (configparser.Error, UnicodeDecodeError, OSError):
            continue
        for section in ("global", "install"):
            found.update(
                {name: parser.get(section, name).split() for name in found if parser.has_option(section, name)}
            )
    for name in found:
        value = environment.get("PIP_" + name.upper().replace("-", "_"))
        if value:
            found[name] = value.split()
    return found


def without_user(url: str) -> str:
    """A URL without user and password. pip's log may have it with or without them."""
    return re.sub(r"://[^/@]*@", "://", url)
