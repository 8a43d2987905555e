"""What an installer left in its termination message, whole: as tests compare it."""

import json
from typing import Any

from controller.state import parse_result


def read_message(message: str) -> dict[str, Any]:
    """The facts, the lists and the error of a termination message; `message` is the sentence for people."""
    sentence, facts, *lists = message.split("\n")
    if facts.startswith("Error class: "):
        failed = parse_result(message)
        assert failed is not None, message
        error = {"class": failed.error_class, "message": failed.error_message}
        return {"outcome": "failed", "hash": failed.hash, "attempts": failed.attempts, "error": error, "installed": []}
    found: dict[str, Any] = {**json.loads(facts), "error": None, "message": sentence}
    for line in lists:
        found |= json.loads(line)
    return found
