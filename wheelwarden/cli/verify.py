"""`wheelwarden verify`: check that modules can be imported in a running pod."""

import argparse
import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from wheelwarden.api.conditions import Reason
from wheelwarden.api.errors import UnusableInput
from wheelwarden.api.redaction import printable
from wheelwarden.cli import exits
from wheelwarden.cli.clusters import add_cluster_arguments
from wheelwarden.cli.output import complain, note, say, say_json

if TYPE_CHECKING:
    from wheelwarden.verify import PackageVerificationResult, PodReference

HELP = "verify imports in a running pod"
DESCRIPTION = (
    "Import modules in a container of a running pod, each in a Python interpreter of its own, with your own permissions on "
    "the cluster. With --profile reliability, also check that they import reliably: in any order, in parallel, under load and "
    "repeatedly. These checks run in a temporary copy of the pod, which is deleted afterwards."
)
EPILOG = (
    "Exit codes: 0 all modules were imported (or all checks passed), 1 an import or a check failed, 2 the pod could not be "
    "used or nothing could be tried in it, 130 and 143 after Ctrl-C and SIGTERM."
)
# Options of the profile, by their attribute.
PROFILE_OPTIONS: Final = ("in_place", "path", "call", "budget_ms", "growth_limit", "workers", "each", "rounds")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the subcommand."""
    parser.add_argument("pod", metavar="POD", help="name of the pod")
    parser.add_argument(
        "modules", metavar="MODULE", nargs="+", help="what to import: module, package.module or module:attribute"
    )
    parser.add_argument("-c", "--container", required=True, help="name of the container")
    parser.add_argument(
        "-n", "--namespace", help="namespace of the pod (default: that of the kubeconfig's context, as for kubectl)"
    )
    parser.add_argument(
        "-o", "--output", choices=("text", "json", "junit"), default="text",
        help="output format: text (default) or json; with --profile also junit",
    )  # fmt: skip
    parser.add_argument(
        "--timeout", metavar="SECONDS", type=int, default=60, help="time for the import of each module (default: 60)"
    )
    parser.add_argument("--no-logs", action="store_true", help="do not fetch the container's log if an import fails")
    add_cluster_arguments(parser)
    profile = parser.add_argument_group("reliability profile")
    profile.add_argument(
        "--profile", choices=("reliability",), help="run the reliability checks instead of single imports"
    )
    profile.add_argument(
        "--in-place", action="store_true", default=None,
        help="run in the pod itself, which takes CPU and memory from the running workload",
    )  # fmt: skip
    profile.add_argument(
        "--path", metavar="FOLDER", action="append", help="folder to put before sys.path; may be repeated"
    )
    profile.add_argument(
        "--call", action="store_true", default=None, help="also call the attributes, without arguments"
    )
    profile.add_argument(
        "--budget-ms", metavar="MS", type=float, help="time limit for one import, in milliseconds (default: 100)"
    )
    profile.add_argument(
        "--growth-limit", metavar="KIB", type=int,
        help="limit for the growth of memory over 100 imports, in KiB (default: 1024)",
    )  # fmt: skip
    profile.add_argument(
        "--workers", metavar="N", type=int, help="number of interpreters in the stress check (default: 10)"
    )
    profile.add_argument(
        "--each", metavar="N", type=int, help="number of imports by each of these interpreters (default: 50)"
    )
    profile.add_argument("--rounds", metavar="N", type=int, help="how often each check is repeated (default: 3)")


def _profile_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """The given options of the profile, by their names on the command line."""
    given = {name: getattr(arguments, name) for name in PROFILE_OPTIONS}
    return {f"--{name.replace('_', '-')}": value for name, value in given.items() if value is not None}


def run(arguments: argparse.Namespace) -> int:
    """Verify the imports, print the results, and return the exit code.

    Raises:
        WheelwardenError: the pod does not exist, is not running or has no such container, or the cluster refused.
    """
    # Imported here, so that `check` does not load the Kubernetes client.
    from wheelwarden.cli.interrupts import Interrupted
    from wheelwarden.kube import default_namespace
    from wheelwarden.verify import PodReference
    from wheelwarden.verify.contract import validate

    namespace = arguments.namespace or default_namespace(arguments.kubeconfig, arguments.context)
    pod = PodReference(
        namespace=namespace, name=arguments.pod, kubeconfig=arguments.kubeconfig, context=arguments.context
    )
    if not arguments.profile and (misplaced := _profile_options(arguments)):
        raise UnusableInput(f"{', '.join(misplaced)}: only with --profile reliability; add it, or leave this out")
    if arguments.output == "junit" and not arguments.profile:
        raise UnusableInput("-o junit: only with --profile reliability; `wheelwarden test-image` also has it")
    try:
        validate(arguments.modules, arguments.timeout)
    except ValueError as error:
        raise UnusableInput(str(error)) from error
    if arguments.profile and arguments.no_logs:
        note("--no-logs is ignored: with --profile reliability no logs are fetched")
    try:
        return _run_profile(arguments, pod) if arguments.profile else _run_imports(arguments, pod)
    except Interrupted as interrupt:
        complain(f"interrupted by {interrupt}")
        return interrupt.exit_code


def _run_imports(arguments: argparse.Namespace, pod: "PodReference") -> int:
    from wheelwarden.cli.interrupts import interruptible
    from wheelwarden.verify import verify_package_import_async

    work = verify_package_import_async(
        pod, arguments.container, arguments.modules, arguments.timeout, not arguments.no_logs
    )
    results = asyncio.run(interruptible(work))
    if arguments.output == "json":
        say_json([asdict(result) for result in results.values()])
    else:
        for line in _text(results, arguments.container):
            say(line)
    if all(result.reason == Reason.PROBE_FAILED for result in results.values()):
        complain("nothing could be tried in the pod")
        return exits.UNUSABLE
    return exits.CLEAN if all(result.import_successful for result in results.values()) else exits.DENIED


def _text(results: Mapping[str, "PackageVerificationResult"], container: str) -> Iterator[str]:
    """Yield a line for each module, then the output of the failed ones, then the container's log."""
    width = max(len(name) for name in results)
    for name, result in results.items():
        outcome = "ok" if result.import_successful else f"failed: {printable(result.error_message or '')}"
        yield f"{name:{width}}  {result.execution_time_seconds:6.2f} s  {outcome}"
    failed = [result for result in results.values() if not result.import_successful]
    for result in failed:
        yield from _block(f"{result.package_name}: stderr", result.stderr)
        yield from _block(f"{result.package_name}: stdout", result.stdout)
    if failed:
        yield from _block(f"Log of container {container}", failed[0].pod_logs or "")


