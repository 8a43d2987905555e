"""`verify_package_import`: the package verification contract, version 1.0.0 (seed document 000).

The caller says which pod, which container and which modules; each gets a result, and one failing import keeps no other
from being tried. Modules may be dotted, and `module:attribute` asks for an attribute too.
"""

import asyncio
import concurrent.futures
import keyword
import logging
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

from wheelwarden.errors import (
    ContainerNotFoundError,
    ExecTimeout,
    Invalid,
    NotFound,
    PodNotReadyError,
    ResourceNotFoundError,
)
from wheelwarden.verify.results import ModuleResult, PackageVerificationResult
from wheelwarden.verify.running import run_probe

if TYPE_CHECKING:
    from wheelwarden.kube import Cluster

LOGGER = logging.getLogger(__name__)
LOG_LINES: Final = 100
OVERHEAD_SECONDS: Final = 5  # what the contract allows on top of the imports themselves
_PART = r"[a-zA-Z_][a-zA-Z0-9_]*"
_ENTRY: Final = re.compile(rf"{_PART}(\.{_PART})*(:{_PART}(\.{_PART})*)?")


@dataclass(frozen=True, slots=True)
class PodReference:
    """A pod by namespace and name, on the cluster of `kubeconfig` and `context` (default: as kubectl finds it)."""

    namespace: str
    name: str
    kubeconfig: Path | None = None
    context: str | None = None


@runtime_checkable
class ExecutablePod(Protocol):
    """Any object with the methods that the contract's own tests use."""

    def execute(self, *, container: str, command: list[str]) -> str:
        """Runs a command and returns its output; raises when it fails."""
        ...


def verify_package_import(
    pod: PodReference | ExecutablePod,
    container_name: str,
    packages: Sequence[str],
    timeout: int = 60,
    collect_diagnostics: bool = True,
) -> dict[str, PackageVerificationResult]:
    """Verifies that modules can be imported in a container of a running pod.

    Args:
        pod: a `PodReference`, or any object with `execute`, `log` and `instance.status`.
        container_name: the container to try them in.
        packages: modules, such as `["numpy", "os.path", "json:loads"]`.
        timeout: seconds for each module.
        collect_diagnostics: whether the last 100 log lines of the container are fetched when an import fails.

    Returns:
        A result for each entry of `packages`, keyed by it.

    Raises:
        ValueError: no packages, an invalid name, or a timeout that is not positive.
        ResourceNotFoundError: the pod does not exist.
        PodNotReadyError: the pod is not Running.
        ContainerNotFoundError: the pod has no such container.
    """
    validate(packages, timeout)
    if not isinstance(pod, PodReference):
        return _verify_by_methods(pod, container_name, packages, timeout, collect_diagnostics)
    work = verify_package_import_async(pod, container_name, packages, timeout, collect_diagnostics)
    # In a thread of its own, so that it also works where the caller has a running event loop.
    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        return executor.submit(asyncio.run, work).result()


async def verify_package_import_async(
    pod: PodReference,
    container_name: str,
    packages: Sequence[str],
    timeout: int = 60,  # noqa: ASYNC109 - the contract's own parameter, for each module
    collect_diagnostics: bool = True,
) -> dict[str, PackageVerificationResult]:
    """The asynchronous twin of `verify_package_import`, for a PodReference."""
    from wheelwarden.kube import Cluster  # here, so that importing wheelwarden stays light

    validate(packages, timeout)
    connecting = Cluster.connect(kubeconfig=pod.kubeconfig, context=pod.context, field_manager="wheelwarden-verify")
    async with await connecting as cluster:
        found = await read_running_pod(cluster, pod, container_name)
        LOGGER.info("Verifying %d packages in %s", len(packages), container_name)
        entries = list(dict.fromkeys(packages))
        total = len(entries) * timeout
        request = {
            "version": 1,
            "modules": entries,
            "distributions": [],
            "searchPath": "/packages/site-packages",
            "deadlineSeconds": timeout,
            "totalSeconds": total,
        }
        LOGGER.debug("Executing: python3 -I -c … in %s", container_name)
        seconds = total + OVERHEAD_SECONDS
        try:
            answer = await run_probe(cluster, pod.name, pod.namespace, container_name, request, timeout_seconds=seconds)
        except (ExecTimeout, Invalid) as error:  # it hung, or the image has no Python at all
            answer = str(error)
        if isinstance(answer, str):
            report = [_lost(entry, timeout, f"the probe did not run: {answer}") for entry in entries]
        else:
            report = list(answer.results)
        logs = None
        if not all(result.ok for result in report):
            LOGGER.warning(
                "Container %s is %s", container_name, "ready" if _is_ready(found, container_name) else "not ready"
            )
        if collect_diagnostics and not all(result.ok for result in report):
            logs = await cluster.logs(pod.name, pod.namespace, container_name, tail_lines=LOG_LINES)
    return {result.module: _public(result, timeout, logs) for result in report}


