"""pip as an installer: the image's own, of any version."""

from __future__ import annotations

import json
import os
import sys
from typing import Any, Mapping, Sequence

from wheelwarden.payload.common.distributions import normalised
from wheelwarden.payload.install.changes import Changes, places_by_name
from wheelwarden.payload.install.diagnosis import CAUSE_BYTES
from wheelwarden.payload.install.errors import InstallError
from wheelwarden.payload.install.image import image_distributions
from wheelwarden.payload.install.indexes import without_user
from wheelwarden.payload.install.pip_log import PipLog
from wheelwarden.payload.install.text import shortened
from wheelwarden.payload.install.workplace import Ended, Workplace, failure_of, tool_version

REPORTS_SINCE = [22, 2]  # pip's release notes: `--report`
# Classes of a failure that an index which cannot be asked explains better.
EXPLAINED_BY_INDEX = ("network", "authentication", "package_not_found", "unknown")


class Pip:
    """Its log is read too: pip passes over an index that it cannot ask, and says so only there."""

    def __init__(self, workplace: Workplace) -> None:
        self.workplace = workplace
        self.environment = self._settings()
        self._version = ""

    def _settings(self) -> dict[str, str]:
        indexes = self.workplace.indexes
        given = {
            "PIP_INDEX_URL": indexes.first or "",
            "PIP_EXTRA_INDEX_URL": " ".join(indexes.extra),
            "PIP_TRUSTED_HOST": " ".join(indexes.trusted),
        }
        found = {name: value for name, value in self.workplace.environment.items() if name not in given}
        found.update({name: value for name, value in given.items() if value})
        found.update(PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_NO_INPUT="1", PIP_NO_CACHE_DIR="1")
        return found

    def version(self) -> str:
        """As in `pip 25.0`."""
        self._version = tool_version([sys.executable, "-I", "-m", "pip", "--version"])
        if not self._version:
            text = "The image has no pip: use the uv installer, or an image with pip."
            raise InstallError("python_incompatible", text)
        return self._version

    def changes(self, packages: Sequence[str], deadline: float) -> Changes | None:
        """By pip's own report of what it would do; None where it cannot report yet."""
        if [int(part) for part in self._version.split()[1].split(".")[:2] if part.isdigit()] < REPORTS_SINCE:
            return None
        path = os.path.join(self.workplace.temporary, "report.json")
        self._run(["--dry-run", "--report", path, "--", *packages], deadline, silent=True)
        with open(path, encoding="utf-8") as file:
            report = json.load(file)
        asked, added = places_by_name(packages), {}
        for item in report["install"]:
            name = normalised(item["metadata"]["name"])
            if item.get("is_direct"):
                added[name] = asked.get(name) or f"{name} @ {_place_of(item['download_info'])}"
            else:
                added[name] = f"{name}=={item['metadata']['version']}"
        image = image_distributions()
        return Changes(added, {name: image[name] for name in added if name in image})

    def install(
        self, requirements: Sequence[str], options: Sequence[str], ahead: str, changes: Changes | None, deadline: float
    ) -> None:
        """Installs; nothing is compiled ahead, as nobody knows what pip has unpacked."""
        self._run([*options, "--no-warn-script-location", "--no-compile", "--", *requirements], deadline)

    def _run(self, words: Sequence[str], deadline: float, *, silent: bool = False) -> None:
        """Runs `pip install`. Raises InstallError."""
        argv = [sys.executable, "-I", "-m", "pip", "install", *words]
        log = PipLog()
        failed: list[tuple[str, str]] = []
        try:
            environment = {**self.environment, "PIP_LOG": log.path}
            ended = self.workplace.run(argv, environment, deadline, silent=silent, descriptors=(log.end,))
        finally:
            failed = log.failed_pages()
        fault = self._fault_of_index(failed, in_vain=bool(ended.code))
        if ended.code or fault:
            raise self._failure(ended, fault, log, silent=silent)

    def _failure(self, ended: Ended, fault: InstallError | None, log: PipLog, *, silent: bool) -> InstallError:
        error = failure_of(ended.lines, silent=silent)
        if fault and (not ended.code or error.kind in EXPLAINED_BY_INDEX):
            return fault
        output = log.output_of_build() if error.kind == "build_failed" else []
        output = [self.workplace.redacted(line) for line in output]
        if not output:
            return error
        print("\n".join(output))
        head = error.cause.partition(". ")[0].rstrip(".")
        return InstallError(error.kind, shortened(f"{head}: {output[-1]}", CAUSE_BYTES))

    def _fault_of_index(self, failed: Sequence[tuple[str, str]], *, in_vain: bool) -> InstallError | None:
        """What an index that pip could not ask is, else None: pip itself passes over it, to the next one.

        So whoever can block the first index could choose what is installed. Which index a package came from pip does not
        tell; one that cannot be asked is no fault only if it is the last of several and all was found.
        """
        indexes = (
            f"{self.environment.get('PIP_INDEX_URL', '')} {self.environment.get('PIP_EXTRA_INDEX_URL', '')}".split()
        )
        last = without_user(indexes[-1]).rstrip("/") + "/" if indexes else ""
        for url, why in failed:
            if in_vain or not without_user(url).startswith(last):
                kind = "authentication" if why.startswith(("401 ", "403 ", "407 ")) else "network"
                return InstallError(kind, shortened(self.workplace.redacted(f"{url}: {why}"), CAUSE_BYTES))
        return None


def _place_of(download: Mapping[str, Any]) -> str:
    """The URL of a direct reference in pip's report (PEP 610)."""
    vcs = download.get("vcs_info")
    return f"{vcs['vcs']}+{download['url']}@{vcs['commit_id']}" if vcs else str(download["url"])
