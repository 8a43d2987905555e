"""The rules: pure, one table, the same for webhook, controller and CLI."""

from wheelwarden.rules.judgement import judge
from wheelwarden.rules.rule import Finding, KnownSecret, Rule, Subject
from wheelwarden.rules.table import RULES, RULES_BY_ID

__all__ = ["RULES", "RULES_BY_ID", "Finding", "KnownSecret", "Rule", "Subject", "judge"]
