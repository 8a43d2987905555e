"""The termination message: a result within the bytes that the kubelet keeps. `message_reader` reads it."""

from __future__ import annotations

from typing import Any, Sequence

from wheelwarden.payload.common.sizes import in_words
from wheelwarden.payload.install.request import MESSAGE_BYTES
from wheelwarden.payload.install.result import FAILED, LISTS, REUSED, Result
from wheelwarden.payload.install.text import clean, compact, counted, shortened, size_of

SMALLEST_MESSAGE_BYTES = 1024  # for the sentence and the facts; pods with very many containers get no lists
SENTENCE_BYTES = 1000  # about the length that a condition shows
WARNING_BYTES = 400
FACT_BYTES = 253  # the maximum length of a pod's name
# Fields of the result that the facts omit: the lists are on their own line, and a success has no error.
OMITTED_FIELDS = (*LISTS, "error")


def message_within(result: Result, limit: int) -> str:
    """The message in at most `limit` bytes. Lower limits than SMALLEST_MESSAGE_BYTES are ignored."""
    return message_of(result, max(SMALLEST_MESSAGE_BYTES, min(limit, MESSAGE_BYTES)))


def message_of(result: Result, limit: int) -> str:
    """The result in at most `limit` bytes of UTF-8: a sentence, a line of facts and, unless it failed, a line of lists.

    The facts of a failure are in words, because another operator may show the whole message. The kubelet may still
    cut the end (the containers of a pod share 12 KiB), so the lists come last. The facts have the full length of each list.
    """
    failed = result.outcome == FAILED
    facts_line = facts_of_failure(result) if failed else compact(facts_of_success(result))
    sentence = shortened(sentence_of(result), min(SENTENCE_BYTES, limit - size_of(facts_line) - 1))
    if failed:
        return sentence + "\n" + facts_line
    lists = {name: [clean(entry) for entry in getattr(result, name)] for name in LISTS}
    lists["warnings"] = [shortened(warning, WARNING_BYTES) for warning in lists["warnings"]]
    empty = compact({name: [] for name in lists})
    space = limit - size_of(sentence) - size_of(facts_line) - size_of(empty) - 2
    if space < 0:
        return sentence + "\n" + facts_line
    return "\n".join([sentence, facts_line, compact(share(lists, space))])


def facts_of_failure(result: Result) -> str:
    """The facts in the form of `message_reader.FAILURE`. Later versions would begin with `Result version: 2.`."""
    kind = result.error.kind if result.error else "unknown"
    facts = f"Error class: {kind}. Attempts: {result.attempts}. Packages hash: {result.hash}."
    if result.usage is not None:
        total, used, available = (
            in_words(result.usage[name]) for name in ("totalBytes", "usedBytes", "availableBytes")
        )
        facts += f" Volume: {total}, {used} used, {available} available."
    return facts


def facts_of_success(result: Result) -> dict[str, Any]:
    """The result without its lists, and the lengths of the lists."""
    facts = {
        name: shortened(value, FACT_BYTES) if isinstance(value, str) else value
        for name, value in result.as_object().items()
        if name not in OMITTED_FIELDS
    }
    facts["counts"] = {name: len(getattr(result, name)) for name in LISTS}
    return facts


def sentence_of(result: Result) -> str:
    """What happened, and what to do after a failure."""
    if result.outcome == FAILED:
        return result.error.message if result.error else ""
    count = counted(len(result.installed), "package")
    if result.outcome == REUSED:
        text = f"Reused the {count} that {result.installed_by} installed at {result.installed_at}."
    elif result.installed:
        text = f"Installed {count} for Python {result.python}."
    else:
        text = "Nothing had to be installed."
    if result.provided:
        text += f" The image provides {counted(len(result.provided), 'package')}."
    return text


def share(lists: dict[str, list[str]], space: int) -> dict[str, Sequence[str]]:
    """The first entries of each list that fit into `space` bytes of JSON. Space that a short list leaves goes to the others."""
    shown: dict[str, list[str]] = {name: [] for name in lists}
    pending = sorted(lists, key=lambda name: sum(size_of(compact(entry)) + 1 for entry in lists[name]))
    while pending:
        available = space // len(pending)
        name = pending.pop(0)
        for entry in lists[name]:
            size = size_of(compact(entry)) + 1
            if size > available:
                break
            available -= size
            space -= size
            shown[name].append(entry)
    return {**shown}
