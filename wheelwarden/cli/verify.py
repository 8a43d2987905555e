"""`wheelwarden verify`: are these modules importable in that running pod?"""

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

HELP = "prove imports in a running pod"
DESCRIPTION = (
    "Imports modules in a container of a running pod, each in an interpreter of its own, with your own rights. "
    "With --profile reliability it tries how surely they import: in any order, at once, under load, again and again. That is "
    "done in a pod made like the one named, which is deleted again."
)
EPILOG = (
    "Exit codes: 0 all imported (all checks hold), 1 some did not, 2 the pod could not be asked or nothing could be tried "
    "in it, 130 and 143 after Ctrl-C and SIGTERM."
)
# Options of the profile, by their attribute.
PROFILE_OPTIONS: Final = ("in_place", "path", "call", "budget_ms", "growth_limit", "workers", "each", "rounds")


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
    profile.add_argument(
        "--in-place", action="store_true", default=None, help="in the named pod itself, which costs what runs there"
    )
    profile.add_argument("--path", metavar="FOLDER", action="append", help="put before sys.path; may be repeated")
    profile.add_argument(
        "--call", action="store_true", default=None, help="also call the attributes, without arguments"
    )
    profile.add_argument("--budget-ms", metavar="MS", type=float, help="that an import may take (default: 100)")
    profile.add_argument(
        "--growth-limit", metavar="KIB", type=int, help="that memory may grow over 100 imports (default: 1024)"
    )
    profile.add_argument("--workers", metavar="N", type=int, help="interpreters of the stress (default: 10)")
    profile.add_argument("--each", metavar="N", type=int, help="imports of each of them (default: 50)")
    profile.add_argument("--rounds", metavar="N", type=int, help="how often each check is repeated (default: 3)")


def _profile_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """Those of the profile's options that were given, by their name on the command line."""
    given = {name: getattr(arguments, name) for name in PROFILE_OPTIONS}
    return {f"--{name.replace('_', '-')}": value for name, value in given.items() if value is not None}


def run(arguments: argparse.Namespace) -> int:
    """Verifies, prints, and returns the exit code.

    Raises:
        WheelwardenError: the pod is not there, not running, has no such container, or the cluster refused.
    """
    # Loaded here: no other subcommand needs the Kubernetes client behind it.
    from wheelwarden.cli.interrupts import Interrupted
    from wheelwarden.kube import default_namespace
    from wheelwarden.verify import PodReference
    from wheelwarden.verify.contract import validate

    namespace = arguments.namespace or default_namespace(arguments.kubeconfig, arguments.context)
    pod = PodReference(
        namespace=namespace, name=arguments.pod, kubeconfig=arguments.kubeconfig, context=arguments.context
    )
    if not arguments.profile and (misplaced := _profile_options(arguments)):
        raise UnusableInput(f"{', '.join(misplaced)}: only with --profile reliability; add that, or leave it out")
    if arguments.output == "junit" and not arguments.profile:
        raise UnusableInput("-o junit is for --profile reliability; `wheelwarden test-image` has it too")
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
    """A line for each module, then what the failed ones printed, then the container's log."""
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
        pod, arguments.container, profile, in_place=in_place, tell=lambda line: note(printable(line))
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
