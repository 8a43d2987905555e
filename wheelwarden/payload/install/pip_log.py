"""Reads what pip writes to its log only: index pages that it could not fetch, and the output of builds."""

from __future__ import annotations

import collections
import os
import re
import threading

PAGES_KEPT = 1000
LAST_LINES = 500


class PipLog:
    """Reads the log through a pipe while pip runs, and keeps only these parts: the whole log may be large."""

    def __init__(self) -> None:
        begin, self.end = os.pipe()
        self.path = f"/dev/fd/{self.end}"
        self.lines: list[str] = []
        self.last: collections.deque[str] = collections.deque(maxlen=LAST_LINES)
        self.reader = threading.Thread(target=self._read, args=(begin,), daemon=True)
        self.reader.start()

    def _read(self, begin: int) -> None:
        with open(begin, encoding="utf-8", errors="replace") as log:
            for line in log:
                self.last.append(line.partition(" ")[2].strip())  # without the time
                if "Could not fetch URL " in line and len(self.lines) < PAGES_KEPT:
                    self.lines.append(line)

    def unreachable_pages(self) -> list[tuple[str, str]]:
        """[(URL, reason)] of pages that could not be fetched, except 404. Call it when pip has exited."""
        os.close(self.end)
        self.reader.join(5)
        found = []
        for url, why in re.findall(r"Could not fetch URL (\S+): (.*) - skipping", "".join(self.lines)):
            if not why.startswith("404 Client Error"):
                inner = re.search(r"\(Caused by \w+\([\"']?(?:<[^>]*>: )?(.*?)[\"']?\)+$", why)
                found.append((url, inner.group(1) if inner else why.partition(" for url: ")[0]))
        return found

    def output_of_build(self) -> list[str]:
        """The output of the last command that pip ran."""
        lines = [line for line in self.last if line]
        start = max((index for index, line in enumerate(lines) if line.startswith("Running command ")), default=-1)
        rest = lines[start + 1 :]
        ends = [line.startswith(("error:", "ERROR:", "WARNING:")) or ": finished with" in line for line in rest]
        return rest[: ends.index(True) if True in ends else len(rest)]
