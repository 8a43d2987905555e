"""The policy in force, followed while the admin changes its file (kubelet renews a mounted ConfigMap in place)."""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from wheelwarden.api.errors import UnusableInput
from wheelwarden.rules.policy import DEFAULT, Policy
from wheelwarden.rules.policy_file import load_policy

LOGGER = logging.getLogger(__name__)
INTERVAL_SECONDS: Final = 5.0  # kubelet itself takes up to a minute


class PolicyMetrics:
    """Whether the file that lies there is the one in force, for the registry of a program."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._valid = Gauge(
            "wheelwarden_policy_valid",
            "1 where the policy file is in force, 0 where it is wrong and the policy before it stays in force.",
            registry=registry,
        )
        self._valid.set(1)
        self._reloads = Counter(
            "wheelwarden_policy_reloads_total",
            "Changed policy files, by result.",
            ["result"],
            registry=registry,
        )

    def count(self, problem: str) -> None:
        """Counts one changed file; `problem` is empty where it is good."""
        self._valid.set(0 if problem else 1)
        self._reloads.labels("failure" if problem else "success").inc()


class PolicyFile:
    """Holds the policy of a file, or the default policy where there is none.

    Args:
        path: of the file, None for none.
        sleep: as `asyncio.sleep`.

    Raises:
        UnusableInput: the file cannot be read or understood. Nobody starts with rules that were guessed.
    """

    def __init__(self, path: Path | None, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._path = path
        self._sleep = sleep
        self._seen = _stamp(path)
        self._policy = DEFAULT if path is None else load_policy(path)

    def current(self) -> Policy:
        """The policy in force."""
        return self._policy

    async def follow(self, told: Callable[[str], Awaitable[None]]) -> None:
        """Runs until cancelled: a changed file is in force within seconds, one that is wrong changes nothing.

        Args:
            told: called after each change with what is wrong with the new file, empty where nothing is.
        """
        while True:
            await self._sleep(INTERVAL_SECONDS)
            problem = self.look()
            if problem is not None:
                await told(problem)

    def look(self) -> str | None:
        """Reads the file again if it changed; one that cannot be used is logged, and the policy before it stays.

        Returns:
            What is wrong with the new file, empty where nothing is; None where it did not change.
        """
        stamp = _stamp(self._path)
        if self._path is None or stamp == self._seen:
            return None
        self._seen = stamp
        try:
            self._policy = load_policy(self._path)
        except UnusableInput as error:
            LOGGER.error("the policy before it stays in force: %s", error)  # noqa: TRY400 - the text says it all
            return str(error)
        LOGGER.info("policy file %s: read again", self._path)
        return ""


def _stamp(path: Path | None) -> tuple[int, int, int] | None:
    if path is None:
        return None
    try:
        facts = os.stat(path)  # noqa: PTH116 - follows the links by which kubelet changes a mounted ConfigMap
    except OSError:
        return None
    return facts.st_ino, facts.st_mtime_ns, facts.st_size
