"""What an installer left in its termination message, whole: as tests compare it."""

import json
from typing import Any


def read_message(message: str) -> dict[str, Any]:
    """The facts, the lists and the error of a termination message; `message` is the sentence for people."""
    sentence, facts, *lists = message.split("\n")
    found: dict[str, Any] = {"warnings": [], "provided": [], "installed": [], "usage": None, **json.loads(facts)}
    for line in lists:
        found |= json.loads(line)
    kind = found.get("errorClass")
    found["error"] = {"class": kind, "message": sentence} if kind else None
    return found | {"message": sentence}
