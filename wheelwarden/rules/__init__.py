"""The rules: pure, one table, the same for webhook, controller and CLI."""

from wheelwarden.rules.engine import judge, judge_object, judge_version
from wheelwarden.rules.registry import RULES, RULES_BY_ID
from wheelwarden.rules.rule import Finding, KnownSecret, Packages, Rule, Subject

__all__ = [
    "RULES",
    "RULES_BY_ID",
    "Finding",
    "KnownSecret",
    "Packages",
    "Rule",
    "Subject",
    "judge",
    "judge_object",
    "judge_version",
]
