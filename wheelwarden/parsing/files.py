"""Reading files that people name on a command line: nothing is waited for that may never come."""

import errno
import os
import stat
from typing import Final

NOBODY_WRITES: Final = "it is a pipe that nobody writes to"


def read_at_most(path: str, limit: int) -> bytes:
    """The content of a file, or its first `limit` bytes.

    Raises:
        OSError: it cannot be read, or is a named pipe that nobody writes to; `strerror` says so.
    """
    # Without O_NONBLOCK the opening of a named pipe waits for a writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        os.set_blocking(descriptor, True)
        content = file.read(limit)
    if not content and stat.S_ISFIFO(os.stat(path).st_mode):  # noqa: PTH116 - a path as it was given
        raise OSError(errno.EPIPE, NOBODY_WRITES)
    return content
