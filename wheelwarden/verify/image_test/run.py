"""One test of an image on a cluster: create, wait until ready, import, diagnose, and always clean up. Thin I/O.

What is read is judged in `image_states` and `diagnosis`; what is made is built in `image_objects`.
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
from wheelwarden.verify.image_test.cleanup import Made, unbroken
from wheelwarden.verify.image_test.configuration import CustomImageTestConfiguration
from wheelwarden.verify.image_test.diagnosis import PodDiagnosticInfo, diagnose, events_since, has_restarted, waits_for
from wheelwarden.verify.image_test.objects import build_object, is_restricted, resource_of
from wheelwarden.verify.image_test.states import NotebookResource, NotebookStatus, failure_of
from wheelwarden.verify.results import PackageVerificationResult

LOOK_SECONDS: Final = 1.0  # between two looks at the pod
CUT_LIMIT: Final = 5  # looks in a row that get no answer, before the cluster counts as gone
ACCOUNT_SECONDS: Final = 30.0  # until a new namespace must have its service account
LOG_LINES: Final = 50
RESTART_LOOKS: Final = 4  # until the kubelet has told of a container that went away
# A Pod ends by itself this long after its test should have, were nobody left to delete it.
SPARE_SECONDS: Final = 120

Results = Mapping[str, PackageVerificationResult]
Verify = Callable[[str, str], Awaitable[Results]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Passed:
    """An image that got ready, and what its modules said.

    Attributes:
        resource: the object as it was tested.
        ready_seconds: from its creation until it was ready.
        results: by module, in the order they were asked for.
    """

    resource: NotebookResource
    ready_seconds: float
    results: Results


class ImageTest:
    """One test of an image; `run` it once.

    Args:
        cluster: where.
        configuration: what.
        verify: imports the modules, given the names of pod and container.
        tell: gets a line on each step.
        create_namespace: whether a namespace that is not there is made, and removed again.
        keep: whether everything stays.
        monotonic: a clock in seconds.
        sleep: waits that many seconds.
    """

    def __init__(
        self,
        cluster: Cluster,
        configuration: CustomImageTestConfiguration,
        *,
        verify: Verify,
        tell: Callable[[str], None],
        create_namespace: bool,
        keep: bool,
        monotonic: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self.resource = NotebookResource.of(configuration)
        self._cluster = cluster
        self._configuration = configuration
        self._verify = verify
        self._tell = tell
        self._create_namespace = create_namespace
        self._keep = keep
        self._monotonic = monotonic
        self._sleep = sleep
        self._run = secrets.token_hex(8)
        self._kind = resource_of(configuration)
        self._created = ""
        self._events_unreadable = False
        self._made = Made(cluster, self._run, tell=tell, monotonic=monotonic, sleep=sleep)

    async def run(self) -> Passed:
        """Runs the test; whatever happens, what it made is deleted, unless it is to be kept.

        Raises:
            ImagePullError, ContainerCrashError, PodReadinessTimeout, PodFailure: the image did not get ready.
            UnusableInput: the namespace is not there, or the name is taken.
            KubeError: the cluster refused, or gave no answer.
        """
        try:
            await self._create()
            created = self._monotonic()
            await self._wait_until_ready()
            ready_seconds = self._monotonic() - created
            results = await self._import()
            return Passed(resource=self.resource, ready_seconds=ready_seconds, results=results)
        finally:
            if self._keep:
                self._made.tell_kept()
            elif await unbroken(self._made.remove()):
                self.resource = self.resource.move(NotebookStatus.DELETED)

    async def _create(self) -> None:
        configuration = self._configuration
        restricted = await self._look_at_namespace()
        imports = len(configuration.packages_to_verify) * configuration.timeout_command + OVERHEAD_SECONDS
        lifetime = None if self._keep else configuration.timeout_pod_ready + imports + SPARE_SECONDS
        what = f"{self._kind.kind} {configuration.namespace}/{configuration.notebook_name}"
        body = build_object(configuration, self._run, restricted=restricted, lifetime_seconds=lifetime)
        try:
            made = await self._made.make(self._kind, body, configuration.namespace)
        except AlreadyExists as error:
            raise UnusableInput(
                f"{what}: there is one of that name already, and it is left alone. Give another name."
            ) from error
        except NotFound as error:
            if "namespaces" in str(error) or not configuration.as_notebook:
                raise UnusableInput(_no_namespace(configuration.namespace)) from error
            raise UnusableInput(
                f"{what}: the cluster knows no {self._kind.kind} of {self._kind.api_version}. "
                "Install its controller, or test the image in a plain pod."
            ) from error
        self._created = made["metadata"]["creationTimestamp"]
        self._tell(f"{what} is created from {configuration.custom_image}")

    async def _look_at_namespace(self) -> bool:
        """Makes the namespace where that was asked for; whether it is restricted."""
        name = self._configuration.namespace
        try:
            found = await self._cluster.get(NAMESPACES, name)
        except Forbidden:
            return False  # who may make pods there need not be allowed to read it; the API server tells what it minds
        except NotFound as error:
            if not self._create_namespace:
                raise UnusableInput(_no_namespace(name)) from error
            labels = {names.MANAGED_BY_LABEL: names.MANAGED_BY, names.IMAGE_TEST_LABEL: self._run}
            body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
            found = await self._made.make(NAMESPACES, body, None)
            self._tell(f"namespace {name} is created")
            await self._wait_for_account()
        if found["metadata"].get("deletionTimestamp"):
            raise UnusableInput(f"namespace {name}: it is being deleted. Wait until it is gone, or name another.")
        return is_restricted(found)

    async def _wait_for_account(self) -> None:
        """No pod can be made in a new namespace before its service account is there."""
        deadline = self._monotonic() + ACCOUNT_SECONDS
        while self._monotonic() < deadline:
            try:
                await self._cluster.get(SERVICE_ACCOUNTS, "default", self._configuration.namespace)
            except NotFound:
                await self._sleep(LOOK_SECONDS)
            except Forbidden:
                return
            else:
                return

    async def _wait_until_ready(self) -> None:
        deadline = self._monotonic() + self._configuration.timeout_pod_ready
        told = ""
        cut = 0
        while True:
            try:
                pod = await self._find_pod()
                cut = 0
            except Unreachable:
                cut += 1
                if cut == CUT_LIMIT:
                    raise
                await self._sleep(LOOK_SECONDS)
                continue
            self.resource = self.resource.observe(pod)
            state = self.resource.status
            if state is NotebookStatus.READY:
                self._tell(f"{state}: pod {self.resource.pod_name}")
                return
            if state is NotebookStatus.FAILED:
                raise failure_of(await self._diagnose(pod), timed_out=False)
            if self._monotonic() >= deadline:
                self.resource = self.resource.move(NotebookStatus.FAILED)
                raise failure_of(await self._diagnose(pod), timed_out=True)
            waits = waits_for(pod, await self._find_events() if pod is None else ())
            line = ": ".join(part for part in (state, waits) if part)
            if line != told:
                self._tell(line)
                told = line
            await self._sleep(LOOK_SECONDS)

    async def _find_pod(self) -> Object | None:
        name, namespace = self.resource.name, self.resource.namespace
        if not self._configuration.as_notebook:
            return await self._cluster.get(PODS, name, namespace)
        pods = await self._cluster.list(PODS, namespace, labels=NOTEBOOK.pods_of(name))
        # One that is older belongs to a Notebook of that name that was deleted a moment ago.
        ours = [pod for pod in pods.items if pod["metadata"]["creationTimestamp"] >= self._created]
        return ours[0] if ours else None

    async def _import(self) -> Results:
        assert self.resource.pod_name is not None
        assert self.resource.container_name is not None
        count = len(self._configuration.packages_to_verify)
        self._tell(f"importing {count} {'module' if count == 1 else 'modules'}")
        try:
            results = await self._verify(self.resource.pod_name, self.resource.container_name)
        except WheelwardenError:
            await self._fail_if_restarted(looks=RESTART_LOOKS)
            raise
        imported = [result.import_successful for result in results.values()]
        if not all(imported):
            await self._fail_if_restarted(looks=1 if any(imported) else RESTART_LOOKS)
        return results

    async def _fail_if_restarted(self, *, looks: int) -> None:
        """An import that fails since its container went away says nothing about the module."""
        for look in range(looks):
            if look:
                await self._sleep(LOOK_SECONDS)
            try:
                pod = await self._find_pod()
            except KubeError:
                return
            if pod is not None and has_restarted(pod):
                self.resource = self.resource.move(NotebookStatus.FAILED)
                raise failure_of(await self._diagnose(pod), timed_out=False)

    async def _diagnose(self, pod: Object | None) -> PodDiagnosticInfo:
        """What cannot be read is left out: a diagnosis in part is better than none."""
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
                self._tell(f"the log of container {name} cannot be read: {error}")
        return diagnose(pod, await self._find_events(), logs)

    async def _find_events(self) -> Sequence[Mapping[str, Any]]:
        """The events on the pod and on the StatefulSet of a Notebook; not those on the Notebook, copied from the pod."""
        events: list[Mapping[str, Any]] = []
        for name in sorted({self.resource.name, self.resource.pod_name or self.resource.name}):
            fields = f"involvedObject.name={name},involvedObject.kind!=Notebook"
            try:
                found = await self._cluster.list(EVENTS, self.resource.namespace, fields=fields)
            except KubeError as error:
                if not self._events_unreadable:
                    self._tell(f"its events cannot be read: {error}")
                self._events_unreadable = True
                continue
            events += events_since(found.items, self._created)
        return events


def _no_namespace(name: str) -> str:
    return (
        f"namespace {name}: it does not exist. Make it by `kubectl create namespace {name}`, "
        "or ask for it with --create-namespace."
    )


async def run_image_test(
    configuration: CustomImageTestConfiguration,
    *,
    kubeconfig: Path | None = None,
    context: str | None = None,
    tell: Callable[[str], None] = lambda _: None,
    create_namespace: bool = False,
    keep: bool = False,
) -> Passed:
    """Tests an image on the cluster of `kubeconfig` and `context` (default: as kubectl finds it).

    Args:
        configuration: what is tested.
        kubeconfig: a file.
        context: one of its contexts.
        tell: gets a line on each step.
        create_namespace: whether a namespace that is not there is made, and removed again.
        keep: whether everything stays.

    Raises:
        PodFailure: the image did not get ready; ImagePullError, ContainerCrashError and PodReadinessTimeout are such.
        UnusableInput: the configuration of the cluster, the namespace or the name cannot be used.
        KubeError: the cluster refused, or gave no answer.
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
            tell=tell,
            create_namespace=create_namespace,
            keep=keep,
            monotonic=time.monotonic,
            sleep=asyncio.sleep,
        )
        return await test.run()
