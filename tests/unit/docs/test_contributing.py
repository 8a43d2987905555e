"""What CONTRIBUTING says of adding a rule is true and complete."""

import importlib
import json
import re
from pathlib import Path

import yaml

from wheelwarden.rules import RULES, registry

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "CONTRIBUTING.md").read_text()
SECTION = TEXT.split("## How to add a rule\n")[1].split("\n## ")[0]
RULES_FOLDER = ROOT / "wheelwarden" / "rules"
NEEDS_MORE_THAN_A_CASE = {"requirement-length", "secret-missing"}  # see tests/unit/rules/test_cases.py


def families() -> set[str]:
    """The modules that bring rules of their own."""
    return {
        file.stem
        for file in RULES_FOLDER.glob("*.py")
        if re.search(r"^RULES: Final = \(", file.read_text(), re.MULTILINE)
    }


def test_every_file_that_the_list_names_is_there() -> None:
    named = re.findall(r"`([A-Za-z_./-]+\.(?:py|md|json|yaml))`", SECTION)
    patterns = [name.replace("FAMILY", "*").replace("FILE", "*") for name in named]
    assert len(patterns) >= 10
    assert [pattern for pattern in patterns if not list(ROOT.glob(pattern))] == []


def test_every_family_stands_in_the_table() -> None:
    modules = {name: importlib.import_module(f"wheelwarden.rules.{name}") for name in families()}
    assert len(modules) >= 10
    assert [name for name, module in modules.items() if getattr(registry, name, None) is not module] == []
    assert {rule.id for module in modules.values() for rule in module.RULES} == {rule.id for rule in RULES}
    assert sum(len(module.RULES) for module in modules.values()) == len(RULES)


def test_no_rule_has_two_checks() -> None:
    # That one without a check is found while the packages are read is shown by its bad example, in tests/unit/rules.
    assert [rule.id for rule in RULES if rule.check and rule.check_packages] == []


def test_every_rule_has_a_case() -> None:
    text = "".join(file.read_text() for file in sorted((ROOT / "tests" / "cases").rglob("*.yaml")))
    missing = {rule.id for rule in RULES if not re.search(rf"\b{rule.id}\b", text)}
    assert missing == NEEDS_MORE_THAN_A_CASE


def test_every_rule_is_documented_and_can_be_set_in_the_chart() -> None:
    page = (ROOT / "docs" / "rules.md").read_text()
    schema = json.loads((ROOT / "charts" / "wheelwarden" / "values.schema.json").read_text())
    known = schema["$defs"]["rules"]["properties"]
    assert [rule.id for rule in RULES if f"\n## {rule.id}\n" not in page] == []
    assert set(known) == {rule.id for rule in RULES}


def test_every_rule_that_a_ready_policy_names_exists() -> None:
    folder = ROOT / "examples" / "policies"
    policies = [yaml.safe_load(file.read_text()) or {} for file in sorted(folder.glob("*.yaml"))]
    named = {rule for policy in policies for rule in policy.get("rules", {})}
    assert named <= {rule.id for rule in RULES}
