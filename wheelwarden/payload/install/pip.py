"""The installer pip: the one of the image, of any version."""

from __future__ import annotations

import json
import os
import sys
from typing import Any, Mapping, Sequence

from wheelwarden.payload.common.distributions import normalised
from wheelwarden.payload.install.changes import Changes, urls_by_name
from wheelwarden.payload.install.diagnosis import CAUSE_BYTES
from wheelwarden.payload.install.errors import InstallError
from wheelwarden.payload.install.image import image_distributions
from wheelwarden.payload.install.indexes import without_user
from wheelwarden.payload.install.pip_log import PipLog
from wheelwarden.payload.install.text import shortened
from wheelwarden.payload.install.workplace import Completed, Workplace, failure_of, tool_version

REPORTS_SINCE = [22, 2]  # the first pip with `--report` (release notes)
# For these classes an unreachable index is the better explanation.
EXPLAINED_BY_INDEX = ("network", "authentication", "package_not_found", "unknown")


class Pip:
    """Runs pip and also reads its log: pip skips an index that it cannot reach, and reports that only there."""

    def __init__(self, workplace: Workplace) -> None:
        self.workplace = workplace
        self.environment = self._settings()
        self._version = ""

    def _settings(self) -> dict[str, str]:
        indexes = self.workplace.indexes
        ours = {
            "PIP_INDEX_URL": indexes.first or "",
            "PIP_EXTRA_INDEX_URL": " ".join(indexes.extra),
            "PIP_TRUSTED_HOST": " ".join(indexes.trusted),
        }
        found = {name: value for name, value in self.workplace.environment.items() if name not in ours}
        found.update({name: value for name, value in ours.items() if value})
        found.update(PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_NO_INPUT="1", PIP_NO_CACHE_DIR="1")
        return found

    def version(self) -> str:
        """Name and version, such as `pip 25.0`."""
        self._version = tool_version([sys.executable, "-I", "-m", "pip", "--version"])
        if not self._version:
            text = "The image has no pip: use the uv installer, or an image with pip."
            raise InstallError("python_incompatible", text)
        return self._version

    def changes(self, packages: Sequence[str], deadline: float) -> Changes | None:
        """The changes, from pip's dry-run report; None if this pip has no reports."""
        if [int(part) for part in self._version.split()[1].split(".")[:2] if part.isdigit()] < REPORTS_SINCE:
            return None
        path = os.path.join(self.workplace.temporary, "report.json")
        self._run(["--dry-run", "--report", path, "--", *packages], deadline, silent=True)
        with open(path, encoding="utf-8") as file:
            report = json.load(file)
        requested, added = urls_by_name(packages), {}
        for item in report["install"]:
            name = normalised(item["metadata"]["name"])
            if item.get("is_direct"):
                added[name] = requested.get(name) or f"{name} @ {_direct_url(item['download_info'])}"
            else:
                added[name] = f"{name}=={item['metadata']['version']}"
        image = image_distributions()
        return Changes(added, {name: image[name] for name in added if name in image})

    def install(
        self, requirements: Sequence[str], options: Sequence[str], ahead: str, changes: Changes | None, deadline: float
    ) -> None:
        """Installs. Nothing is compiled ahead, because pip does not reveal its unpacked files."""
        self._run([*options, "--no-warn-script-location", "--no-compile", "--", *requirements], deadline)

    def _run(self, arguments: Sequence[str], deadline: float, *, silent: bool = False) -> None:
        """Runs `pip install`. Raises InstallError."""
        argv = [sys.executable, "-I", "-m", "pip", "install", *arguments]
        log = PipLog()
        unreachable: list[tuple[str, str]] = []
        try:
            environment = {**self.environment, "PIP_LOG": log.path}
            completed = self.workplace.run(argv, environment, deadline, silent=silent, descriptors=(log.end,))
        finally:
            unreachable = log.unreachable_pages()
        index_error = self._index_error(unreachable, run_failed=bool(completed.code))
        if completed.code or index_error:
            raise self._failure(completed, index_error, log, silent=silent)

    def _failure(
        self, completed: Completed, index_error: InstallError | None, log: PipLog, *, silent: bool
    ) -> InstallError:
        error = failure_of(completed.lines, silent=silent)
        if index_error and (not completed.code or error.kind in EXPLAINED_BY_INDEX):
            return index_error
        output = log.output_of_build() if error.kind == "build_failed" else []
        output = [self.workplace.redacted(line) for line in output]
        if not output:
            return error
        print("\n".join(output))
        head = error.cause.partition(". ")[0].rstrip(".")
        return InstallError(error.kind, shortened(f"{head}: {output[-1]}", CAUSE_BYTES))

    def _index_error(self, unreachable: Sequence[tuple[str, str]], *, run_failed: bool) -> InstallError | None:
        """The error for an index that pip could not reach, or None. pip itself continues with the next index.

        That would let anybody who can block the first index choose what is installed. pip does not report the index of a
        package, so an unreachable index is accepted only if it is the last of several and everything was found.
        """
        indexes = (
            f"{self.environment.get('PIP_INDEX_URL', '')} {self.environment.get('PIP_EXTRA_INDEX_URL', '')}".split()
        )
        last = without_user(indexes[-1]).rstrip("/") + "/" if indexes else ""
        for url, why in unreachable:
            if run_failed or not without_user(url).startswith(last):
                kind = "authentication" if why.startswith(("401 ", "403 ", "407 ")) else "network"
                return InstallError(kind, shortened(self.workplace.redacted(f"{url}: {why}"), CAUSE_BYTES))
        return None


def _direct_url(download: Mapping[str, Any]) -> str:
    """The URL of a direct reference in pip's report (PEP 610)."""
    vcs = download.get("vcs_info")
    return f"{vcs['vcs']}+{download['url']}@{vcs['commit_id']}" if vcs else str(download["url"])
