"""Waiting for a child process."""

from __future__ import annotations

import os
import select
import subprocess

TYPE_CHECKING = False  # `typing` is no module that a probe has to load
if TYPE_CHECKING:
    from typing import Any


def has_ended(child: subprocess.Popen[Any], seconds: float) -> bool:
    """Whether it ends within so many seconds. Told by the kernel where it can: Popen.wait looks now and then."""
    try:
        descriptor = os.pidfd_open(child.pid)
    except (AttributeError, OSError):  # Python 3.8, or a kernel or sandbox without it
        try:
            child.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True
    try:
        return bool(select.select([descriptor], [], [], seconds)[0])
    finally:
        os.close(descriptor)
