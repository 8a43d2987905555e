"""`wheelwarden verify`: are these modules importable in that running pod?"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from wheelwarden.cli import exits
from wheelwarden.cli.output import say
from wheelwarden.errors import UnusableInput
from wheelwarden.redaction import printable

HELP = "prove imports in a running pod"
DESCRIPTION = (
    "Imports modules in a container of a running pod, each in an interpreter of its own, with your own rights."
)
EPILOG = "Exit codes: 0 all imported, 1 some did not, 2 the pod could not be asked."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the subcommand."""
    parser.add_argument("pod", metavar="POD", help="name of the pod")
    parser.add_argument("modules", metavar="MODULE", nargs="+", help="module, package.module or module:attribute")
    parser.add_argument("-c", "--container", required=True, help="name of the container")
    parser.add_argument("-n", "--namespace", default="default", help="namespace of the pod (default: default)")
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text", help="text (default) or json")
    parser.add_argument("--timeout", metavar="SECONDS", type=int, default=60, help="for each module (default: 60)")
    parser.add_argument("--no-logs", action="store_true", help="fetch no container logs when an import fails")
    parser.add_argument("--kubeconfig", metavar="FILE", type=Path, help="default: as kubectl finds it")
    parser.add_argument("--context", help="context of the kubeconfig (default: the current one)")


def run(arguments: argparse.Namespace) -> int:
    """Verifies, prints, and returns the exit code.

    Raises:
        WheelwardenError: the pod is not there, not running, has no such container, or the cluster refused.
    """
    # Loaded here: no other subcommand needs the Kubernetes client behind it.
    from wheelwarden.verify import PodReference, verify_package_import

    pod = PodReference(
        namespace=arguments.namespace, name=arguments.pod, kubeconfig=arguments.kubeconfig, context=arguments.context
    )
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
