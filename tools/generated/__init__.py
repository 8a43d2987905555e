"""Files that are made from the code, never edited by hand: `make generate` writes them, `make verify` compares."""

import functools
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from tools.generated import modules
from wheelwarden.api.kinds import PACKAGES_FIELD, all_kinds
from wheelwarden.api.violations import Action
from wheelwarden.cli.rules import render_markdown
from wheelwarden.rules import RULES, RULES_BY_ID
from wheelwarden.rules.cel import ANNOTATION_EXPRESSIONS, PACKAGES_EXPRESSIONS, VARIABLES, Expression
from wheelwarden.rules.policy_file import SCHEMA
from wheelwarden.rules.public_hosts import DATA, host_digest

ROOT: Final = modules.ROOT
CHART: Final = ROOT / "charts" / "wheelwarden"


def render_values_schema() -> str:
    """The chart's schema, with the policy's own in its place: a misspelt rule is told by `helm install`."""
    path = CHART / "values.schema.json"
    schema = json.loads(path.read_text())
    rules = {
        "type": "object",
        "additionalProperties": False,
        "properties": {rule.id: {"enum": [False, *(str(action) for action in Action)]} for rule in RULES},
    }
    policy = json.loads(json.dumps(SCHEMA))
    schema["$defs"]["rules"] = rules
    schema["properties"]["kinds"]["items"]["enum"] = [kind.name for kind in all_kinds()]
    for properties in (policy["properties"], policy["properties"]["overrides"]["items"]["properties"]):
        properties["rules"] = {"$ref": "#/$defs/rules"}
    schema["properties"]["policy"] = {"description": "The cluster's policy, see docs/policies.md.", **policy}
    return json.dumps(schema, indent=2) + "\n"


def render_expressions() -> str:
    """What the chart's ValidatingAdmissionPolicy holds."""
    data = {
        "variables": [{"name": name, "expression": cel} for name, cel in VARIABLES.items()],
        "packages": [_expression(one, f"{PACKAGES_FIELD}.") for one in PACKAGES_EXPRESSIONS],
        "annotations": [_expression(one, "metadata.annotations ") for one in ANNOTATION_EXPRESSIONS],
    }
    head = "# Generated from wheelwarden/rules/cel.py by `make generate`: do not edit.\n"
    return head + yaml.safe_dump(data, sort_keys=False, width=120)


def render_kinds() -> str:
    """What the chart's webhooks, selectors and rights are made of."""
    table = [
        {
            "name": kind.name,
            "group": kind.group,
            "versions": list(kind.versions),
            "plural": kind.plural,
            "podLabel": kind.pod_label,
            "packagesField": kind.packages_field,
            "objectPatched": bool(kind.last_result_annotation),
            "statusWritten": kind.conditions is not None,
        }
        for kind in all_kinds()
    ]
    head = "# Generated from wheelwarden/api/kinds by `make generate`: do not edit.\n"
    return head + yaml.safe_dump({"kinds": table}, sort_keys=False)


def _expression(expression: Expression, base: str) -> Mapping[str, Any]:
    rule = RULES_BY_ID[expression.rule]
    return {
        "rule": rule.id,
        "action": str(rule.action),
        "unless": expression.unless,
        "expression": expression.cel,
        "message": f"{base}{expression.path}: {rule.summary} [{rule.id}]",
    }


FILES: Final[Mapping[Path, Callable[[], str]]] = {
    ROOT / "docs" / "rules.md": render_markdown,
    CHART / "values.schema.json": render_values_schema,
    CHART / "files" / "expressions.yaml": render_expressions,
    CHART / "files" / "kinds.yaml": render_kinds,
} | {modules.PAGES / f"{room}.md": functools.partial(modules.render_page, room) for room in modules.ROOMS}


def stale_files() -> list[Path]:
    """Those that are not as the code would write them."""
    return [path for path, render in FILES.items() if not path.exists() or path.read_text() != render()]


def add_public_hosts(hosts: Iterable[str], path: Path = DATA) -> int:
    """Adds to the digests of public indexes, and says how many there are; the names themselves are written nowhere."""
    known = set(json.loads(path.read_text())["sha256"]) if path.exists() else set()
    known |= {host_digest(host) for host in hosts}
    path.write_text(json.dumps({"sha256": sorted(known)}, indent=2) + "\n")
    return len(known)
