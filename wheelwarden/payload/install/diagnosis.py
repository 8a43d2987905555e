"""Why uv, pip or git failed, by what they said: the class, and the lines that tell a person."""

from __future__ import annotations

import re
from typing import Sequence

from wheelwarden.payload.install.text import shortened

CAUSE_BYTES = 500
CAUSE_LINES = 5

# What uv, pip and git say, looked for in this order: the first class that matches wins. A 403 may stand only in a hint
# under "was not found", so authentication comes before package_not_found; a file that is not there is no network fault.
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

# How lines of uv and pip begin that say nothing about the cause.
NOISE = (
    "No solution found", "THESE PACKAGES DO NOT MATCH", "ResolutionImpossible", "subprocess-exited-with-error", "exit code:",
    "Looking in indexes", "Retrying (", "note:", "Build failures usually", "See above", "To fix this you could",
    "1. loosen", "2. remove", "Could not install requirement", "[end of output]", "INFO:",
)  # fmt: skip


def classify(output: str) -> tuple[str, str]:
    """(class, the line that says why) of a failed run's output."""
    for kind, signs in SIGNS:
        if any(sign in output for sign in signs):
            return kind, cause_of(output, signs)
    return "unknown", cause_of(output, ())


def cause_of(output: str, signs: Sequence[str]) -> str:
    """What tells a person what happened: from the line with the sign on, else the last lines; cleaned and shortened."""
    # Without times: the same fault gives the same message, and a condition is not written again for a tenth of a second.
    output = re.sub(r" (?:after|in) [0-9.]+ ?m?s\b", "", output)
    lines = [line.strip(" \t│╰─▶>├\u00d7╭╯╮") for line in output.splitlines()]
    lines = [line for line in lines if line]
    start = next((index for index, line in enumerate(lines) if any(sign in line for sign in signs)), len(lines))
    # uv tells a chain of causes: the first with a sign says where, the last why.
    chain: list[str] = []
    for line in lines[start:]:
        if chain and not line.startswith("cause:"):
            break
        chain.append(line)
    rest = [plain(line) for line in lines[start + len(chain) :] if not is_noise(line)]
    told = [plain(line) for line in chain if not is_noise(line)]
    if len(told) > 1:
        told = [told[0] + ": " + told[-1]]
    told += rest[: CAUSE_LINES - len(told)]
    return shortened(" ".join(told or [plain(line) for line in lines[-CAUSE_LINES:]]), CAUSE_BYTES)


def is_noise(line: str) -> bool:
    """Whether a line says nothing about the cause. That with a random folder would be another message at each attempt."""
    return plain(line).startswith(NOISE) or "/pip-install-" in line


def plain(line: str) -> str:
    """A line without the word in front of it that says what kind of line it is."""
    for word in ("error:", "ERROR:", "WARNING:", "cause:", "hint:", "fatal:", "[stderr]", "[stdout]"):
        if line.startswith(word):
            line = line[len(word) :].strip()
    return line
