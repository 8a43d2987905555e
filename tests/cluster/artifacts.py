"""Things made once and kept in a cache folder: made beside their place, moved there in one step, never seen half made.

Every maker of images, packages and the tests' own authority goes through `make_once`, so that two runs at the same
time share the work and a run that was interrupted leaves nothing that a later one would take for finished.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wheelwarden"

_TAIL_LINES = 20
_TOLD_SECONDS = 10.0  # between two lines of progress


class BuildError(Exception):
    """A command that makes part of the test cluster failed; the message says which, how, and where its log is."""


def digest_of(*parts: str | bytes) -> str:
    """16 hex digits that change when any part changes; parts are told apart by their lengths."""
    state = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        state.update(len(data).to_bytes(8, "big"))
        state.update(data)
    return state.hexdigest()[:16]


def digest_files(root: Path, files: Iterable[Path]) -> str:
    """Like `digest_of`, over the paths (relative to `root`) and contents of `files`, in sorted order."""
    parts: list[str | bytes] = []
    for file in sorted(files):
        parts += [file.relative_to(root).as_posix(), file.read_bytes()]
    return digest_of(*parts)


def make_once(target: Path, make: Callable[[Path], None], *, what: str) -> Path:
    """Return `target`, a file or folder; where it is missing, `make(partial)` writes it and it is moved into place.

    `what` is shown while it is made. A target that is there already counts as used now (see `keep_newest`). Another run
    that makes the same target is waited for. Whatever `make` raises is passed on, and the partial result removed.
    """
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with locked(target.with_name(f".{target.name}.lock")):
            if not target.exists():
                partial = target.with_name(f".{target.name}.partial")
                remove(partial)
                with _told(what):
                    try:
                        make(partial)
                        partial.rename(target)
                    finally:
                        remove(partial)
    os.utime(target)
    return target


def keep_newest(targets: Iterable[Path], count: int) -> None:
    """Remove all but the `count` most recently used of `targets` (made by `make_once`)."""
    by_use = sorted(targets, key=lambda path: path.stat().st_mtime, reverse=True)
    for path in by_use[count:]:
        remove(path)
        path.with_name(f".{path.name}.lock").unlink(missing_ok=True)


def remove(path: Path) -> None:
    """Remove a file, link or whole folder; nothing happens where there is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def run(
    argv: Sequence[str | Path],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    counted: str = "",
) -> None:
    """Run a build command with its whole output appended to `log`.

    With `counted`, what its lines of output stand for, a long run says every ten seconds how many there were.

    Raises:
        BuildError: the exit code is not 0; the message holds the end of the output and the log's path.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [str(word) for word in argv]
    with log.open("ab") as stream:
        start = stream.tell()
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT, env=env, cwd=cwd
        ) as process:
            try:
                code = _wait(process, counted, log, start)
            finally:
                process.terminate()  # nothing once it has ended: else we are ended ourselves, and it must not stay
    if code:
        tail = _lines_since(log, start)[-_TAIL_LINES:]
        lines = "\n".join(f"    {line}" for line in tail)
        raise BuildError(f"{command[0]} failed with exit code {code}; its log is {log} and ends with:\n{lines}")


def _wait(process: "subprocess.Popen[bytes]", counted: str, log: Path, start: int) -> int:
    begun = time.monotonic()
    while True:
        try:
            return process.wait(_TOLD_SECONDS)
        except subprocess.TimeoutExpired:
            if counted:
                count = len(_lines_since(log, start))
                seconds = time.monotonic() - begun
                print(f"  … {seconds:.0f} s, {count} {counted}", file=sys.stderr, flush=True)


def _lines_since(log: Path, start: int) -> list[str]:
    with log.open("rb") as stream:
        stream.seek(start)
        return stream.read().decode(errors="replace").splitlines()


def read_output(argv: Sequence[str | Path], *, cwd: Path | None = None) -> str:
    """The standard output of a short command.

    Raises:
        BuildError: the exit code is not 0; the message holds what the command said.
    """
    command = [str(word) for word in argv]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=cwd, check=False)
    if done.returncode:
        raise BuildError(f"{command[0]} failed with exit code {done.returncode}: {done.stderr.strip()}")
    return done.stdout


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the file lock; taken anew where `keep_newest` unlinked the file between opening and locking it."""
    while True:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if path.exists() and path.stat().st_ino == os.fstat(descriptor).st_ino:
                yield
                return
        finally:
            os.close(descriptor)


@contextmanager
def _told(what: str) -> Iterator[None]:
    print(f"{what} …", file=sys.stderr, flush=True)
    start = time.monotonic()
    yield
    print(f"{what}: done in {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
