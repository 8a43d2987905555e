"""Run the probe and other payload programs in a container, with the Python that the image has."""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from wheelwarden.api.errors import ExecCut, ExecTimeout, KubeError, NotFound
from wheelwarden.api.redaction import printable
from wheelwarden.payload import probe_argv
from wheelwarden.verify.results import ModuleResult, ProbeReport, UnreadableAnswer, parse_finished, parse_report

if TYPE_CHECKING:
    from wheelwarden.kube import Cluster  # only for type checking, so that importing wheelwarden stays light

PYTHONS: Final = ("python3", "python")
# Messages of container runtimes if the program is not in the image.
NO_PROGRAM: Final = ("executable file not found", "no such file or directory", "not found in $PATH")


async def run_payload(
    cluster: "Cluster",
    pod: str,
    namespace: str,
    container: str,
    program: str,
    request: Mapping[str, Any],
    *,
    timeout_seconds: float,
    output_limit_bytes: int = 1 << 20,
) -> tuple[str, str]:
    """Run a program. Return its stdout, and a sentence about why it did not complete ("" if it did).

    Args:
        cluster: the client that runs commands.
        pod: name of the pod.
        namespace: namespace of the pod.
        container: name of the container.
        program: `probe` or `reliability` of `wheelwarden.payload`.
        request: the program's request, see docs/architecture.md.
        timeout_seconds: the connection is closed after this time, which ends the program; it also has its own deadlines.
        output_limit_bytes: limit for the output; the rest is dropped.

    Raises:
        NotFound: the pod was deleted.
        KubeError: the command could not be run.
    """
    printed = failure = ""
    clock = asyncio.get_running_loop().time
    end = clock() + timeout_seconds
    for python in PYTHONS:
        try:
            argv = probe_argv(python, request, program=program, attached=True)
            done = await cluster.exec(
                pod, namespace, container, argv,
                timeout_seconds=end - clock(), output_limit_bytes=output_limit_bytes,
            )  # fmt: skip
        except NotFound:
            raise
        except KubeError as error:
            failure = str(error)
            if not lacks_program(failure):
                raise
            continue
        if done.exit_code == 0:
            cut = f"it printed more than {output_limit_bytes >> 20} MiB; the rest was dropped."
            return done.stdout, cut if done.truncated else ""
        printed = done.stdout
        last = done.stderr.strip().splitlines()[-1:] or [""]
        failure = f"{python} ended with exit code {done.exit_code}: {last[0]}"
        if not lacks_program(failure):
            break
    return printed, printable(f"{failure}."[:500])


async def run_probe(
    cluster: "Cluster", pod: str, namespace: str, container: str, asked: Mapping[str, Any], *, timeout_seconds: float
) -> ProbeReport | str:
    """Run the probe; return its report, or a sentence about why there is none. `asked` is the request of `run_payload`."""
    stdout, failure = await run_payload(
        cluster, pod, namespace, container, "probe", asked, timeout_seconds=timeout_seconds
    )
    if failure:
        return failure
    try:
        return parse_report(stdout)
    except UnreadableAnswer as error:
        return f"{error}."


async def run_probe_with_partial_results(
    cluster: "Cluster",
    pod: str,
    namespace: str,
    container: str,
    asked: Mapping[str, Any],
    *,
    timeout_seconds: float,
    output_limit_bytes: int,
) -> tuple[tuple[ModuleResult, ...], str, bool]:
    """Run the probe; return the finished results, why others are missing ("" if none are), and whether it timed out.

    See `run_payload`. If the connection breaks or times out, the finished results are kept.
    """
    try:
        stdout, failure = await run_payload(
            cluster, pod, namespace, container, "probe", asked,
            timeout_seconds=timeout_seconds, output_limit_bytes=output_limit_bytes,
        )  # fmt: skip
    except (ExecTimeout, ExecCut) as error:
        return parse_finished(error.stdout), str(error), isinstance(error, ExecTimeout)
    return parse_finished(stdout), failure, False


def lacks_program(failure: str) -> bool:
    """Whether a command failed because its program is not in the image."""
    return any(sign in failure for sign in NO_PROGRAM)
