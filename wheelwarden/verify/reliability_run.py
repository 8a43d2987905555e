"""Runs the reliability profile, in a throwaway copy of a pod or in the pod itself. Thin I/O."""

import asyncio
import secrets
import time
from collections.abc import Callable
from typing import Any, Final

from wheelwarden.api import names
from wheelwarden.api.errors import KubeError, NotFound, WheelwardenError
from wheelwarden.api.foreign_installer import find_installer
from wheelwarden.api.objects import Object, annotations_of
from wheelwarden.kube import PODS, Cluster
from wheelwarden.verify.contract import OVERHEAD_SECONDS, PodReference, read_running_pod
from wheelwarden.verify.image_test.cleanup import CreatedObjects, run_to_completion
from wheelwarden.verify.reliability import Profile, Reliability, parse_reliability, readiness
from wheelwarden.verify.running import run_payload
from wheelwarden.verify.throwaway import build_throwaway

POLL_SECONDS: Final = 0.5
START_SECONDS: Final = 300.0  # for the throwaway pod to start; it may have to install packages
SPARE_SECONDS: Final = 120  # the throwaway pod ends by itself this long after its limits, in case nobody deletes it


class ProfileNotRun(WheelwardenError):
    """The profile could not run; the text says why and what to do."""


async def run_reliability(
    pod: PodReference, container: str, profile: Profile, *, in_place: bool, report: Callable[[str], None]
) -> Reliability:
    """Run the profile and return its results.

    Args:
        pod: a running pod.
        container: the container whose interpreter and files are used.
        profile: the parameters.
        in_place: run in this pod instead of in a copy; this uses CPU and memory of the running workload.
        report: called with a line for each step.

    Raises:
        ResourceNotFoundError, PodNotReadyError, ContainerNotFoundError: there is no such running container.
        ProfileNotRun: the throwaway pod did not start, or the payload failed.
        KubeError: the cluster refused, or did not respond.
    """
    connecting = Cluster.connect(kubeconfig=pod.kubeconfig, context=pod.context, field_manager="wheelwarden-verify")
    async with await connecting as cluster:
        before = await read_running_pod(cluster, pod, container)
        request = profile.as_request(_search_path(before, container))
        if in_place:
            report(f"checking {_modules(profile)} in pod {pod.name} itself")
            found = await _try(cluster, pod.name, pod.namespace, container, request, profile)
        else:
            found = await _try_in_throwaway(cluster, before, container, request, profile, report)
        try:
            after: Object | None = await cluster.get(PODS, pod.name, pod.namespace)
        except NotFound:
            after = None
    return Reliability(python=found.python, checks=(*found.checks, readiness(before, after)))


def _modules(profile: Profile) -> str:
    count = len(profile.modules)
    return f"{count} {'module' if count == 1 else 'modules'}"


def _search_path(pod: Object, container: str) -> str:
    if names.POD_HASH_ANNOTATION in annotations_of(pod):
        return names.SITE_PACKAGES_PATH
    [main] = [one for one in pod["spec"]["containers"] if one["name"] == container]
    foreign = find_installer(main, pod["spec"].get("initContainers") or [])
    return foreign.path if foreign else ""


async def _try_in_throwaway(
    cluster: Cluster,
    pod: Object,
    container: str,
    request: Any,
    profile: Profile,
    report: Callable[[str], None],
) -> Reliability:
    run, namespace = secrets.token_hex(8), pod["metadata"]["namespace"]
    name = f"{pod['metadata']['name'][:50].rstrip('-.')}-try-{run[:6]}"
    lifetime = int(START_SECONDS) + profile.total_seconds + SPARE_SECONDS
    body = build_throwaway(pod, container, name, run, lifetime_seconds=lifetime)
    created = CreatedObjects(cluster, run, report=report, monotonic=time.monotonic, sleep=asyncio.sleep)
    try:
        await created.create(PODS, body, namespace)
        report(f"created pod {name}, a copy of {pod['metadata']['name']}")
        await _wait_until_running(cluster, name, namespace)
        report(f"checking {_modules(profile)} in it; this takes a while")
        return await _try(cluster, name, namespace, container, request, profile)
    finally:
        await run_to_completion(created.remove())


async def _wait_until_running(cluster: Cluster, name: str, namespace: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        pod = await cluster.get(PODS, name, namespace)
        status = pod.get("status") or {}
        if status.get("phase") == "Running" and all(
            one.get("ready") for one in status.get("containerStatuses") or [{}]
        ):
            return
        if status.get("phase") in ("Failed", "Succeeded") or time.monotonic() >= deadline:
            raise ProfileNotRun(
                f"the temporary pod {name} did not start: {_start_problem(status)}. Watch it while it starts "
                f"(kubectl -n {namespace} describe pod {name}), or use the running pod with --in-place"
            )
        await asyncio.sleep(POLL_SECONDS)


def _start_problem(status: Object) -> str:
    for one in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        state = one.get("state") or {}
        for word in ("waiting", "terminated"):
            found = state.get(word) or {}
            if found and found.get("reason") not in ("PodInitializing", "ContainerCreating", "Completed"):
                return f"container {one['name']}: {found.get('reason')} {found.get('message') or ''}".strip()
    return f"{status.get('reason') or status.get('phase')} {status.get('message') or ''}".strip()


async def _try(
    cluster: Cluster, name: str, namespace: str, container: str, request: Any, profile: Profile
) -> Reliability:
    seconds = profile.total_seconds + OVERHEAD_SECONDS
    try:
        stdout, failure = await run_payload(
            cluster, name, namespace, container, "reliability", request, timeout_seconds=seconds
        )
    except NotFound as error:
        raise ProfileNotRun(f"pod {name} was deleted while the modules were checked; try again") from error
    except KubeError as error:
        raise ProfileNotRun(f"the modules could not be checked in pod {name}: {error}") from error
    if failure:
        raise ProfileNotRun(f"the modules could not be checked in pod {name}: {failure}")
    return parse_reliability(stdout)
