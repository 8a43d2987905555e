"""`wheelwarden verify`: are these modules importable in that running pod?"""

import argparse
import asyncio
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from wheelwarden.cli import exits
from wheelwarden.cli.clusters import add_cluster_arguments
from wheelwarden.cli.output import complain, note, say
from wheelwarden.errors import UnusableInput
from wheelwarden.redaction import printable

if TYPE_CHECKING:
    from wheelwarden.verify import PodReference

HELP = "prove imports in a running pod"
DESCRIPTION = (
    "Imports modules in a container of a running pod, each in an interpreter of its own, with your own rights. "
    "With --profile reliability it tries how surely they import: in any order, at once, under load, again and again. That is "
    "done in a pod made like the one named, which is deleted again."
)
EPILOG = "Exit codes: 0 all imported (all checks hold), 1 some did not, 2 the pod could not be asked."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the subcommand."""
    parser.add_argument("pod", metavar="POD", help="name of the pod")
    parser.add_argument("modules", metavar="MODULE", nargs="+", help="module, package.module or module:attribute")
    parser.add_argument("-c", "--container", required=True, help="name of the container")
    parser.add_argument(
        "-n", "--namespace", help="namespace of the pod (default: that of the context, as kubectl has it)"
    )
    parser.add_argument(
        "-o", "--output", choices=("text", "json", "junit"), default="text",
        help="text (default) or json; with a profile also junit",
    )  # fmt: skip
    parser.add_argument("--timeout", metavar="SECONDS", type=int, default=60, help="for each module (default: 60)")
    parser.add_argument("--no-logs", action="store_true", help="fetch no container logs when an import fails")
    add_cluster_arguments(parser)
    profile = parser.add_argument_group("the reliability profile")
    profile.add_argument("--profile", choices=("reliability",), help="try more than one import of each")
    profile.add_argument("--in-place", action="store_true", help="in the named pod itself, which costs what runs there")
    profile.add_argument(
        "--path", metavar="FOLDER", action="append", default=[], help="put before sys.path; may be repeated"
    )
    profile.add_argument("--call", action="store_true", help="also call the attributes, without arguments")
    profile.add_argument(
        "--budget-ms", metavar="MS", type=float, default=100, help="that an import may take (default: 100)"
    )
    profile.add_argument(
        "--growth-limit", metavar="KIB", type=int, default=1024,
        help="that memory may grow over 100 imports (default: 1024)",
    )  # fmt: skip
    profile.add_argument(
        "--workers", metavar="N", type=int, default=10, help="interpreters of the stress (default: 10)"
    )
    profile.add_argument("--each", metavar="N", type=int, default=50, help="imports of each of them (default: 50)")


def run(arguments: argparse.Namespace) -> int:
    """Verifies, prints, and returns the exit code.

    Raises:
        WheelwardenError: the pod is not there, not running, has no such container, or the cluster refused.
    """
    # Loaded here: no other subcommand needs the Kubernetes client behind it.
    from wheelwarden.kube import default_namespace
    from wheelwarden.verify import PodReference, verify_package_import

    namespace = arguments.namespace or default_namespace(arguments.kubeconfig, arguments.context)
    pod = PodReference(
        namespace=namespace, name=arguments.pod, kubeconfig=arguments.kubeconfig, context=arguments.context
    )
    if arguments.profile:
        return _run_profile(arguments, pod)
    if arguments.output == "junit":
        raise UnusableInput("-o junit is for --profile reliability; `wheelwarden test-image` has it too")
    try:
        results = verify_package_import(
            pod, arguments.container, arguments.modules, arguments.timeout, not arguments.no_logs
        )
    except ValueError as error:
        raise UnusableInput(str(error)) from error
    if arguments.output == "json":
        say(json.dumps([asdict(result) for result in results.values()], indent=2))
    else:
        width = max(len(name) for name in results)
        for name, result in results.items():
            outcome = "ok" if result.import_successful else f"failed: {printable(result.error_message or '')}"
            say(f"{name:{width}}  {result.execution_time_seconds:6.2f} s  {outcome}")
    return exits.CLEAN if all(result.import_successful for result in results.values()) else exits.DENIED


def _run_profile(arguments: argparse.Namespace, pod: "PodReference") -> int:
    from wheelwarden.cli.interrupts import Interrupted, interruptible
    from wheelwarden.cli.reliability_report import junit, record, text
    from wheelwarden.verify.contract import validate
    from wheelwarden.verify.reliability import Profile
    from wheelwarden.verify.reliability_run import run_reliability

    try:
        validate(arguments.modules, arguments.timeout)
    except ValueError as error:
        raise UnusableInput(str(error)) from error
    numbers = {"--budget-ms": arguments.budget_ms, "--workers": arguments.workers, "--each": arguments.each}
    for option, value in numbers.items():
        if value <= 0:
            raise UnusableInput(f"{option} {value:g}: it must be more than 0")
    profile = Profile(
        modules=tuple(arguments.modules),
        path=tuple(arguments.path),
        call=arguments.call,
        budget_ms=arguments.budget_ms,
        growth_limit_bytes=arguments.growth_limit << 10,
        workers=arguments.workers,
        each=arguments.each,
        deadline_seconds=arguments.timeout,
    )
    work = run_reliability(
        pod, arguments.container, profile, in_place=arguments.in_place, tell=lambda line: note(printable(line))
    )
    try:
        found = asyncio.run(interruptible(work))
    except Interrupted as interrupt:
        complain(f"interrupted by {interrupt}")
        return interrupt.exit_code
    if arguments.output == "json":
        say(json.dumps(record(found), indent=2))
    elif arguments.output == "junit":
        say(junit(found, f"{pod.namespace}/{pod.name}"))
    else:
        for line in text(found):
            say(line)
    return exits.CLEAN if found.holds else exits.DENIED
