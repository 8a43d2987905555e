"""The rules: pure, one table, the same for webhook, controller and CLI."""

from wheelwarden.rules.engine import judge
from wheelwarden.rules.registry import RULES, RULES_BY_ID
from wheelwarden.rules.rule import Finding, KnownSecret, Rule, Subject

__all__ = ["RULES", "RULES_BY_ID", "Finding", "KnownSecret", "Rule", "Subject", "judge"]
