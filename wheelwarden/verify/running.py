"""Running the probe in a container: whichever Python the image has, and what came of it in plain words."""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from wheelwarden.api.errors import ExecCut, ExecTimeout, KubeError, NotFound
from wheelwarden.api.redaction import printable
from wheelwarden.payload import probe_argv
from wheelwarden.verify.results import ModuleResult, ProbeReport, UnreadableAnswer, parse_finished, parse_report

if TYPE_CHECKING:
    from wheelwarden.kube import Cluster  # not loaded for it: importing wheelwarden stays light

PYTHONS: Final = ("python3", "python")
# What a container runtime says where the program is not in the image.
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
    """What the program printed, and why it did not run to its end, in a sentence, "" where it did.

    Args:
        cluster: runs commands.
        pod: name of the pod.
        namespace: of the pod.
        container: name of the container in it.
        program: `probe` or `reliability` of `wheelwarden.payload`.
        request: what it is asked, as docs/architecture.md has it.
        timeout_seconds: after which nobody waits for it any more, and so it ends; payloads have deadlines of their own.
        output_limit_bytes: kept of what it prints; more is dropped.

    Raises:
        NotFound: the pod went away.
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
            cut = f"it printed more than {output_limit_bytes >> 20} MiB, of which the rest was dropped."
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
    """The probe's report, or why there is none, in a sentence; `asked` as docs/architecture.md has it. See `run_payload`."""
    stdout, failure = await run_payload(
        cluster, pod, namespace, container, "probe", asked, timeout_seconds=timeout_seconds
    )
    if failure:
        return failure
    try:
        return parse_report(stdout)
    except UnreadableAnswer as error:
        return f"{error}."


async def run_probe_in_part(
    cluster: "Cluster",
    pod: str,
    namespace: str,
    container: str,
    asked: Mapping[str, Any],
    *,
    timeout_seconds: float,
    output_limit_bytes: int,
) -> tuple[tuple[ModuleResult, ...], str, bool]:
    """What the probe was done with, why it was not done with more ("" where it was), and whether its time was up.

    See `run_payload`. A connection that was cut or took too long costs what was not done yet, and no more.
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
    """Whether a command failed since its program is not in the image."""
    return any(sign in failure for sign in NO_PROGRAM)
