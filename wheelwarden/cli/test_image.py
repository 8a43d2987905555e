"""`wheelwarden test-image`: check that an image starts on the cluster and that modules can be imported in it."""

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
    from wheelwarden.verify.image_test.run import ImageTestResult

HELP = "start an image on the cluster and verify imports in it"
DESCRIPTION = (
    "Create a pod from an image, wait until it is ready, import modules in it, and delete it again, with your own permissions "
    "on the cluster. Progress is printed to standard error."
)
EPILOG = (
    "Exit codes: 0 all modules were imported, 1 the image did not start or an import failed, 2 unusable input or the cluster "
    "could not be used, 130 and 143 after Ctrl-C and SIGTERM."
)

NOTEBOOK_PORT: Final = 8888  # where a Notebook's server must listen (Kubeflow, "Container Images")
# The option for each field of the configuration, for messages about its faults.
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
    parser.add_argument("image", metavar="IMAGE", help="the image: REGISTRY/REPOSITORY:TAG, or with @DIGEST")
    parser.add_argument(
        "--packages", metavar="MODULES", required=True,
        help="modules to import, separated by commas: module, package.module or module:attribute",
    )  # fmt: skip
    parser.add_argument(
        "--notebook", action="store_true",
        help="create a Kubeflow Notebook that runs the image's own command, not a plain Pod",
    )  # fmt: skip
    parser.add_argument(
        "-n", "--namespace", default="test-images",
        help="namespace of the test, which must exist and begin with test- (default: test-images)",
    )  # fmt: skip
    parser.add_argument(
        "--create-namespace", action="store_true",
        help="create the namespace if it does not exist, and delete it afterwards",
    )  # fmt: skip
    parser.add_argument("--name", help="name of the Pod or Notebook (default: image-test- and a random number)")
    parser.add_argument(
        "--timeout", metavar="SECONDS", type=int, default=600,
        help="time for the pod to become ready, 60 to 900 (default: 600)",
    )  # fmt: skip
    parser.add_argument(
        "--verify-timeout", metavar="SECONDS", type=int, default=60,
        help="time for the import of each module, 10 to 300 (default: 60)",
    )  # fmt: skip
    parser.add_argument(
        "--command", metavar="COMMAND", default="",
        help="command of the container, split like in a shell (default: the image's own with --notebook, else sleep)",
    )  # fmt: skip
    parser.add_argument(
        "--port",
        type=int,
        help="the pod is ready when it accepts connections on this port; 0: when it runs "
        f"(default: {NOTEBOOK_PORT} with --notebook, else 0)",
    )
    parser.add_argument("--cpu", metavar="QUANTITY", help="CPU request and limit, such as 500m")
    parser.add_argument("--memory", metavar="QUANTITY", help="memory request and limit, such as 2Gi")
    parser.add_argument("--user", metavar="UID", type=int, help="numeric user ID to run as (default: the image's own)")
    parser.add_argument(
        "--auth-annotation",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="annotation of the Notebook, such as notebooks.opendatahub.io/inject-auth=true; may be repeated",
    )
    parser.add_argument(
        "-o", "--output", choices=("text", "json", "junit"), default="text",
        help="output format: text (default), json or junit",
    )  # fmt: skip
    parser.add_argument("--keep", action="store_true", help="do not delete anything afterwards")
    add_cluster_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Test the image, print the result, and return the exit code.

    Raises:
        WheelwardenError: the arguments or the cluster cannot be used.
    """
    # Imported here, so that `check` does not load the Kubernetes client.
    from wheelwarden.cli.image_report import is_passed, junit_xml, record, text
    from wheelwarden.cli.interrupts import Interrupted, interruptible
    from wheelwarden.verify.image_test.configuration import InvalidConfiguration
    from wheelwarden.verify.image_test.run import run_image_test
    from wheelwarden.verify.image_test.states import PodFailure

    # Without a handler Python would print warnings of the log between our lines.
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
        report=lambda line: note(printable(line)),
        create_namespace=arguments.create_namespace,
        keep=arguments.keep,
    )
    outcome: ImageTestResult | PodDiagnosticInfo
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
    """The message for a refusal of the API server, with what to do."""
    message = printable(str(error)).rstrip(".")
    if "violates PodSecurity" in message:
        return f"{message}. Set a user other than root with --user, or use another namespace."
    if "exceeded quota" in message or "must specify" in message:
        return f"{message}. Set --cpu and --memory, or ask your admin to raise the quota."
    if isinstance(error, Forbidden):
        return f"{message}. Ask your admin for permission to create, read, delete and exec into pods in this namespace."
    if isinstance(error, Invalid):
        return f"{message}. The API server or one of its webhooks refused the object: change what the message names."
    if isinstance(error, Unreachable):
        return f"{message}. Check whether `kubectl get pods` works, and try again."
    return f"{message}. Try again."


def _configuration(arguments: argparse.Namespace, problems: list[str]) -> "CustomImageTestConfiguration":
    """The configuration from the arguments. Arguments that cannot be split go to `problems`; the others are checked."""
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
            problems.append(f'--auth-annotation "{shown(pair)}": it has no "=". Write KEY=VALUE.')
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
    """The message of a fault, with the option's name in place of the field's."""
    for field, option in _OPTIONS.items():
        if message.startswith(field):
            return option + message.removeprefix(field)
    return message
