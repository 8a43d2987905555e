"""`wheelwarden rules`: the table of all rules."""

import argparse
import json
from pathlib import Path

from wheelwarden.cli import exits
from wheelwarden.cli.output import say
from wheelwarden.policy import DEFAULT, load_policy
from wheelwarden.rules import RULES

HELP = "print the table of all rules"
DESCRIPTION = (
    "Prints every rule: its id, what follows from breaking it, and what it asks for. Examples stand in -o json."
)
EPILOG = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the subcommand."""
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text", help="text (default) or json")
    parser.add_argument("--policy", metavar="FILE", type=Path, help="show the actions as this policy file sets them")


def run(arguments: argparse.Namespace) -> int:
    """Prints the table, and returns the exit code.

    Raises:
        UnusableInput: the policy file is not usable.
    """
    policy = load_policy(arguments.policy) if arguments.policy else DEFAULT
    actions = {rule.id: str(policy.actions.get(rule.id, rule.action)) for rule in RULES}
    if arguments.output == "json":
        table = [
            {"id": rule.id, "action": actions[rule.id], "summary": rule.summary, "bad": rule.bad, "good": rule.good}
            for rule in RULES
        ]
        say(json.dumps(table, indent=2))
        return exits.CLEAN
    width = max(len(rule.id) for rule in RULES)
    for rule in RULES:
        say(f"{rule.id:{width}}  {actions[rule.id]:4}  {rule.summary}")
    return exits.CLEAN
