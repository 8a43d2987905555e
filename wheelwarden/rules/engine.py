"""One object against all rules."""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

from wheelwarden.api.objects import annotations_of, mapping_in
from wheelwarden.api.violations import Action, Violation
from wheelwarden.parsing.packages_spec import SPEC_FIELDS
from wheelwarden.parsing.request import asks_anything, kind_of_object, our_keys, own_part
from wheelwarden.rules.context import read_subject
from wheelwarden.rules.policy import DEFAULT, Policy
from wheelwarden.rules.registry import RULES, RULES_BY_ID
from wheelwarden.rules.rule import Finding, KnownSecret, Remarked, Reported, Rule, Subject
from wheelwarden.rules.shape import UNKNOWN_VERSION, find_unknown_version

_NUMBER: Final = re.compile(r"([0-9]+)")


def judge(
    obj: Mapping[str, Any],
    *,
    policy: Policy = DEFAULT,
    old: Mapping[str, Any] | None = None,
    secret: KnownSecret | None = None,
) -> list[Violation]:
    """Every violation of one object, in the order of its fields. No object whatsoever makes it raise.

    Args:
        obj: a whole object, apiVersion and kind included, as the API server or a file gives it.
        policy: what the admin allows, its overrides included.
        old: what the object was before an update.
        secret: what was found of the Secret that its credentials name; None where nobody looked.

    Returns:
        Violations that deny and such that warn. Of a version that we do not know it is only said so. None for kinds that
        are not ours, for objects that ask nothing of us, for objects that are being deleted, and for updates that change
        nothing of ours: an object that was admitted once can always be finished, scaled and deleted, whatever the rules
        say by now.
    """
    kind = kind_of_object(obj)
    if kind is None:
        return _judge_version(obj, policy)
    if not (asks_anything(obj) or our_keys(annotations_of(obj))):
        return []
    if mapping_in(obj, "metadata").get("deletionTimestamp") is not None:
        return []
    if old is not None and _same(own_part(obj), own_part(old)):
        return []
    policy = policy.applied_to(obj)
    subject = read_subject(obj, kind, policy, old=old, secret=secret)
    violations: list[Violation] = []
    actions = tuple(policy.actions.items())
    for rule, action, check in _active_rules(actions, bool(subject.reported), bool(subject.remarks)):
        violations += [_violation(rule.id, action, finding) for finding in check(subject)]
    # Sorting is stable, so what stands at the same place stays in the order of the table.
    return sorted(violations, key=lambda violation: _place(violation.path, subject.base)) if violations else violations


def _judge_version(obj: Mapping[str, Any], policy: Policy) -> list[Violation]:
    finding = find_unknown_version(obj)
    action = policy.applied_to(obj).actions.get(UNKNOWN_VERSION, RULES_BY_ID[UNKNOWN_VERSION].action)
    return [_violation(UNKNOWN_VERSION, action, finding)] if finding and action is not Action.OFF else []


def _violation(rule: str, action: Action, finding: Finding) -> Violation:
    return Violation(
        rule=rule,
        action=action,
        path=finding.path,
        value=finding.value,
        reason=finding.reason,
        remedy=finding.remedy,
    )


@lru_cache(maxsize=64)
def _active_rules(
    actions: tuple[tuple[str, Action], ...], any_reported: bool, any_remarked: bool
) -> tuple[tuple[Rule, Action, Callable[[Subject], Iterable[Finding]]], ...]:
    """The rules that are not off under the actions of a policy, without those that have nothing to tell."""
    given = dict(actions)
    silent = ((Reported,) if not any_reported else ()) + ((Remarked,) if not any_remarked else ())
    decided = [(rule, given.get(rule.id, rule.action), rule.check) for rule in RULES]
    return tuple(one for one in decided if one[1] is not Action.OFF and not isinstance(one[2], silent))


def _same(one: object, other: object) -> bool:
    try:
        return one == other
    except RecursionError:
        return False


def _place(path: str, base: str) -> tuple[bool, int, list[tuple[int, str]]]:
    """Packages first, field by field; then everything else by name; entry 2 before entry 10."""
    inside = path.startswith(base)
    field = re.split(r"[.\[]", path[len(base) :].lstrip("."), maxsplit=1)[0] if inside else ""
    rank = SPEC_FIELDS.index(field) if field in SPEC_FIELDS else -1
    parts = [(int(part[:18]), "") if part.isdigit() and part.isascii() else (0, part) for part in _NUMBER.split(path)]
    return not inside, rank, parts
