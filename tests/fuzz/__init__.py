"""Inputs that nobody thought of, and what must hold for each of them.

The inputs are the case table's, mutated: letters, pieces that mean something to a shell, a URL or pip, types, nesting. For
each: nothing raises; every violation names a rule and is one bounded, printable line; the webhook's path says what the rules
say; a planted password is in no message; what is admitted holds nothing but the characters that its rule promises, and is
something that `packaging` reads.
"""

import copy
import json
import re
from collections.abc import Iterator
from random import Random
from typing import Any, Final

from packaging.requirements import InvalidRequirement, Requirement

from tests.cases import load_cases
from webhook.review import answer_violations, find_violations, read_review
from wheelwarden.api.kinds import KINDS
from wheelwarden.api.violations import Action
from wheelwarden.parsing.request import locate_request
from wheelwarden.rules import RULES_BY_ID, judge_object
from wheelwarden.rules.policy import DEFAULT

MAX_MESSAGE: Final = 1500
SECRET: Final = "pA5sWo0rD"
_PIECES: Final = (
    "$(id)", "`id`", "${IFS}", ";", "&&", "|", "\n", "\0", "\u202e", "\U0001f600", "é", " ", "  ", "'", '"', "\\",
    "--", "-e ", "@", "://", "https://", "http://", "git+ssh://", "file:///",
    f"https://user:{SECRET}@h.example.com/x", "#sha256=", "[", "]", "==", ">=", ",", "*", "%00", "%zz", "..", "/",
    "169.254.169.254", "[::1]", "9" * 40, "a" * 600, "{{", "}}", "!", "~", ":", "python_version", "extra ==", "1Gi",
    "-1", "1e99", "0x", "null", "true", "&a", "*a", "<<: ", "? ", "- ", "\t", "\u200b",
)  # fmt: skip
_VALUES: Final[tuple[Any, ...]] = (
    None,
    True,
    False,
    0,
    -1,
    1.5,
    10**30,
    "",
    [],
    {},
    [[]],
    {"a": None},
    float("inf"),
    "x",
)
# What an admitted value may hold.
_REQUIREMENT: Final = re.compile(r"[\x20-\x7e]*")
_URL: Final = re.compile(r"[A-Za-z0-9._~:/\[\]!+,=%-]*")
_NAME: Final = re.compile(r"[a-z0-9.-]+")
_MODULE: Final = re.compile(r"[A-Za-z0-9_.:]+")


class FoundError(Exception):
    """An input for which something does not hold; the text says what."""


def inputs(seed: int, count: int) -> Iterator[dict[str, Any]]:
    """So many objects, the same for the same seed."""
    random = Random(seed)
    corpus = [case.obj for case in load_cases()]
    for _ in range(count):
        obj = copy.deepcopy(random.choice(corpus))
        for _ in range(random.randint(1, 4)):
            mutate(random, obj)
        yield dict(obj)


def mutate(random: Random, node: Any) -> None:
    """Changes one thing somewhere in a tree."""
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            return
        key = random.choice(keys)
        inner = node[key]
        if isinstance(inner, dict | list) and inner and random.random() < 0.9:
            node = inner
            continue
        if isinstance(node, dict) and random.random() < 0.05:
            node[mutate_text(random, str(key))] = node.pop(key)
        elif isinstance(inner, str) and random.random() < 0.9:
            node[key] = mutate_text(random, inner)
        else:
            node[key] = copy.deepcopy(random.choice(_VALUES))  # which later mutations change
        return


def mutate_text(random: Random, text: str) -> str:
    """Changes one thing in a text."""
    at = random.randint(0, len(text))
    kind = random.randrange(6)
    if kind == 0:
        return text[:at] + random.choice(_PIECES) + text[at:]
    if kind == 1:
        return text[:at] + text[at + random.randint(1, 4) :]
    if kind == 2:
        return text[:at] + chr(random.choice((random.randint(0, 127), random.randint(128, 0xD7FF)))) + text[at + 1 :]
    if kind == 3:
        return text + text[at:]
    if kind == 4:
        return text[:at] + text[at : at + 2][::-1] + text[at + 2 :]
    return text.swapcase()


