"""SARIF 2.1.0 (OASIS), the format from which code hosts show findings at their lines."""

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final
from urllib.parse import quote

from wheelwarden.api.violations import Action, Violation
from wheelwarden.rules import RULES_BY_ID

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS: Final = {Action.DENY: "error", Action.WARN: "warning"}


def sarif_log(findings: Iterable[tuple[str, int, Violation]]) -> dict[str, Any]:
    """Return the log of one run.

    Args:
        findings: file, line (from 1) and violation of each finding. The file is a path as given on the command line, or
            `<stdin>` for standard input.
    """
    findings = list(findings)
    used = list(dict.fromkeys(violation.rule for _, _, violation in findings))
    driver = {
        "name": "wheelwarden",
        "version": _version(),
        "rules": [
            {
                "id": rule,
                "shortDescription": {"text": RULES_BY_ID[rule].summary},
                "defaultConfiguration": {"level": _LEVELS.get(RULES_BY_ID[rule].action, "none")},
                "help": {"text": f"Bad: {RULES_BY_ID[rule].bad}\nGood: {RULES_BY_ID[rule].good}"},
            }
            for rule in used
        ],
    }
    results = [
        {
            "ruleId": violation.rule,
            "ruleIndex": used.index(violation.rule),
            "level": _LEVELS[violation.action],
            "message": {"text": violation.message},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": "stdin" if file == "<stdin>" else quote(file)},
                        "region": {"startLine": line},
                    },
                    "logicalLocations": [{"fullyQualifiedName": violation.path}],
                }
            ],
        }
        for file, line, violation in findings
    ]
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}


def _version() -> str:
    try:
        return version("wheelwarden")
    except PackageNotFoundError:  # a checkout that is not installed
        return "0"