async def read_running_pod(cluster: "Cluster", pod: PodReference, container_name: str) -> dict[str, Any]:
    """The pod, where the contract's preconditions hold: it is there, it is Running, and it has the container.

    Raises:
        ResourceNotFoundError, PodNotReadyError, ContainerNotFoundError: one of them does not.
        KubeError: the cluster refused, or gave no answer.
    """
    from wheelwarden.kube import PODS  # here, so that importing wheelwarden stays light

    try:
        found = await cluster.get(PODS, pod.name, pod.namespace)
    except NotFound as error:
        raise ResourceNotFoundError(f"pod {pod.namespace}/{pod.name} does not exist") from error
    phase = (found.get("status") or {}).get("phase")
    if phase != "Running":
        raise PodNotReadyError(f"pod {pod.namespace}/{pod.name} is {phase}, not Running: wait until it is")
    names = [container["name"] for container in found["spec"]["containers"]]
    if container_name not in names:
        raise _no_container(container_name, names)
    return found


def _is_ready(pod: Mapping[str, Any], container: str) -> bool:
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    return any(status.get("name") == container and status.get("ready") for status in statuses)


def validate(packages: Sequence[str], timeout: float) -> None:
    """Checks the arguments before anything runs. Raises ValueError with the contract's texts."""
    if not packages:
        raise ValueError("packages list cannot be empty")
    for name in packages:
        if not isinstance(name, str) or not _ENTRY.fullmatch(name):
            raise ValueError(f"Invalid package name: {name}")
        if any(keyword.iskeyword(part) for part in re.split(r"[.:]", name)):
            raise ValueError(f"Invalid package name: {name}")
    if timeout <= 0:
        raise ValueError("timeout must be positive")


def _public(result: ModuleResult, timeout: float, logs: str | None) -> PackageVerificationResult:
    LOGGER.info("Package %s: %s", result.module, "✓" if result.ok else "✗")
    if not result.ok:
        LOGGER.warning("Package verification failed: %s", result.error)
    return PackageVerificationResult(
        package_name=result.module,
        import_successful=result.ok,
        error_message=None if result.ok else result.error or "the import failed without a message",
        command_executed=result.command,
        execution_time_seconds=min(result.seconds, timeout - 0.001),
        pod_logs=None if result.ok else logs,
        stdout=result.stdout,
        stderr=result.stderr,
    )


def _lost(entry: str, timeout: float, cause: str) -> ModuleResult:
    """The result of a module whose probe gave no answer."""
    return ModuleResult(module=entry, ok=False, seconds=timeout - 0.001, error=cause, argv=_import_argv(entry))


def _import_argv(entry: str) -> tuple[str, ...]:
    module, _, attribute = entry.partition(":")
    code = f"import {module}" + (f"; {module}.{attribute}" if attribute else "")
    return ("python", "-c", code)


def _no_container(name: str, names: Sequence[str]) -> ContainerNotFoundError:
    return ContainerNotFoundError(f"the pod has no container {name}; it has {', '.join(names)}")


def _verify_by_methods(
    pod: Any, container_name: str, packages: Sequence[str], timeout: float, collect_diagnostics: bool
) -> dict[str, PackageVerificationResult]:
    _check_by_methods(pod, container_name)
    LOGGER.info("Verifying %d packages in %s", len(packages), container_name)
    results = {}
    for entry in dict.fromkeys(packages):
        argv = list(_import_argv(entry))
        started = time.monotonic()
        error, stdout = None, ""
        try:
            stdout = pod.execute(container=container_name, command=argv)
        except Exception as raised:  # whatever the pod's own library raises is a failed import, never ours to pass on
            error = str(raised) or type(raised).__name__
        seconds = min(time.monotonic() - started, timeout - 0.001)
        result = ModuleResult(
            module=entry,
            ok=error is None,
            seconds=seconds,
            error=error,
            argv=tuple(argv),
            stdout=stdout if isinstance(stdout, str) else "",
            stderr=error or "",
        )
        logs = None
        if error is not None and collect_diagnostics:
            logs = str(pod.log(container=container_name, tail_lines=LOG_LINES))
        results[entry] = _public(result, timeout, logs)
    return results


def _check_by_methods(pod: Any, container_name: str) -> None:
    """The contract's preconditions, as far as the object tells: attributes that are no plain values tell nothing."""
    if getattr(pod, "exists", True) is False:
        raise ResourceNotFoundError("the pod does not exist")
    instance = getattr(pod, "instance", None)
    phase = getattr(getattr(instance, "status", None), "phase", None)
    if isinstance(phase, str) and phase != "Running":
        raise PodNotReadyError(f"the pod is {phase}, not Running: wait until it is")
    containers = getattr(getattr(instance, "spec", None), "containers", None)
    if isinstance(containers, list | tuple):
        names = [str(getattr(container, "name", container)) for container in containers]
        if container_name not in names:
            raise _no_container(container_name, names)
