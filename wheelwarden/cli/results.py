"""`wheelwarden results`: the controller's results for a Notebook or KasprApp, pod by pod."""

import argparse
import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wheelwarden.api import names
from wheelwarden.api.conditions import TRUE, find
from wheelwarden.api.errors import NotFound, UnusableInput
from wheelwarden.api.kinds import WorkloadKind, all_kinds
from wheelwarden.api.objects import annotations_of, is_alive
from wheelwarden.api.redaction import printable
from wheelwarden.cli import exits
from wheelwarden.cli.clusters import add_cluster_arguments
from wheelwarden.cli.output import complain, say, say_json

HELP = "show the package and import results of a workload's pods"
DESCRIPTION = (
    "Show the state of the packages and of each import in the pods of a Notebook or KasprApp, as the Wheelwarden controller "
    "recorded it, with tracebacks of failed imports. Reads the pods with your own permissions and runs nothing in them."
)
EPILOG = (
    "Exit codes: 0 everything is verified, 1 something failed or is not verified yet, 2 there is no such object or the cluster "
    "could not be read."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the subcommand."""
    parser.add_argument("object", metavar="NAMESPACE/NAME", help=f"namespace and name of the {_kind_names()}")
    parser.add_argument(
        "--kind", choices=[kind.name for kind in all_kinds()], help="kind of the object, if two kinds have that name"
    )
    parser.add_argument(
        "-o", "--output", choices=("text", "json"), default="text", help="output format: text (default) or json"
    )
    add_cluster_arguments(parser)


def _kind_names(kinds: Sequence[WorkloadKind] = ()) -> str:
    return " or ".join(kind.name for kind in kinds or all_kinds())


def run(arguments: argparse.Namespace) -> int:
    """Read the pods, print their results, and return the exit code.

    Raises:
        WheelwardenError: there is no such object, or the cluster refused.
    """
    namespace, _, name = arguments.object.partition("/")
    if not namespace or not name or "/" in name:
        raise UnusableInput(f"{printable(arguments.object)}: give NAMESPACE/NAME, such as team-a/analysis")
    kinds = [kind for kind in all_kinds() if arguments.kind in (None, kind.name)]
    pods = asyncio.run(_read(kinds, namespace, name, arguments.kubeconfig, arguments.context))
    results = [read_pod_results(pod) for pod in pods]
    if arguments.output == "json":
        say_json(results)
    else:
        for line in describe(results):
            say(line)
    if not results:
        last_results = [
            f"; a {kind.name}'s last result is in its annotation {kind.last_result_annotation}"
            for kind in all_kinds()
            if kind.last_result_annotation
        ]
        complain(f"{arguments.object} has no running pod{''.join(last_results)}")
    verified = results and all(
        condition is None or condition["status"] == TRUE
        for result in results
        for condition in (result["packagesInstalled"], result["importsVerified"])
    )
    return exits.CLEAN if verified else exits.DENIED


def read_pod_results(pod: Mapping[str, Any]) -> dict[str, Any]:
    """Return our results on a pod: `{pod, packagesInstalled, importsVerified, python, time, modules, omitted}`.

    The conditions are `{status, reason, message}` or None. `modules` has the form that
    `wheelwarden.verify.results.write_results` writes, empty if nothing was tried yet.
    """
    conditions = (pod.get("status") or {}).get("conditions") or []
    try:
        found = json.loads(annotations_of(pod).get(names.POD_RESULTS_ANNOTATION, "{}"))
    except ValueError:
        found = {}
    found = found if isinstance(found, dict) else {}
    modules, omitted = found.get("modules"), found.get("omitted")
    return {
        "pod": pod["metadata"]["name"],
        "packagesInstalled": _condition(conditions, names.PACKAGES_INSTALLED),
        "importsVerified": _condition(conditions, names.IMPORTS_VERIFIED),
        "python": found.get("python"),
        "time": found.get("time"),
        "modules": [one for one in modules if _is_result(one)] if isinstance(modules, list) else [],
        "omitted": omitted if isinstance(omitted, int) else 0,
    }


def _is_result(value: Any) -> bool:
    """Whether an entry of the annotation is a valid result of a module: others may write anything to the pod."""
    if not isinstance(value, dict) or not isinstance(value.get("module"), str):
        return False
    return isinstance(value.get("ok"), bool) and isinstance(value.get("seconds"), int | float)


def describe(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """The results as lines for people."""
    lines = []
    for result in results:
        lines.append(f"pod {result['pod']}")
        for title, key in (("packages", "packagesInstalled"), ("imports", "importsVerified")):
            condition = result[key]
            text = f"{condition['status']}, {condition['reason']}: {condition['message']}" if condition else "no result"
            lines.append(f"  {title}: {printable(text)}")
        width = max((len(printable(module["module"])) for module in result["modules"]), default=0)
        for module in result["modules"]:
            told = (
                "ok  " + str(module.get("file") or "built in")
                if module["ok"]
                else f"{module.get('reason')}: {module.get('error')}"
            )
            lines.append(f"  {printable(module['module']):{width}}  {module['seconds']:6.2f} s  {printable(told)}")
            lines += [f"    {printable(line)}" for line in str(module.get("stderr") or "").splitlines()]
        if result["omitted"]:
            lines.append(f"  and {result['omitted']} more")
    return lines


def _condition(conditions: Sequence[Mapping[str, Any]], type_: str) -> dict[str, str] | None:
    found = find(conditions, type_)
    return {"status": found.status, "reason": found.reason, "message": found.message} if found else None


async def _read(
    kinds: Sequence[WorkloadKind], namespace: str, name: str, kubeconfig: Path | None, context: str | None
) -> list[Mapping[str, Any]]:
    """The live pods of the one object with that name. Raises UnusableInput if there is no such object, or more than one."""
    from wheelwarden.kube import PODS, Cluster, resource_for  # here, so that `check` does not load the client

    connecting = Cluster.connect(kubeconfig=kubeconfig, context=context, field_manager="wheelwarden-results")
    async with await connecting as cluster:
        found = []
        for kind in kinds:
            try:
                await cluster.get(resource_for(kind), name, namespace)
            except NotFound:
                continue  # also if the cluster does not serve the kind
            found.append(kind)
        if not found:
            raise UnusableInput(f"there is no {_kind_names(kinds)} {namespace}/{name}")
        if len(found) > 1:
            several = " and a ".join(kind.name for kind in found)
            raise UnusableInput(f"{namespace}/{name} is both a {several}: choose one with --kind")
        pods = (await cluster.list(PODS, namespace, labels=found[0].pods_of(name))).items
        return sorted((pod for pod in pods if is_alive(pod)), key=lambda pod: str(pod["metadata"]["name"]))
