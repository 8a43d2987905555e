"""`wheelwarden test-image`: does this image start on the cluster, and can these modules be imported in it?"""

import argparse
import asyncio
import logging
import secrets
import shlex
from typing import TYPE_CHECKING, Final

from wheelwarden.api.errors import Forbidden, Invalid, KubeError, Unreachable, UnusableInput
from wheelwarden.api.redaction import printable, shown
from wheelwarden.cli import exits
from wheelwarden.cli.clusters import add_cluster_arguments
from wheelwarden.cli.output import complain, note, say, say_json

if TYPE_CHECKING:
    from wheelwarden.verify.image_test.configuration import CustomImageTestConfiguration
    from wheelwarden.verify.image_test.diagnosis import PodDiagnosticInfo
    from wheelwarden.verify.image_test.run import Passed

HELP = "start an image on the cluster and prove imports in it"
DESCRIPTION = (
    "Makes a pod from an image, waits until it is ready, imports modules in it, and deletes it again, with your own rights. "
    "Progress goes to standard error."
)
EPILOG = (
    "Exit codes: 0 all imported, 1 the image did not start or an import failed, 2 unusable input or the cluster could not "
    "be asked."
)

NOTEBOOK_PORT: Final = 8888  # where a Notebook's server has to listen (Kubeflow, "Container Images")
# The options behind the fields of the configuration, for its faults.
_OPTIONS: Final = {
    "namespace": "--namespace",
    "notebook_name": "--name",
    "custom_image": "IMAGE",
    "packages_to_verify": "--packages",
    "timeout_pod_ready": "--timeout",
    "timeout_command": "--verify-timeout",
    "auth_annotations": "--auth-annotation",
    "port": "--port",
    "cpu": "--cpu",
    "memory": "--memory",
    "user": "--user",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the subcommand."""
    parser.add_argument("image", metavar="IMAGE", help="REGISTRY/REPOSITORY:TAG, or with @DIGEST")
    parser.add_argument(
        "--packages", metavar="MODULES", required=True, help="module, package.module or module:attribute, by comma"
    )
    parser.add_argument(
        "--notebook", action="store_true", help="make a Kubeflow Notebook with the image's own command, not a plain Pod"
    )
    parser.add_argument(
        "-n", "--namespace", default="test-images", help="begins with test- (default: test-images); it must be there"
    )
    parser.add_argument(
        "--create-namespace", action="store_true", help="make the namespace where it is not there, and delete it again"
    )
    parser.add_argument("--name", help="of the Pod or Notebook (default: image-test- and a random number)")
    parser.add_argument(
        "--timeout", metavar="SECONDS", type=int, default=600, help="until it is ready, 60 to 900 (default: 600)"
    )
    parser.add_argument(
        "--verify-timeout", metavar="SECONDS", type=int, default=60, help="for each module, 10 to 300 (default: 60)"
    )
    parser.add_argument(
        "--command", metavar="COMMAND", default="", help="what the container runs, as a shell would split it"
    )
    parser.add_argument(
        "--port",
        type=int,
        help=f"ready once it listens there; 0: once it runs (default: {NOTEBOOK_PORT} with --notebook, else 0)",
    )
    parser.add_argument("--cpu", metavar="QUANTITY", help="request and limit, such as 500m")
    parser.add_argument("--memory", metavar="QUANTITY", help="request and limit, such as 2Gi")
    parser.add_argument("--user", metavar="UID", type=int, help="numeric user to run as (default: the image's own)")
    parser.add_argument(
        "--auth-annotation",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="put on the Notebook, such as notebooks.opendatahub.io/inject-auth=true; may be repeated",
    )
    parser.add_argument(
        "-o", "--output", choices=("text", "json", "junit"), default="text", help="text (default), json or junit"
    )
    parser.add_argument("--keep", action="store_true", help="delete nothing")
    add_cluster_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Tests the image, prints, and returns the exit code.

    Raises:
        WheelwardenError: the arguments cannot be used, or the cluster could not be asked.
    """
    # Loaded here: no other subcommand but verify needs the Kubernetes client behind it.
    from wheelwarden.cli.image_report import is_passed, junit_xml, record, text
    from wheelwarden.cli.interrupts import Interrupted, interruptible
    from wheelwarden.verify.image_test.configuration import InvalidConfiguration
    from wheelwarden.verify.image_test.run import run_image_test
    from wheelwarden.verify.image_test.states import PodFailure

    # Nobody has set up logging here, and Python would print warnings as they are, in between ours.
    logging.getLogger("wheelwarden").addHandler(logging.NullHandler())
    problems: list[str] = []
    try:
        configuration = _configuration(arguments, problems)
    except InvalidConfiguration as error:
        problems += [_with_option(fault.message) for fault in error.faults]
    if problems:
        for problem in problems:
            complain(problem)
        return exits.UNUSABLE
    work = run_image_test(
        configuration,
        kubeconfig=arguments.kubeconfig,
        context=arguments.context,
        tell=lambda line: note(printable(line)),
        create_namespace=arguments.create_namespace,
        keep=arguments.keep,
    )
    outcome: Passed | PodDiagnosticInfo
    try:
        outcome = asyncio.run(interruptible(work))
    except PodFailure as failure:
        outcome = failure.diagnostics
    except Interrupted as interrupt:
        complain(f"interrupted by {interrupt}")
        return interrupt.exit_code
    except KubeError as error:
        raise UnusableInput(f"the image was not tested: {explain(error)}") from error
    if arguments.output == "junit":
        say(junit_xml(configuration, outcome))
    elif arguments.output == "json":
        say_json(record(configuration, outcome))
    else:
        say("\n".join(text(configuration, outcome)))
    return exits.CLEAN if is_passed(outcome) else exits.DENIED


def explain(error: KubeError) -> str:
    """An API server's refusal with what to do about it."""
    message = printable(str(error)).rstrip(".")
    if "violates PodSecurity" in message:
        return f"{message}. Say by --user which user other than root it can run as, or use another namespace."
    if "exceeded quota" in message or "must specify" in message:
        return f"{message}. Say by --cpu and --memory what it may use, or have the quota raised."
    if isinstance(error, Forbidden):
        return f"{message}. Ask for the right to create, read and delete pods and to exec in them there."
    if isinstance(error, Invalid):
        return f"{message}. The API server or one of its webhooks refused it: change what it names."
    if isinstance(error, Unreachable):
        return f"{message}. See whether `kubectl get pods` gets an answer, and try again."
    return f"{message}. Try again."


def _configuration(arguments: argparse.Namespace, problems: list[str]) -> "CustomImageTestConfiguration":
    """What is asked for; what cannot even be taken apart goes to `problems`, and the rest is checked all the same."""
    from wheelwarden.verify.image_test.configuration import CustomImageTestConfiguration

    command: list[str] = []
    try:
        command = shlex.split(arguments.command)
    except ValueError as error:
        problems.append(f"--command: it cannot be split into words ({error}). Close its quotes.")
    annotations = {}
    for pair in arguments.auth_annotation:
        key, equals, value = pair.partition("=")
        if equals:
            annotations[key] = value
        else:
            problems.append(f'--auth-annotation "{shown(pair)}": there is no "=" in it. Write KEY=VALUE.')
    port = NOTEBOOK_PORT if arguments.port is None and arguments.notebook else arguments.port
    return CustomImageTestConfiguration(
        namespace=arguments.namespace,
        notebook_name=arguments.name or f"image-test-{secrets.token_hex(4)}",
        custom_image=arguments.image,
        packages_to_verify=tuple(module.strip() for module in arguments.packages.split(",")),
        timeout_pod_ready=arguments.timeout,
        timeout_command=arguments.verify_timeout,
        auth_annotations=annotations,
        as_notebook=arguments.notebook,
        command=tuple(command),
        port=port or None,
        cpu=arguments.cpu,
        memory=arguments.memory,
        user=arguments.user,
    )


def _with_option(message: str) -> str:
    """A fault's message that begins with the option, not with the field behind it."""
    for field, option in _OPTIONS.items():
        if message.startswith(field):
            return option + message.removeprefix(field)
    return message
