"""The installer uv."""

from __future__ import annotations

import os
import re
import sys
import threading
from typing import Sequence

from wheelwarden.payload.install.bytecode import archives_of, unpacked_sources
from wheelwarden.payload.install.changes import Changes, urls_by_name
from wheelwarden.payload.install.compilers import Compilers
from wheelwarden.payload.install.files import make_shared_folder
from wheelwarden.payload.install.workplace import Workplace, failure_of, tool_version

# Such as `+ six==1.17.0`, `- six==1.16.0`, `+ name==1.0 (from URL)`, `+ name @ URL`.
CHANGE = re.compile(r"\s*([-+~]) ([^\s=]+)(?:==(\S+)(?: \(from (\S+)\))?| @ (\S+))$")


class Uv:
    """Runs uv with its cache in the store, and byte-compiles unpacked wheels while uv downloads the others."""

    def __init__(self, workplace: Workplace) -> None:
        self.workplace = workplace
        self.uv = str(workplace.request.uv)
        self.cache = self._make_cache()
        self.environment = {**workplace.environment, **self._settings()}

    def _make_cache(self) -> str:
        store = self.workplace.store
        if not store.has_room_for_caches():
            return os.path.join(self.workplace.temporary, "uv-cache")
        make_shared_folder(os.path.dirname(store.uv_cache), 0o1777)
        return store.uv_cache

    def _settings(self) -> dict[str, str]:
        indexes, environment = self.workplace.indexes, self.workplace.environment
        found = {
            "UV_CACHE_DIR": self.cache,
            "UV_NO_CONFIG": "1",
            "UV_INDEX_STRATEGY": "first-index",
            "UV_NO_PROGRESS": "1",
            "UV_SYSTEM_CERTS": "1",
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_KEYRING_PROVIDER": "disabled",
        }
        # uv uses the default index after all `--index` ones. So the last index becomes the default, to keep the order.
        ordered = [*([indexes.first] if indexes.first else []), *indexes.extra]
        if indexes.first:
            found["UV_DEFAULT_INDEX"] = ordered.pop()
        if ordered:
            found["UV_INDEX"] = " ".join(ordered)
        if indexes.trusted:
            found["UV_INSECURE_HOST"] = " ".join(indexes.trusted)
        certificates = [
            environment[name] for name in ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE") if environment.get(name)
        ]
        if certificates:
            found["SSL_CERT_FILE"] = certificates[0]
        if self.cache != self.workplace.store.uv_cache:
            found["UV_LINK_MODE"] = "copy"  # another filesystem: links are impossible, and uv would warn
        return found

    def version(self) -> str:
        """Name and version, such as `uv 0.13.8`."""
        return tool_version([self.uv, "--version"])

    def changes(self, packages: Sequence[str], deadline: float) -> Changes:
        """The changes, from a dry run of uv against the image's environment.

        Packages of the image that fit are kept. "- name==old" with "+ name==new" means that the image's version is overridden.
        """
        lines = self._run(["--dry-run", "--break-system-packages", "--", *packages], deadline, silent=True)
        requested, added, replaced = urls_by_name(packages), {}, {}
        for line in lines:
            change = CHANGE.match(line)
            if change is None:
                continue
            sign, name, version, source, url = change.groups()
            url = source or url
            if sign == "-":
                replaced[name] = version
            elif url:
                added[name] = requested.get(name) or f"{name} @ {url}"
            else:
                added[name] = f"{name}=={version}"
        return Changes(added, replaced)

    def install(
        self, requirements: Sequence[str], options: Sequence[str], ahead: str, changes: Changes | None, deadline: float
    ) -> None:
        """Installs. Meanwhile, byte-compiles the unpacked wheels of these distributions into `ahead`."""
        ended, wanted = threading.Event(), set(changes.added if changes else ())
        compilers = Compilers(unpacked_sources(self.cache, archives_of(self.cache), wanted, ahead, ended))
        try:
            self._run([*options, "--", *requirements], deadline)
            ended.set()
            compilers.finish(deadline)
        finally:
            ended.set()
            compilers.end()

    def _run(self, arguments: Sequence[str], deadline: float, *, silent: bool = False) -> Sequence[str]:
        """Runs `uv pip install`. Returns its output lines. Raises InstallError."""
        argv = [self.uv, "pip", "install", "--python", sys.executable, "--no-progress", *arguments]
        completed = self.workplace.run(argv, self.environment, deadline, silent=silent)
        if completed.code:
            raise failure_of(completed.lines, silent=silent)
        return completed.lines
