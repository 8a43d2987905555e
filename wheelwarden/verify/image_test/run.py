"""One image test on a cluster: create, wait until ready, import, diagnose, and always clean up. Thin I/O.

`states` and `diagnosis` judge what is read; `objects` builds what is created.
"""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from wheelwarden.api import names
from wheelwarden.api.errors import (
    AlreadyExists,
    Forbidden,
    KubeError,
    NotFound,
    Unreachable,
    UnusableInput,
    WheelwardenError,
)
from wheelwarden.api.kinds import NOTEBOOK
from wheelwarden.api.objects import Object
from wheelwarden.kube import EVENTS, NAMESPACES, PODS, SERVICE_ACCOUNTS, Cluster
from wheelwarden.verify.contract import OVERHEAD_SECONDS, PodReference, verify_package_import_async
from wheelwarden.verify.image_test.cleanup import CreatedObjects, run_to_completion
from wheelwarden.verify.image_test.configuration import CustomImageTestConfiguration
from wheelwarden.verify.image_test.diagnosis import PodDiagnosticInfo, diagnose, events_since, has_restarted, waits_for
from wheelwarden.verify.image_test.objects import build_object, is_restricted, resource_of
from wheelwarden.verify.image_test.states import NotebookResource, NotebookStatus, failure_of
from wheelwarden.verify.results import PackageVerificationResult

POLL_SECONDS: Final = 1.0  # between two reads of the pod
UNREACHABLE_LIMIT: Final = 5  # after this many reads in a row without a response the test fails
ACCOUNT_SECONDS: Final = 30.0  # for a new namespace to get its service account
LOG_LINES: Final = 50
RESTART_POLLS: Final = 4  # until the kubelet has reported a container that ended
# A Pod ends by itself this long after the latest end of its test, in case nobody deletes it.
SPARE_SECONDS: Final = 120

Results = Mapping[str, PackageVerificationResult]
Verify = Callable[[str, str], Awaitable[Results]]


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageTestResult:
    """The result for an image that became ready.

    Attributes:
        resource: the tested object.
        ready_seconds: time from its creation until it was ready.
        results: the import results by module, in the requested order.
    """

    resource: NotebookResource
    ready_seconds: float
    results: Results