def _block(title: str, text: str) -> Iterator[str]:
    from wheelwarden.verify.image_test.reference import clean

    if text.strip():
        yield ""
        yield f"{title}:"
        yield from (f"  {line}" for line in clean(text).splitlines())


def _run_profile(arguments: argparse.Namespace, pod: "PodReference") -> int:
    from wheelwarden.cli.interrupts import interruptible
    from wheelwarden.cli.reliability_report import junit, record, text
    from wheelwarden.verify.reliability import Profile
    from wheelwarden.verify.reliability_run import run_reliability

    options = _profile_options(arguments)
    for option in ("--budget-ms", "--growth-limit", "--workers", "--each", "--rounds"):
        if options.get(option, 1) <= 0:
            raise UnusableInput(f"{option} {options[option]:g}: it must be more than 0")
    in_place = bool(options.pop("--in-place", False))
    if "--growth-limit" in options:
        options["--growth-limit-bytes"] = options.pop("--growth-limit") << 10
    fields = {option.strip("-").replace("-", "_"): value for option, value in options.items()}
    fields["path"] = tuple(fields.get("path", ()))
    profile = Profile(modules=tuple(arguments.modules), deadline_seconds=arguments.timeout, **fields)
    work = run_reliability(
        pod, arguments.container, profile, in_place=in_place, report=lambda line: note(printable(line))
    )
    found = asyncio.run(interruptible(work))
    if arguments.output == "json":
        say_json(record(found))
    elif arguments.output == "junit":
        say(junit(found, f"{pod.namespace}/{pod.name}"))
    else:
        for line in text(found):
            say(line)
    return exits.CLEAN if found.holds else exits.DENIED
