"""`verify_package_import`: the package verification contract, version 1.0.0.

The caller says which pod, which container and which modules; each gets a result, and one failing import keeps no other
from being tried. Modules may be dotted, and `module:attribute` asks for an attribute too. What was found out is never
thrown away: a connection that is cut, an output without end or a log that cannot be had costs only itself.
"""

import asyncio
import keyword
import logging
import math
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from wheelwarden.api.conditions import Reason
from wheelwarden.api.errors import (
    ContainerNotFoundError,
    KubeError,
    NotFound,
    PodNotReadyError,
    ResourceNotFoundError,
    Unreachable,
)
from wheelwarden.verify.blocking import run_in_thread
from wheelwarden.verify.by_methods import LOG_LINES, STATUS_SECONDS, ExecutablePod, MethodVerification
from wheelwarden.verify.outcomes import LOG_CHARACTERS, STREAM_LIMIT, judge_time, not_tried, public_results, shorten
from wheelwarden.verify.results import ModuleResult, PackageVerificationResult
from wheelwarden.verify.running import run_probe_in_part

if TYPE_CHECKING:
    from wheelwarden.kube import Cluster

LOGGER = logging.getLogger(__name__)
OVERHEAD_SECONDS: Final = 5  # what the contract allows on top of the imports themselves; the lines below share it
LOG_SECONDS: Final = 1.0
ANSWER_SECONDS: Final = 1.5  # that an exec may take to begin and to hand over the last result
SPARE_SECONDS: Final = 2  # between the deadlines of the modules, for all of them: ending one takes time too
MAX_TIMEOUT_SECONDS: Final = 86_400
OUTPUT_LIMIT_BYTES: Final = 64 << 20  # of the answer for all modules
RESULT_LIMIT_BYTES: Final = 1 << 19  # of the answer for one: two streams of 16,000 characters, written as JSON escapes
_PART = r"[a-zA-Z_][a-zA-Z0-9_]*"
_ENTRY: Final = re.compile(rf"{_PART}(\.{_PART})*(:{_PART}(\.{_PART})*)?")


@dataclass(frozen=True, slots=True)
class PodReference:
    """A pod by namespace and name, on the cluster of `kubeconfig` and `context` (default: as kubectl finds it)."""

    namespace: str
    name: str
    kubeconfig: Path | None = None
    context: str | None = None


def verify_package_import(
    pod: PodReference | ExecutablePod,
    container_name: str,
    packages: Iterable[str],
    timeout: float = 60,
    collect_diagnostics: bool = True,
) -> dict[str, PackageVerificationResult]:
    """Verifies that modules can be imported in a container of a running pod.

    Returns at the latest after `timeout` seconds for each module and five more.

    Args:
        pod: a `PodReference`, or any object with `execute`, `log` and `instance.status`. Such an object runs one command
            after the other; what passes its deadline there is left alone, for it gives us no way to end it.
        container_name: the container to try them in.
        packages: modules, such as `["numpy", "os.path", "json:loads"]`; any iterable but a single text.
        timeout: seconds for each module, at most a day. One that takes longer has failed.
        collect_diagnostics: whether the last 100 log lines of the container are fetched when an import fails.

    Returns:
        A result for each entry of `packages`, keyed by it.

    Raises:
        ValueError: no packages, an invalid name, or a timeout that is no positive number.
        TypeError: `pod` is neither of both.
        ResourceNotFoundError: the pod does not exist.
        PodNotReadyError: the pod is not Running.
        ContainerNotFoundError: the pod has no such container.
        KubeError: the cluster refused, did not tell within two seconds how the pod is, or let nothing run in it.
    """
    entries = validate(packages, timeout)
    if isinstance(pod, PodReference):
        return run_in_thread(verify_package_import_async(pod, container_name, entries, timeout, collect_diagnostics))
    if not isinstance(pod, ExecutablePod):
        raise _no_pod(pod)
    verification = MethodVerification(pod, container_name, timeout, monotonic=time.monotonic)
    verification.check()
    LOGGER.info("Verifying %d packages in %s", len(entries), container_name)
    return verification.try_all(entries, collect_diagnostics=collect_diagnostics)


async def verify_package_import_async(
    pod: PodReference,
    container_name: str,
    packages: Iterable[str],
    timeout: float = 60,  # noqa: ASYNC109 - the contract's own parameter, for each module
    collect_diagnostics: bool = True,
) -> dict[str, PackageVerificationResult]:
    """The asynchronous twin of `verify_package_import`, for a PodReference."""
    from wheelwarden.kube import Cluster  # here, so that importing wheelwarden stays light

    entries = validate(packages, timeout)
    if not isinstance(pod, PodReference):
        raise _no_pod(pod)
    deadline = asyncio.get_running_loop().time() + len(entries) * timeout + OVERHEAD_SECONDS
    connecting = Cluster.connect(kubeconfig=pod.kubeconfig, context=pod.context, field_manager="wheelwarden-verify")
    try:
        async with asyncio.timeout_at(deadline - STATUS_SECONDS - LOG_SECONDS):
            cluster = await connecting
    except TimeoutError as error:
        raise Unreachable(
            0, "Timeout", "the credentials of the Kubernetes configuration did not come in time"
        ) from error
    async with cluster:
        found = await read_running_pod(cluster, pod, container_name)
        LOGGER.info("Verifying %d packages in %s", len(entries), container_name)
        report = [
            judge_time(result, timeout)
            for result in await _try(cluster, pod, container_name, entries, timeout, deadline)
        ]
        logs = None
        if not all(result.ok for result in report):
            ready = "ready" if _is_ready(found, container_name) else "not ready"
            LOGGER.warning("Container %s is %s", container_name, ready)
            logs = await _logs(cluster, pod, container_name, deadline) if collect_diagnostics else None
    return public_results(report, logs)


