"""`verify_package_import`: the package verification contract, version 1.0.0.

The caller names a pod, a container and modules. Each module gets a result, and a failed import does not stop the others.
Modules may be dotted, and `module:attribute` also checks an attribute. Partial results are kept: a broken connection,
endless output or missing logs do not discard the results so far.
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
from wheelwarden.verify.outcomes import LOG_CHARACTERS, STREAM_LIMIT, apply_timeout, not_tried, public_results, shorten
from wheelwarden.verify.results import ModuleResult, PackageVerificationResult
from wheelwarden.verify.running import run_probe_with_partial_results

if TYPE_CHECKING:
    from wheelwarden.kube import Cluster

LOGGER = logging.getLogger(__name__)
OVERHEAD_SECONDS: Final = 5  # the contract's limit for everything but the imports; the limits below are parts of it
LOG_SECONDS: Final = 1.0
ANSWER_SECONDS: Final = 1.5  # for an exec to start and to deliver the last result
SPARE_SECONDS: Final = 2  # for stopping imports at their deadlines, in total
MAX_TIMEOUT_SECONDS: Final = 86_400
OUTPUT_LIMIT_BYTES: Final = 64 << 20  # for the answer of all modules
RESULT_LIMIT_BYTES: Final = 1 << 19  # for the answer of one module: two streams of 16,000 characters as JSON escapes
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
    """Verify that modules can be imported in a container of a running pod.

    Takes at most `timeout` seconds for each module and five seconds more.

    Args:
        pod: a `PodReference`, or any object with `execute`, `log` and `instance.status`. With such an object the imports
            run one after the other, and an import that exceeds its deadline keeps running: there is no way to stop it.
        container_name: the container to import in.
        packages: modules, such as `["numpy", "os.path", "json:loads"]`; any iterable except a single string.
        timeout: seconds for each module, at most one day. An import that takes longer has failed.
        collect_diagnostics: whether to fetch the last 100 log lines of the container if an import fails.

    Returns:
        A result for each entry of `packages`, keyed by it.

    Raises:
        ValueError: no packages, an invalid name, or a timeout that is not a positive number.
        TypeError: `pod` is neither a `PodReference` nor such an object.
        ResourceNotFoundError: the pod does not exist.
        PodNotReadyError: the pod is not Running.
        ContainerNotFoundError: the pod has no such container.
        KubeError: the cluster refused, did not return the pod's status within two seconds, or could not exec in the pod.
    """
    entries = validate(packages, timeout)
    if isinstance(pod, PodReference):
        return run_in_thread(verify_package_import_async(pod, container_name, entries, timeout, collect_diagnostics))
    if not isinstance(pod, ExecutablePod):
        raise _not_a_pod(pod)
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
    """The asynchronous variant of `verify_package_import`, for a PodReference."""
    from wheelwarden.kube import Cluster  # here, so that importing wheelwarden stays light

    entries = validate(packages, timeout)
    if not isinstance(pod, PodReference):
        raise _not_a_pod(pod)
    deadline = asyncio.get_running_loop().time() + len(entries) * timeout + OVERHEAD_SECONDS
    connecting = Cluster.connect(kubeconfig=pod.kubeconfig, context=pod.context, field_manager="wheelwarden-verify")
    try:
        async with asyncio.timeout_at(deadline - STATUS_SECONDS - LOG_SECONDS):
            cluster = await connecting
    except TimeoutError as error:
        raise Unreachable(
            0, "Timeout", "getting the credentials of the Kubernetes configuration took too long"
        ) from error
    async with cluster:
        running = await read_running_pod(cluster, pod, container_name)
        LOGGER.info("Verifying %d packages in %s", len(entries), container_name)
        results = [
            apply_timeout(result, timeout)
            for result in await _try(cluster, pod, container_name, entries, timeout, deadline)
        ]
        logs = None
        if not all(result.ok for result in results):
            ready = "ready" if _is_ready(running, container_name) else "not ready"
            LOGGER.warning("Container %s is %s", container_name, ready)
            logs = await _logs(cluster, pod, container_name, deadline) if collect_diagnostics else None
    return public_results(results, logs)


async def _try(
    cluster: "Cluster",
    pod: PodReference,
    container: str,
    entries: Sequence[str],
    timeout_seconds: float,
    deadline: float,
) -> list[ModuleResult]:
    """Return a result for each entry, even if the probe did not complete."""
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
        finished, failure, timed_out = await run_probe_with_partial_results(
            cluster, pod.name, pod.namespace, container, request,
            timeout_seconds=seconds,
            output_limit_bytes=max(1 << 20, min(OUTPUT_LIMIT_BYTES, len(entries) * RESULT_LIMIT_BYTES)),
        )  # fmt: skip
    except NotFound as error:
        raise ResourceNotFoundError(f"pod {pod.namespace}/{pod.name} no longer exists") from error
    by_module = {result.module: result for result in finished}
    cause = f"the import was not completed: {failure or 'the probe returned no result for it'}"
    reason = Reason.PROBE_TIMEOUT if timed_out else Reason.PROBE_FAILED
    return [by_module.get(entry) or not_tried(entry, cause, reason=reason) for entry in entries]


async def _logs(cluster: "Cluster", pod: PodReference, container: str, deadline: float) -> str:
    try:
        async with asyncio.timeout_at(deadline):
            text = await cluster.logs(pod.name, pod.namespace, container, tail_lines=LOG_LINES)
    except TimeoutError:
        return "the logs could not be fetched: it took too long"
    except KubeError as error:
        return f"the logs could not be fetched: {error}"
    return shorten(text, LOG_CHARACTERS)


async def read_running_pod(cluster: "Cluster", pod: PodReference, container_name: str) -> dict[str, Any]:
    """Return the pod if the contract's preconditions hold: it exists, it is Running, and it has the container.

    Raises:
        ResourceNotFoundError, PodNotReadyError, ContainerNotFoundError: a precondition does not hold.
        KubeError: the cluster refused, or did not respond.
    """
    from wheelwarden.kube import PODS  # here, so that importing wheelwarden stays light

    try:
        async with asyncio.timeout(STATUS_SECONDS):
            found = await cluster.get(PODS, pod.name, pod.namespace)
    except TimeoutError as error:
        message = f"reading the status of pod {pod.namespace}/{pod.name} took longer than {STATUS_SECONDS:g} s"
        raise Unreachable(0, "Timeout", message) from error
    except NotFound as error:
        raise ResourceNotFoundError(f"pod {pod.namespace}/{pod.name} does not exist") from error
    phase = (found.get("status") or {}).get("phase")
    if phase != "Running":
        raise PodNotReadyError(f"pod {pod.namespace}/{pod.name} is {phase}, not Running: wait until it is Running")
    names = [container["name"] for container in found["spec"]["containers"]]
    if container_name not in names:
        raise ContainerNotFoundError(f"the pod has no container {container_name}; it has {', '.join(names)}")
    return found


def _is_ready(pod: Mapping[str, Any], container: str) -> bool:
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    return any(status.get("name") == container and status.get("ready") for status in statuses)


def validate(packages: Iterable[str], timeout: float) -> list[str]:
    """Check the arguments before anything runs; return each entry once, in order.

    Raises:
        ValueError: an argument is not valid; the text is the contract's own if it defines one.
    """
    if isinstance(packages, str | bytes):
        raise ValueError(f"packages is a single string: pass a list of module names, such as [{packages!r}]"[:200])  # noqa: TRY004 - the contract's exception
    if not isinstance(packages, Iterable):
        raise ValueError(f"packages is {type(packages).__name__}: pass a list of module names")  # noqa: TRY004 - the contract's exception
    entries = list(packages)  # a generator can be read only once
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
        raise ValueError(f"timeout must be a number of seconds, not {timeout!r}")  # noqa: TRY004 - the contract's exception
    if math.isnan(timeout):
        raise ValueError("timeout must be a number of seconds, not NaN")
    if timeout <= 0:
        raise ValueError("timeout must be positive")
    if timeout > MAX_TIMEOUT_SECONDS:
        raise ValueError(f"timeout must be at most {MAX_TIMEOUT_SECONDS} seconds (one day)")


def _not_a_pod(pod: object) -> TypeError:
    return TypeError(
        f"pod is a {type(pod).__name__}: pass a PodReference, or an object with execute(container=, command=)"
    )
