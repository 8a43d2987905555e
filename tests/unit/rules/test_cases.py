"""The case table through the pure rules."""

import pytest

from tests.cases import Case, load_cases
from wheelwarden.rules import RULES, judge_object


@pytest.mark.parametrize("case", load_cases(), ids=lambda case: case.id)
def test_every_violation_is_found_in_the_order_of_the_fields(case: Case) -> None:
    violations = judge_object(case.obj, policy=case.policy, old=case.old)
    found = tuple((str(violation.action), violation.rule, violation.path) for violation in violations)
    assert found == case.expected


def test_the_table_has_a_case_for_every_rule() -> None:
    covered = {rule for case in load_cases() for _, rule, _ in case.expected}
    # The first needs more text than a table should hold, the other a cluster; test_rules.py has them.
    assert covered | {"requirement-length", "secret-missing"} == {rule.id for rule in RULES}
