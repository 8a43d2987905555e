"""Determines why uv, pip or git failed, from their output: the error class and the lines to show."""

from __future__ import annotations

import re
from typing import Sequence

from wheelwarden.payload.install.text import shortened

CAUSE_BYTES = 500
CAUSE_LINES = 5

# Patterns in the output of uv, pip and git. The first class that matches wins. authentication is before package_not_found,
# because a 403 may only be in a hint below "was not found". 404 is before network: a missing file is no network error.
SIGNS = (
    ("git_missing", ("Git executable not found", "Cannot find command 'git'", "No such file or directory: 'git'")),
    ("disk_full", ("No space left on device", "Disk quota exceeded", "os error 28", "os error 122")),
    ("hash_mismatch", ("Hash mismatch", "DO NOT MATCH THE HASHES")),
    ("authentication", ("401 Unauthorized", "403 Forbidden", "401 Client Error", "403 Client Error", "ERROR: HTTP error 401",
                        "ERROR: HTTP error 403", "valid authentication credentials", "User for ",
                        "returned error: 401", "returned error: 403", "Authentication failed for",
                        "could not read Username", "Permission denied (publickey", "Host key verification failed")),
    ("package_not_found", ("HTTP status client error (404", "HTTP error 404", "returned error: 404", "repository not found",
                           "Repository not found", "not appear to be a git repository", "couldn't find remote ref",
                           "did not match any file(s) known to git", "Remote branch")),
    ("network", ("error sending request", "dns error", "failed to lookup address", "Connection refused", "tcp connect",
                 "connection error", "NewConnectionError", "Name or service not known", "ConnectTimeout", "timed out",
                 "invalid peer certificate", "CERTIFICATE_VERIFY_FAILED", "SSLError", "Failed to fetch", "502 Bad Gateway",
                 "503 Service Unavailable", "Network is unreachable", "Could not connect", "Failed to connect to",
                 "Could not resolve host")),
    ("build_failed", ("Failed to build", "failed to build", "The build backend returned an error",
                      "Failed building wheel", "did not run successfully", "subprocess-exited-with-error",
                      "Command errored out with exit status")),
    ("python_incompatible", ("no wheels with a matching", "does not satisfy Python", "requires Python",
                             "requires a different Python", "is not a supported wheel on this platform", "Requires-Python")),
    ("package_not_found", ("was not found in the package registry", "there is no version of", "there are no versions of",
                           "conflicting dependencies", "No solution found", "No matching distribution",
                           "Could not find a version", "is not a valid requirement", "ResolutionImpossible")),
)  # fmt: skip

# Prefixes of lines of uv and pip without information about the cause.
NOISE = (
    "No solution found", "THESE PACKAGES DO NOT MATCH", "ResolutionImpossible", "subprocess-exited-with-error", "exit code:",
    "Looking in indexes", "Retrying (", "note:", "Build failures usually", "See above", "To fix this you could",
    "1. loosen", "2. remove", "Could not install requirement", "[end of output]", "INFO:",
)  # fmt: skip


def classify(output: str) -> tuple[str, str]:
    """(error class, cause) from the output of a failed run."""
    for kind, signs in SIGNS:
        if any(sign in output for sign in signs):
            return kind, cause_of(output, signs)
    return "unknown", cause_of(output, ())


def cause_of(output: str, signs: Sequence[str]) -> str:
    """The cause as text for people: the lines from the matching one, else the last lines; cleaned and shortened."""
    # Without durations, so that the same fault gives the same message, and a condition is not written again for each attempt.
    output = re.sub(r" (?:after|in) [0-9.]+ ?m?s\b", "", output)
    lines = [line.strip(" \t│╰─▶>├\u00d7╭╯╮") for line in output.splitlines()]
    lines = [line for line in lines if line]
    start = next((index for index, line in enumerate(lines) if any(sign in line for sign in signs)), len(lines))
    # uv prints a chain of causes: the matching one says where, the last one why.
    chain: list[str] = []
    for line in lines[start:]:
        if chain and not line.startswith("cause:"):
            break
        chain.append(line)
    rest = [plain(line) for line in lines[start + len(chain) :] if not is_noise(line)]
    parts = [plain(line) for line in chain if not is_noise(line)]
    if len(parts) > 1:
        parts = [parts[0] + ": " + parts[-1]]
    parts += rest[: CAUSE_LINES - len(parts)]
    return shortened(" ".join(parts or [plain(line) for line in lines[-CAUSE_LINES:]]), CAUSE_BYTES)


def is_noise(line: str) -> bool:
    """Whether a line has no information about the cause, or a random folder, which would change the message at each attempt."""
    return plain(line).startswith(NOISE) or "/pip-install-" in line


def plain(line: str) -> str:
    """A line without its prefix, such as `error:` or `hint:`."""
    for word in ("error:", "ERROR:", "WARNING:", "cause:", "hint:", "fatal:", "[stderr]", "[stdout]"):
        if line.startswith(word):
            line = line[len(word) :].strip()
    return line
