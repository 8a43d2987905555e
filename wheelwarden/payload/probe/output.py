"""The output of an import attempt, and the report of its interpreter."""

from __future__ import annotations

import os
import threading

TYPE_CHECKING = False  # a probe does not load `typing`
if TYPE_CHECKING:
    from typing import IO

CHILD_LIMIT_BYTES = 1 << 20
DRAIN_SECONDS = 1.0
READ_BYTES = 65536


class Drain(threading.Thread):
    """Reads one stream to its end and keeps the tail, so that a verbose module neither blocks nor fills the memory."""

    def __init__(self, stream: IO[bytes], limit: int) -> None:
        super().__init__(daemon=True)
        self.stream = stream
        self.limit = limit
        self.kept = b""
        self.total = 0
        self.start()

    def run(self) -> None:
        """Reads until the end of the stream."""
        while True:
            chunk = os.read(self.stream.fileno(), READ_BYTES)
            if not chunk:
                return
            self.total += len(chunk)
            self.kept = (self.kept + chunk)[-4 * self.limit :]

    def text(self) -> str:
        """The text read so far. Waits briefly only: a process outside our group may keep the pipe open."""
        self.join(DRAIN_SECONDS)
        text = self.kept.decode("utf-8", "replace")
        if len(self.kept) == self.total and len(text) <= self.limit:
            return text
        text = text[-self.limit :]
        return f"[the first {max(0, self.total - len(text.encode()))} bytes are left out]\n{text}"


class Report:
    """The report of the interpreter that imported one module."""

    def __init__(self, ok: str, seconds: str, file: str, reason: str, error: str) -> None:
        self.ok = ok == "1"
        self.seconds = float(seconds)
        self.file = file or None
        self.reason = reason or None
        self.error = None if self.ok else error


def read_report(reader: int) -> Report | None:
    """Reads the report from the descriptor; None if there is none, or the module itself wrote to the descriptor."""
    os.set_blocking(reader, False)
    try:
        ok, seconds, file, reason, error = os.read(reader, CHILD_LIMIT_BYTES).decode().split("\0", 4)
        return Report(ok, seconds, file, reason, error)
    except (ValueError, BlockingIOError):
        return None
