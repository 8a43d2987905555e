"""Waiting for a child process."""

from __future__ import annotations

import os
import select
import subprocess

TYPE_CHECKING = False  # a probe does not load `typing`
if TYPE_CHECKING:
    from typing import Any


def exits_within(child: subprocess.Popen[Any], seconds: float) -> bool:
    """Whether the child exits within this time. Uses a pidfd where possible, since `Popen.wait` polls."""
    try:
        descriptor = os.pidfd_open(child.pid)
    except (AttributeError, OSError):  # Python 3.8, or a kernel or sandbox without pidfd
        try:
            child.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True
    try:
        return bool(select.select([descriptor], [], [], seconds)[0])
    finally:
        os.close(descriptor)