def check(obj: dict[str, Any]) -> None:
    """Raises FoundError where something does not hold for an input; whatever else comes out is found too."""
    violations = judge_object(obj)
    for violation in violations:
        if violation.rule not in RULES_BY_ID:
            raise FoundError(f"no such rule: {violation.rule}")
        if not violation.message.isprintable() or len(violation.message) > MAX_MESSAGE:
            raise FoundError(f"no bounded, printable line: {violation.message!r}")
        if SECRET in violation.message:
            raise FoundError(f"a password is shown: {violation.message}")
    if [one.message for one in judge_object(obj)] != [one.message for one in violations]:
        raise FoundError("the second time it says something else")
    check_review(obj, [one.message for one in violations])
    deleted = isinstance(obj.get("metadata"), dict) and obj["metadata"].get("deletionTimestamp") is not None
    if not deleted and not any(one.action is Action.DENY for one in violations):
        check_admitted(obj)


def check_review(obj: dict[str, Any], messages: list[str]) -> None:
    """The webhook says of an object that came as JSON what the rules say."""
    try:
        text = json.dumps(obj)
    except (TypeError, ValueError):
        return
    if "Infinity" in text:
        return  # JSON has no such number, and no API server sends it
    version, _, kind = str(obj.get("apiVersion")).rpartition("/")[2], None, str(obj.get("kind"))
    group = str(obj.get("apiVersion")).rpartition("/")[0]
    request = {"uid": "u", "operation": "CREATE", "namespace": "n", "object": obj}
    request["kind"] = {"group": group, "version": version, "kind": kind}
    document = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    review = read_review(json.dumps(document).encode())
    found = find_violations(review, DEFAULT, frozenset(KINDS))
    if [one.message for one in found] != messages:
        raise FoundError("the webhook says something else than the rules")
    json.dumps(answer_violations(review, found))


def check_admitted(obj: dict[str, Any]) -> None:
    """What is admitted is what its rules promise, to the last character."""
    located = locate_request(obj)
    if located is None:
        return
    request = located.request()
    for module in request.verify_imports:
        _promise(_MODULE, module)
    packages = request.packages
    if packages is None:
        return
    for entry in packages.packages:
        _promise(_REQUIREMENT, entry)
        if entry.strip().startswith("-") or "$" in entry or "`" in entry:
            raise FoundError(f"admitted: {entry!r}")
        try:
            Requirement(entry.strip(" "))
        except InvalidRequirement:
            if not re.match(r" *(git\+https|git\+ssh|https)://", entry, re.IGNORECASE):
                raise FoundError(f"admitted, and packaging cannot read it: {entry!r}") from None
    for url in (packages.index_url, *packages.extra_index_urls):
        _promise(_URL, url or "")
    if packages.credentials is not None:
        _promise(_NAME, packages.credentials.name)


def _promise(pattern: re.Pattern[str], text: str) -> None:
    if not pattern.fullmatch(text):
        raise FoundError(f"admitted: {text!r}")


def shrink(obj: dict[str, Any]) -> dict[str, Any]:
    """A smaller input that fails too: whole branches are left out as long as it does."""
    smaller = True
    while smaller:
        smaller = False
        for path in list(_paths(obj)):
            candidate = copy.deepcopy(obj)
            node: Any = candidate
            for step in path[:-1]:
                node = node[step]
            del node[path[-1]]
            if fails(candidate):
                obj, smaller = candidate, True
                break
    return obj


def fails(obj: dict[str, Any]) -> str:
    """What does not hold for an input, empty where all does."""
    try:
        check(obj)
    except FoundError as error:
        return str(error)
    except Exception as error:  # whatever comes out of the rules is what we look for
        return f"{type(error).__name__}: {error}"
    return ""


def _paths(node: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, inner in items:
        yield (*above, key)
        yield from _paths(inner, (*above, key))