async def _try(
    cluster: "Cluster",
    pod: PodReference,
    container: str,
    entries: Sequence[str],
    timeout_seconds: float,
    deadline: float,
) -> list[ModuleResult]:
    """A result for each entry, whatever became of the probe."""
    seconds = deadline - LOG_SECONDS - asyncio.get_running_loop().time()
    request = {
        "version": 1,
        "modules": list(entries),
        "distributions": [],
        "searchPath": "/packages/site-packages",
        "deadlineSeconds": timeout_seconds,
        "totalSeconds": max(0.0, min(len(entries) * timeout_seconds + SPARE_SECONDS, seconds - ANSWER_SECONDS)),
        "outputLimit": STREAM_LIMIT,
    }
    LOGGER.debug("Executing: python3 -I -c … in %s", container)
    try:
        finished, failure, timed_out = await run_probe_in_part(
            cluster, pod.name, pod.namespace, container, request,
            timeout_seconds=seconds,
            output_limit_bytes=max(1 << 20, min(OUTPUT_LIMIT_BYTES, len(entries) * RESULT_LIMIT_BYTES)),
        )  # fmt: skip
    except NotFound as error:
        raise ResourceNotFoundError(f"pod {pod.namespace}/{pod.name} does not exist any more") from error
    by_module = {result.module: result for result in finished}
    cause = f"it was not tried to its end: {failure or 'the probe gave no result for it'}"
    reason = Reason.PROBE_TIMEOUT if timed_out else Reason.PROBE_FAILED
    return [by_module.get(entry) or not_tried(entry, cause, reason=reason) for entry in entries]


async def _logs(cluster: "Cluster", pod: PodReference, container: str, deadline: float) -> str:
    try:
        async with asyncio.timeout_at(deadline):
            text = await cluster.logs(pod.name, pod.namespace, container, tail_lines=LOG_LINES)
    except TimeoutError:
        return "the logs could not be fetched: they did not come in time"
    except KubeError as error:
        return f"the logs could not be fetched: {error}"
    return shorten(text, LOG_CHARACTERS)


async def read_running_pod(cluster: "Cluster", pod: PodReference, container_name: str) -> dict[str, Any]:
    """The pod, where the contract's preconditions hold: it is there, it is Running, and it has the container.

    Raises:
        ResourceNotFoundError, PodNotReadyError, ContainerNotFoundError: one of them does not.
        KubeError: the cluster refused, or gave no answer.
    """
    from wheelwarden.kube import PODS  # here, so that importing wheelwarden stays light

    try:
        async with asyncio.timeout(STATUS_SECONDS):
            found = await cluster.get(PODS, pod.name, pod.namespace)
    except TimeoutError as error:
        message = f"the status of pod {pod.namespace}/{pod.name} did not come within {STATUS_SECONDS:g} s"
        raise Unreachable(0, "Timeout", message) from error
    except NotFound as error:
        raise ResourceNotFoundError(f"pod {pod.namespace}/{pod.name} does not exist") from error
    phase = (found.get("status") or {}).get("phase")
    if phase != "Running":
        raise PodNotReadyError(f"pod {pod.namespace}/{pod.name} is {phase}, not Running: wait until it is")
    names = [container["name"] for container in found["spec"]["containers"]]
    if container_name not in names:
        raise ContainerNotFoundError(f"the pod has no container {container_name}; it has {', '.join(names)}")
    return found


def _is_ready(pod: Mapping[str, Any], container: str) -> bool:
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    return any(status.get("name") == container and status.get("ready") for status in statuses)


def validate(packages: Iterable[str], timeout: float) -> list[str]:
    """Checks the arguments before anything runs, and gives each entry once, in order.

    Raises:
        ValueError: with the contract's own texts where it has them.
    """
    if isinstance(packages, str | bytes):
        raise ValueError(f"packages is one text: pass a list of module names, such as [{packages!r}]"[:200])  # noqa: TRY004 - what the contract says
    if not isinstance(packages, Iterable):
        raise ValueError(f"packages is {type(packages).__name__}: pass a list of module names")  # noqa: TRY004 - what the contract says
    entries = list(packages)  # a generator gives its names only once
    if not entries:
        raise ValueError("packages list cannot be empty")
    for name in entries:
        if not isinstance(name, str) or not _ENTRY.fullmatch(name):
            raise ValueError(f"Invalid package name: {name}")
        if any(keyword.iskeyword(part) for part in re.split(r"[.:]", name)):
            raise ValueError(f"Invalid package name: {name}")
    _check_timeout(timeout)
    return list(dict.fromkeys(entries))


def _check_timeout(timeout: object) -> None:
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):
        raise ValueError(f"timeout must be a number of seconds, not {timeout!r}")  # noqa: TRY004 - what the contract says
    if math.isnan(timeout):
        raise ValueError("timeout must be a number of seconds, not NaN")
    if timeout <= 0:
        raise ValueError("timeout must be positive")
    if timeout > MAX_TIMEOUT_SECONDS:
        raise ValueError(f"timeout must be at most {MAX_TIMEOUT_SECONDS} seconds, a day")


def _no_pod(pod: object) -> TypeError:
    return TypeError(
        f"pod is a {type(pod).__name__}: pass a PodReference, or an object with execute(container=, command=)"
    )
