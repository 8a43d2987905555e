"""`wheelwarden rules`: list all rules."""

import argparse
import json
from pathlib import Path

from wheelwarden.cli import exits
from wheelwarden.cli.output import say
from wheelwarden.rules import RULES
from wheelwarden.rules.policy import DEFAULT, Policy
from wheelwarden.rules.policy_file import load_policy

HELP = "list all rules"
DESCRIPTION = (
    "Print every rule: its id, its action if a manifest violates it (deny, warn or off), and what it requires. "
    "-o json and -o markdown include examples."
)
EPILOG = ""
EXAMPLE_LENGTH = 200  # characters; longer examples are cut


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the subcommand."""
    parser.add_argument(
        "-o", "--output", choices=("text", "json", "markdown"), default="text",
        help="output format: text (default), json or markdown",
    )  # fmt: skip
    parser.add_argument("--policy", metavar="FILE", type=Path, help="show the actions that this policy file sets")


def run(arguments: argparse.Namespace) -> int:
    """Print the rules, and return the exit code.

    Raises:
        UnusableInput: the policy file cannot be used.
    """
    policy = load_policy(arguments.policy) if arguments.policy else DEFAULT
    actions = {rule.id: str(policy.actions.get(rule.id, rule.action)) for rule in RULES}
    if arguments.output == "json":
        table = [
            {
                "id": rule.id,
                "action": actions[rule.id],
                "summary": rule.summary,
                "bad": rule.bad,
                "good": rule.good,
                "policy": rule.policy,
                "before": rule.before,
            }
            for rule in RULES
        ]
        say(json.dumps(table, indent=2))
        return exits.CLEAN
    if arguments.output == "markdown":
        say(render_markdown(policy), end="")
        return exits.CLEAN
    width = max(len(rule.id) for rule in RULES)
    for rule in RULES:
        say(f"{rule.id:{width}}  {actions[rule.id]:4}  {rule.summary}")
    return exits.CLEAN


def render_markdown(policy: Policy = DEFAULT) -> str:
    """The rules as a page, each with a bad and a good example."""
    lines = [
        "# Rules",
        "",
        "Generated from the code by `wheelwarden rules -o markdown`. Webhook, controller and `wheelwarden check` apply these",
        "rules. An action is `deny`, `warn` or `off`; a policy can change it (see policies.md). An example is a",
        "`pythonPackages`, or a whole object if it has `metadata` or `spec`.",
        "",
        "| rule | action | what it requires |",
        "|---|---|---|",
    ]
    for rule in RULES:
        action = policy.actions.get(rule.id, rule.action)
        lines.append(f"| [`{rule.id}`](#{rule.id}) | {action} | {rule.summary.replace('|', '/')} |")
    for rule in RULES:
        lines += [
            "",
            f"## {rule.id}",
            "",
            f"{rule.summary}. Action: {policy.actions.get(rule.id, rule.action)}.",
            "",
            "```yaml",
        ]
        if rule.policy:
            lines.append(f"# with the policy {{{rule.policy}}}")
        if rule.before:
            lines.append(f"before: {_cut(rule.before)}")
        lines += [f"bad: {_cut(rule.bad)}", f"good: {_cut(rule.good)}", "```"]
    return "\n".join(lines) + "\n"


def _cut(example: str) -> str:
    return example if len(example) <= EXAMPLE_LENGTH else f"{example[: EXAMPLE_LENGTH - 1]}…"
