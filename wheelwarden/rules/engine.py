"""One object against all rules."""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from wheelwarden.api.objects import mapping_in
from wheelwarden.api.violations import Action, Violation
from wheelwarden.parsing.packages_spec import SPEC_FIELDS, Content, Reading, read_content
from wheelwarden.parsing.request import LocatedRequest, locate_request
from wheelwarden.rules.context import read_values
from wheelwarden.rules.policy import DEFAULT, Policy
from wheelwarden.rules.registry import RULES, RULES_BY_ID
from wheelwarden.rules.rule import Finding, KnownSecret, Subject, violation_finding
from wheelwarden.rules.shape import UNKNOWN_VERSION, find_unknown_version

_OFF: Final = Action.OFF  # looked up for every rule: a member of an enum costs more than a name
_NUMBER: Final = re.compile(r"([0-9]+)")
_RANK: Final[Mapping[str, int]] = {rule.id: rank for rank, rule in enumerate(RULES)}
_ON_PACKAGES: Final = tuple((rule, rule.check_packages) for rule in RULES if rule.check_packages is not None)
_ON_OBJECTS: Final = tuple((rule, rule.check) for rule in RULES if rule.check is not None)


def judge_object(
    obj: Mapping[str, Any],
    *,
    policy: Policy = DEFAULT,
    old: Mapping[str, Any] | None = None,
    secret: KnownSecret | None = None,
) -> list[Violation]:
    """Every violation of one object that nobody has read yet, as `judge` gives them. No object whatsoever makes it raise.

    Args:
        obj: a whole object, apiVersion and kind included, as the API server or a file gives it.
        policy: as for `judge`.
        old: what the object was before an update.
        secret: as for `judge`.

    Returns:
        As `judge`. Of a version that we do not know it is only said so; nothing of kinds that are not ours.
    """
    located = locate_request(obj)
    if located is None:
        return judge_version(obj, policy)
    return judge(located, policy=policy, old=None if old is None else locate_request(old), secret=secret)


def judge(
    located: LocatedRequest,
    *,
    policy: Policy = DEFAULT,
    old: LocatedRequest | None = None,
    secret: KnownSecret | None = None,
) -> list[Violation]:
    """Every violation of one request, in the order of its fields.

    Args:
        located: the request, read.
        policy: what the admin allows, its overrides included.
        old: what the object asked for before an update.
        secret: what was found of the Secret that its credentials name; None where nobody looked.

    Returns:
        Violations that deny and such that warn. None for objects that ask nothing of us, for objects that are being
        deleted, and for updates that change nothing of ours: an object that was admitted once can always be finished,
        scaled and deleted, whatever the rules say by now.
    """
    if not located.asks or mapping_in(located.obj, "metadata").get("deletionTimestamp") is not None:
        return []
    if old is not None and _same(located, old):
        return []
    policy = policy.applied_to(located.obj)
    violations = list(_judge_packages(located, policy))
    for wrong in located.wrong_annotations:
        violations += _decide(wrong.rule, policy, [violation_finding(wrong)])
    subject = Subject(located=located, policy=policy, old=old, secret=secret)
    for rule, check in _ON_OBJECTS:
        action = policy.actions.get(rule.id, rule.action)
        if action is not _OFF:
            violations += [_violation(rule.id, action, finding) for finding in check(subject)]
    if len(violations) > 1:
        violations.sort(key=lambda violation: (_place(violation.path, located.base), _RANK[violation.rule]))
    return violations


def _judge_packages(located: LocatedRequest, policy: Policy) -> Sequence[Violation]:
    if located.reading is None:
        return ()
    if located.content is None:
        return _judge_reading(located.reading, located.base, policy)
    return _judge_content(located.content, located.base, policy)


# As many as are judged again soon: at dry run, at creation, at an update of something beside them. Few, since each may
# hold a violation for every entry.
@lru_cache(maxsize=64)
def _judge_content(content: Content, base: str, policy: Policy) -> Sequence[Violation]:
    return _judge_reading(read_content(content, base), base, policy)


def _judge_reading(reading: Reading, base: str, policy: Policy) -> Sequence[Violation]:
    packages = read_values(reading, base, policy)
    violations: list[Violation] = []
    for found, findings in packages.found.items():
        violations += _decide(found, policy, findings)
    for rule, check in _ON_PACKAGES:
        action = policy.actions.get(rule.id, rule.action)
        if action is not _OFF:
            violations += [_violation(rule.id, action, finding) for finding in check(packages)]
    return tuple(violations)


def judge_version(obj: Mapping[str, Any], policy: Policy) -> list[Violation]:
    """What there is to say of an object of a guarded kind in a version that we do not know; nothing of all others."""
    finding = find_unknown_version(obj)
    return _decide(UNKNOWN_VERSION, policy.applied_to(obj), [] if finding is None else [finding])


def _decide(rule: str, policy: Policy, findings: Iterable[Finding]) -> list[Violation]:
    """The findings of a rule with the action that the policy has for it."""
    action = policy.actions.get(rule, RULES_BY_ID[rule].action)
    if action is _OFF:
        return []
    return [_violation(rule, action, finding) for finding in findings]


def _violation(rule: str, action: Action, finding: Finding) -> Violation:
    return Violation(
        rule=rule,
        action=action,
        path=finding.path,
        value=finding.value,
        reason=finding.reason,
        remedy=finding.remedy,
    )


def _same(one: LocatedRequest, other: LocatedRequest) -> bool:
    try:
        return one.own_part() == other.own_part()
    except RecursionError:
        return False


@lru_cache(maxsize=1024)
def _place(path: str, base: str) -> tuple[bool, int, list[tuple[int, str]]]:
    """Packages first, field by field; then everything else by name; entry 2 before entry 10."""
    inside = path.startswith(base)
    field = re.split(r"[.\[]", path[len(base) :].lstrip("."), maxsplit=1)[0] if inside else ""
    rank = SPEC_FIELDS.index(field) if field in SPEC_FIELDS else -1
    parts = [(int(part[:18]), "") if part.isdigit() and part.isascii() else (0, part) for part in _NUMBER.split(path)]
    return not inside, rank, parts