class ImageTest:
    """One image test; call `run` once.

    Args:
        cluster: the client.
        configuration: the parameters.
        verify: imports the modules, given the names of pod and container.
        report: called with a line for each step.
        create_namespace: whether to create a missing namespace, and to delete it afterwards.
        keep: whether to keep everything.
        monotonic: a clock in seconds.
        sleep: waits for a number of seconds.
    """

    def __init__(
        self,
        cluster: Cluster,
        configuration: CustomImageTestConfiguration,
        *,
        verify: Verify,
        report: Callable[[str], None],
        create_namespace: bool,
        keep: bool,
        monotonic: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self.resource = NotebookResource.of(configuration)
        self._cluster = cluster
        self._configuration = configuration
        self._verify = verify
        self._report = report
        self._create_namespace = create_namespace
        self._keep = keep
        self._monotonic = monotonic
        self._sleep = sleep
        self._run = secrets.token_hex(8)
        self._kind = resource_of(configuration)
        self._created = ""
        self._events_unreadable = False
        self._objects = CreatedObjects(cluster, self._run, report=report, monotonic=monotonic, sleep=sleep)

    async def run(self) -> ImageTestResult:
        """Run the test. Its objects are always deleted at the end, unless `keep` is set.

        Raises:
            ImagePullError, ContainerCrashError, PodReadinessTimeout, PodFailure: the image did not become ready.
            UnusableInput: the namespace does not exist, or the name is taken.
            KubeError: the cluster refused, or did not respond.
        """
        try:
            await self._create()
            created = self._monotonic()
            await self._wait_until_ready()
            ready_seconds = self._monotonic() - created
            results = await self._import()
            return ImageTestResult(resource=self.resource, ready_seconds=ready_seconds, results=results)
        finally:
            if self._keep:
                self._objects.report_kept()
            elif await run_to_completion(self._objects.remove()):
                self.resource = self.resource.move(NotebookStatus.DELETED)

    async def _create(self) -> None:
        configuration = self._configuration
        restricted = await self._prepare_namespace()
        imports = len(configuration.packages_to_verify) * configuration.timeout_command + OVERHEAD_SECONDS
        lifetime = None if self._keep else configuration.timeout_pod_ready + imports + SPARE_SECONDS
        what = f"{self._kind.kind} {configuration.namespace}/{configuration.notebook_name}"
        body = build_object(configuration, self._run, restricted=restricted, lifetime_seconds=lifetime)
        try:
            created = await self._objects.create(self._kind, body, configuration.namespace)
        except AlreadyExists as error:
            raise UnusableInput(f"{what}: this name is taken already. Use another name.") from error
        except NotFound as error:
            if "namespaces" in str(error) or not configuration.as_notebook:
                raise UnusableInput(_no_namespace(configuration.namespace)) from error
            raise UnusableInput(
                f"{what}: the cluster has no kind {self._kind.kind} in {self._kind.api_version}. "
                "Install its controller, or test the image in a plain Pod."
            ) from error
        self._created = created["metadata"]["creationTimestamp"]
        self._report(f"created {what} from {configuration.custom_image}")

    async def _prepare_namespace(self) -> bool:
        """Create the namespace if requested. Return whether it is restricted."""
        name = self._configuration.namespace
        try:
            found = await self._cluster.get(NAMESPACES, name)
        except Forbidden:
            return (
                False  # creating pods may be allowed without reading the namespace; the API server reports violations
            )
        except NotFound as error:
            if not self._create_namespace:
                raise UnusableInput(_no_namespace(name)) from error
            labels = {names.MANAGED_BY_LABEL: names.MANAGED_BY, names.IMAGE_TEST_LABEL: self._run}
            body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
            found = await self._objects.create(NAMESPACES, body, None)
            self._report(f"created namespace {name}")
            await self._wait_for_account()
        if found["metadata"].get("deletionTimestamp"):
            raise UnusableInput(f"namespace {name}: it is being deleted. Wait until it is gone, or use another one.")
        return is_restricted(found)

    async def _wait_for_account(self) -> None:
        """Wait until a new namespace has its service account: before that no pod can be created in it."""
        deadline = self._monotonic() + ACCOUNT_SECONDS
        while self._monotonic() < deadline:
            try:
                await self._cluster.get(SERVICE_ACCOUNTS, "default", self._configuration.namespace)
            except NotFound:
                await self._sleep(POLL_SECONDS)
            except Forbidden:
                return
            else:
                return

    async def _wait_until_ready(self) -> None:
        deadline = self._monotonic() + self._configuration.timeout_pod_ready
        reported = ""
        unreachable = 0
        while True:
            try:
                pod = await self._find_pod()
                unreachable = 0
            except Unreachable:
                unreachable += 1
                if unreachable == UNREACHABLE_LIMIT:
                    raise
                await self._sleep(POLL_SECONDS)
                continue
            self.resource = self.resource.observe(pod)
            state = self.resource.status
            if state is NotebookStatus.READY:
                self._report(f"{state}: pod {self.resource.pod_name}")
                return
            if state is NotebookStatus.FAILED:
                raise failure_of(await self._diagnose(pod), timed_out=False)
            if self._monotonic() >= deadline:
                self.resource = self.resource.move(NotebookStatus.FAILED)
                raise failure_of(await self._diagnose(pod), timed_out=True)
            waits = waits_for(pod, await self._find_events() if pod is None else ())
            line = ": ".join(part for part in (state, waits) if part)
            if line != reported:
                self._report(line)
                reported = line
            await self._sleep(POLL_SECONDS)

    async def _find_pod(self) -> Object | None:
        name, namespace = self.resource.name, self.resource.namespace
        if not self._configuration.as_notebook:
            return await self._cluster.get(PODS, name, namespace)
        pods = await self._cluster.list(PODS, namespace, labels=NOTEBOOK.pods_of(name))
        # An older pod belongs to a Notebook of the same name that was deleted a moment ago.
        ours = [pod for pod in pods.items if pod["metadata"]["creationTimestamp"] >= self._created]
        return ours[0] if ours else None

    async def _import(self) -> Results:
        assert self.resource.pod_name is not None
        assert self.resource.container_name is not None
        count = len(self._configuration.packages_to_verify)
        self._report(f"importing {count} {'module' if count == 1 else 'modules'}")
        try:
            results = await self._verify(self.resource.pod_name, self.resource.container_name)
        except WheelwardenError:
            await self._fail_if_restarted(polls=RESTART_POLLS)
            raise
        imported = [result.import_successful for result in results.values()]
        if not all(imported):
            await self._fail_if_restarted(polls=1 if any(imported) else RESTART_POLLS)
        return results

    async def _fail_if_restarted(self, *, polls: int) -> None:
        """Fail if a container has ended: then a failed import says nothing about the module."""
        for poll in range(polls):
            if poll:
                await self._sleep(POLL_SECONDS)
            try:
                pod = await self._find_pod()
            except KubeError:
                return
            if pod is not None and has_restarted(pod):
                self.resource = self.resource.move(NotebookStatus.FAILED)
                raise failure_of(await self._diagnose(pod), timed_out=False)

    async def _diagnose(self, pod: Object | None) -> PodDiagnosticInfo:
        """Diagnose the pod. Data that cannot be read is left out: a partial diagnosis is better than none."""
        logs = {}
        status = (pod or {}).get("status") or {}
        for container in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
            if pod is None or not container.get("containerID"):
                continue  # it never ran
            name = container["name"]
            try:
                logs[name] = await self._cluster.logs(
                    pod["metadata"]["name"], self.resource.namespace, name, tail_lines=LOG_LINES
                )
            except KubeError as error:
                self._report(f"the log of container {name} cannot be read: {error}")
        return diagnose(pod, await self._find_events(), logs)

    async def _find_events(self) -> Sequence[Mapping[str, Any]]:
        """The events of the pod and of a Notebook's StatefulSet. Those of the Notebook are copies of the pod's events."""
        events: list[Mapping[str, Any]] = []
        for name in sorted({self.resource.name, self.resource.pod_name or self.resource.name}):
            fields = f"involvedObject.name={name},involvedObject.kind!=Notebook"
            try:
                found = await self._cluster.list(EVENTS, self.resource.namespace, fields=fields)
            except KubeError as error:
                if not self._events_unreadable:
                    self._report(f"the events cannot be read: {error}")
                self._events_unreadable = True
                continue
            events += events_since(found.items, self._created)
        return events


def _no_namespace(name: str) -> str:
    return (
        f"namespace {name}: it does not exist. Create it with `kubectl create namespace {name}`, "
        "or use --create-namespace."
    )


async def run_image_test(
    configuration: CustomImageTestConfiguration,
    *,
    kubeconfig: Path | None = None,
    context: str | None = None,
    report: Callable[[str], None] = lambda _: None,
    create_namespace: bool = False,
    keep: bool = False,
) -> ImageTestResult:
    """Test an image on the cluster of `kubeconfig` and `context` (default: as kubectl finds it).

    Args:
        configuration: the parameters.
        kubeconfig: path of a kubeconfig file.
        context: one of its contexts.
        report: called with a line for each step.
        create_namespace: whether to create a missing namespace, and to delete it afterwards.
        keep: whether to keep everything.

    Raises:
        PodFailure: the image did not become ready. Subclasses: ImagePullError, ContainerCrashError, PodReadinessTimeout.
        UnusableInput: the kubeconfig, the namespace or the name cannot be used.
        KubeError: the cluster refused, or did not respond.
    """

    async def verify(pod: str, container: str) -> Results:
        reference = PodReference(configuration.namespace, pod, kubeconfig, context)
        return await verify_package_import_async(
            reference, container, configuration.packages_to_verify, configuration.timeout_command
        )

    connecting = Cluster.connect(kubeconfig=kubeconfig, context=context, field_manager="wheelwarden-test-image")
    async with await connecting as cluster:
        test = ImageTest(
            cluster,
            configuration,
            verify=verify,
            report=report,
            create_namespace=create_namespace,
            keep=keep,
            monotonic=time.monotonic,
            sleep=asyncio.sleep,
        )
        return await test.run()
