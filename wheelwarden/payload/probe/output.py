"""What a tried module prints, and what its interpreter reports."""

from __future__ import annotations

import os
import threading

TYPE_CHECKING = False  # `typing` is no module that a probe has to load
if TYPE_CHECKING:
    from typing import IO

CHILD_LIMIT_BYTES = 1 << 20
DRAIN_SECONDS = 1.0
READ_BYTES = 65536


class Drain(threading.Thread):
    """Reads one output to its end and keeps the last of it, so that a chatty module neither blocks nor fills the memory."""

    def __init__(self, stream: IO[bytes], limit: int) -> None:
        super().__init__(daemon=True)
        self.stream = stream
        self.limit = limit
        self.kept = b""
        self.total = 0
        self.start()

    def run(self) -> None:
        """Until the end of the output."""
        while True:
            chunk = os.read(self.stream.fileno(), READ_BYTES)
            if not chunk:
                return
            self.total += len(chunk)
            self.kept = (self.kept + chunk)[-4 * self.limit :]

    def text(self) -> str:
        """What came; a process that left our group may hold the pipe, and is not waited for."""
        self.join(DRAIN_SECONDS)
        text = self.kept.decode("utf-8", "replace")
        if len(self.kept) == self.total and len(text) <= self.limit:
            return text
        text = text[-self.limit :]
        return f"[the first {max(0, self.total - len(text.encode()))} bytes are left out]\n{text}"


class Report:
    """What the interpreter of one module reported of it."""

    def __init__(self, ok: str, seconds: str, file: str, reason: str, error: str) -> None:
        self.ok = ok == "1"
        self.seconds = float(seconds)
        self.file = file or None
        self.reason = reason or None
        self.error = None if self.ok else error


def read_report(reader: int) -> Report | None:
    """What there is on the descriptor; None where the interpreter ended without a report, or the module wrote there."""
    os.set_blocking(reader, False)
    try:
        ok, seconds, file, reason, error = os.read(reader, CHILD_LIMIT_BYTES).decode().split("\0", 4)
        return Report(ok, seconds, file, reason, error)
    except (ValueError, BlockingIOError):
        return None
