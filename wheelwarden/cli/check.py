"""`wheelwarden check`: check files against the webhook's rules, without a cluster."""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from wheelwarden.api.redaction import shown
from wheelwarden.api.violations import Action, Violation
from wheelwarden.cli import exits
from wheelwarden.cli.lines import find_line
from wheelwarden.cli.manifests import Manifest, ReadSummary, read_manifests
from wheelwarden.cli.output import complain, say
from wheelwarden.cli.sarif import sarif_log
from wheelwarden.parsing.request import kind_of_object
from wheelwarden.rules import judge_object
from wheelwarden.rules.policy import DEFAULT
from wheelwarden.rules.policy_file import load_policy
from wheelwarden.rules.shape import UNKNOWN_VERSION

HELP = "check manifests against the webhook's rules, without a cluster"
DESCRIPTION = """
Check the Notebooks and KasprApps in files and folders against the rules of the Wheelwarden webhook, before you apply them.
Folders are searched recursively for *.yaml, *.yml and *.json. Objects of other kinds are skipped. An object whose API version
this release does not know is not checked and causes a warning.
"-" reads standard input, as in: helm template . | wheelwarden check -
"""
EPILOG = "Exit codes: 0 no object is denied (there may be warnings), 1 an object is denied, 2 unusable input."
ACTIONS = (Action.WARN, Action.DENY)


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgement:
    """One guarded object and its violations, each with its line."""

    manifest: Manifest
    violations: Sequence[tuple[int, Violation]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the subcommand."""
    parser.add_argument("paths", metavar="PATH", nargs="+", help='file, folder, or "-" for standard input')
    parser.add_argument(
        "-o", "--output", choices=("text", "json", "sarif"), default="text",
        help="output format: text (default), json or sarif",
    )  # fmt: skip
    parser.add_argument(
        "--policy", metavar="FILE", type=Path, help="the policy file of the cluster's admin (default: no policy)"
    )
    parser.add_argument(
        "-n", "--namespace", metavar="NAME",
        help="namespace for objects without one (a policy can differ by namespace)",
    )  # fmt: skip
    parser.add_argument(
        "--unknown-version", choices=[str(action) for action in ACTIONS], metavar="ACTION",
        help="warn (default) or deny: the action for an object with an unknown API version",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """Check the files, print the result, and return the exit code.

    Raises:
        UnusableInput: the policy file cannot be used.
    """
    policy = load_policy(arguments.policy) if arguments.policy else DEFAULT
    summary = ReadSummary()
    judgements = []
    other_kinds = 0
    for manifest in read_manifests(arguments.paths, summary):
        violations = judge_object(_in_namespace(manifest.obj, arguments.namespace), policy=policy)
        if kind_of_object(manifest.obj) is None and not violations:
            other_kinds += not isinstance(manifest.obj.get("items"), list)
            continue
        if arguments.unknown_version:
            violations = [_with_action(violation, Action(arguments.unknown_version)) for violation in violations]
        located = [(find_line(manifest, violation.path), violation) for violation in violations]
        judgements.append(Judgement(manifest=manifest, violations=located))
    if arguments.output == "json":
        say(json.dumps([_record(one, line, each) for one in judgements for line, each in one.violations], indent=2))
    elif arguments.output == "sarif":
        findings = [(one.manifest.file, line, each) for one in judgements for line, each in one.violations]
        say(json.dumps(sarif_log(findings), indent=2))
    else:
        _print_text(judgements, other_kinds, summary)
    for problem in summary.problems:
        complain(problem)
    if summary.problems:
        return exits.UNUSABLE
    denied = any(violation.action is Action.DENY for one in judgements for _, violation in one.violations)
    return exits.DENIED if denied else exits.CLEAN


def _with_action(violation: Violation, action: Action) -> Violation:
    return replace(violation, action=action) if violation.rule == UNKNOWN_VERSION else violation


def _in_namespace(obj: Mapping[str, Any], namespace: str | None) -> Mapping[str, Any]:
    """The object as kubectl would create it in that namespace."""
    metadata = obj.get("metadata")
    if not namespace or not isinstance(metadata, Mapping) or metadata.get("namespace"):
        return obj
    return {**obj, "metadata": {**metadata, "namespace": namespace}}


def _record(judgement: Judgement, line: int, violation: Violation) -> dict[str, Any]:
    manifest = judgement.manifest
    return {
        "file": manifest.file,
        "document": manifest.number,
        "line": line,
        "kind": manifest.obj["kind"],
        "namespace": _metadata(manifest, "namespace"),
        "name": _metadata(manifest, "name"),
        "rule": violation.rule,
        "action": str(violation.action),
        "path": violation.path,
        "value": violation.value,
        "reason": violation.reason,
        "remedy": violation.remedy,
        "message": violation.message,
    }


def _metadata(manifest: Manifest, key: str) -> str | None:
    metadata = manifest.obj.get("metadata")
    value = metadata.get(key) if isinstance(metadata, Mapping) else None
    return value if isinstance(value, str) else None


def _print_text(judgements: Sequence[Judgement], other_kinds: int, summary: ReadSummary) -> None:
    for judgement in judgements:
        if not judgement.violations:
            continue
        manifest = judgement.manifest
        names = [shown(name) for key in ("namespace", "name") if (name := _metadata(manifest, key))]
        say(f"{manifest.obj['kind']} {'/'.join(names) or '(without a name)'}")
        for line, violation in judgement.violations:
            value = "" if violation.value is None else f' "{violation.value}"'
            stop = "" if violation.remedy.endswith("?") else "."
            say(f"  {manifest.file}:{line}: {violation.action}: {violation.path}{value}")
            say(f"    {violation.reason}. {violation.remedy}{stop} [{violation.rule}]")
        say("")
    actions = [violation.action for judgement in judgements for _, violation in judgement.violations]
    denied = sum(
        any(violation.action is Action.DENY for _, violation in judgement.violations) for judgement in judgements
    )
    checked = sum(kind_of_object(judgement.manifest.obj) is not None for judgement in judgements)
    skipped = [_count(other_kinds, "object of another kind", "objects of other kinds")] if other_kinds else []
    if summary.non_objects:
        skipped.append(_count(summary.non_objects, "document that is not an object", "documents that are not objects"))
    if checked < len(judgements):
        skipped.append(_count(len(judgements) - checked, "object of an unknown version", "objects of unknown versions"))
    say(
        f"{_count(checked, 'object')} checked in {_count(summary.files, 'file')}"
        f"{', skipped: ' + ', '.join(skipped) if skipped else ''}. "
        f"{_count(denied, 'object')} denied with {_count(actions.count(Action.DENY), 'violation')}, "
        f"{_count(actions.count(Action.WARN), 'warning')}."
    )


def _count(count: int, one: str, many: str | None = None) -> str:
    return f"{count} {one if count == 1 else many or one + 's'}"
