"""A whole image test on an in-memory cluster: the order of the steps, and that everything is deleted."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tests.unit.fake_cluster import FakeCluster, Object
from tests.unit.verify.test_image_test_diagnosis import ended, event, pod, running, waiting
from wheelwarden.api.errors import Forbidden, KubeError, NotFound, PodNotReadyError, Unreachable, UnusableInput
from wheelwarden.kube import EVENTS, NAMESPACES, NOTEBOOKS, PODS, SERVICE_ACCOUNTS, Listing, Resource
from wheelwarden.verify import (
    ContainerCrashError,
    CustomImageTestConfiguration,
    ImagePullError,
    NotebookStatus,
    PackageVerificationResult,
    PodFailureCategory,
    PodReadinessTimeout,
)
from wheelwarden.verify.image_test.run import ImageTest

READY: Object = {**pod(running(), phase="Running")["status"], "conditions": [{"type": "Ready", "status": "True"}]}
NAMESPACE: Object = {"metadata": {"name": "test-lab", "uid": "uid-ns"}}
ASKED: dict[str, Any] = {
    "namespace": "test-lab",
    "notebook_name": "lab",
    "custom_image": "registry.example.com/lab:1",
    "packages_to_verify": ["json", "numpy"],
    "timeout_pod_ready": 60,
    "as_notebook": False,
}


class World(FakeCluster):
    """A cluster whose pod gets one status after the other and keeps the last; its clock advances by sleeping."""

    def __init__(self, *statuses: Object, namespace: bool = True) -> None:
        super().__init__()
        self.now = 0.0
        self.statuses = list(statuses) or [READY]
        self.refuse: dict[str, KubeError] = {}
        self.finalizing = False
        self.reported: list[str] = []
        self.imported: list[tuple[str, str]] = []
        if namespace:
            self.put(NAMESPACES, {"metadata": dict(NAMESPACE["metadata"])})

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object:
        self._refuse(f"get {resource.plural}")
        found = await super().get(resource, name, namespace)
        return self._with_status(found) if resource is PODS else found

    async def list(
        self, resource: Resource, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> Listing:
        self._refuse(f"list {resource.plural}")
        if resource is EVENTS:
            before = event("Failed", "of an earlier one by that name", time="2026-01-31T09:59:59Z")
            return Listing(items=[before, event("Failed", "as the event says")], resource_version="1")
        found = await super().list(resource, namespace, labels=labels)
        return Listing(items=[self._with_status(obj) for obj in found.items], resource_version="1")

    async def create(self, resource: Resource, body: Object, namespace: str | None = None) -> Object:
        made = await super().create(resource, body, namespace)
        if resource is NOTEBOOKS:
            labels = {**body["metadata"]["labels"], "notebook-name": body["metadata"]["name"]}
            metadata = {
                "name": f"{body['metadata']['name']}-0",
                "labels": labels,
                "creationTimestamp": "2026-01-31T10:00:01Z",
            }
            self.put(PODS, {"metadata": metadata, "spec": body["spec"]["template"]["spec"]})
        if resource is NAMESPACES:
            self.put(SERVICE_ACCOUNTS, {"metadata": {"name": "default"}})
        self._refuse(f"create {resource.plural}")
        return made

    async def delete(
        self, resource: Resource, name: str, namespace: str | None = None, *, uid: str | None = None
    ) -> None:
        self._refuse(f"delete {resource.plural}")
        assert uid == self.objects[resource.plural, name]["metadata"]["uid"]
        if self.finalizing:
            self.objects[resource.plural, name]["metadata"]["deletionTimestamp"] = "2026-01-31T10:00:00Z"
            return
        await super().delete(resource, name, namespace)
        if resource is NOTEBOOKS:
            del self.objects[PODS.plural, f"{name}-0"]

    async def logs(self, pod: str, namespace: str, container: str, *, tail_lines: int = 100) -> str:
        return f"log of {container}"

    def left(self) -> Sequence[str]:
        return [plural for plural, _ in self.objects if plural not in ("serviceaccounts", "events")]

    def _refuse(self, what: str) -> None:
        if what in self.refuse:
            raise self.refuse[what]

    def _with_status(self, found: Object) -> Object:
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        return {**found, "status": status}


def _result(module: str, error: str | None = None) -> PackageVerificationResult:
    return PackageVerificationResult(
        package_name=module,
        import_successful=error is None,
        error_message=error,
        command_executed=f"python3 -c 'import {module}'",
        execution_time_seconds=0.8,
    )


def _test(
    world: World, *, create_namespace: bool = False, keep: bool = False, verify: Any = None, **asked: Any
) -> ImageTest:
    async def import_all(pod_name: str, container: str) -> Mapping[str, PackageVerificationResult]:
        world.imported.append((pod_name, container))
        return {module: _result(module) for module in ("json", "numpy")}

    cluster: Any = world
    return ImageTest(
        cluster,
        CustomImageTestConfiguration(**ASKED | asked),
        verify=verify or import_all,
        report=world.reported.append,
        create_namespace=create_namespace,
        keep=keep,
        monotonic=lambda: world.now,
        sleep=world.sleep,
    )


def _status(*statuses: Object, **more: Any) -> Object:
    found: Object = pod(*statuses, **more)["status"]
    return found


CRASHED = _status(waiting("CrashLoopBackOff", containerID="x"), phase="Running")


async def test_a_pod_is_created_imported_in_when_ready_and_deleted() -> None:
    world = World(_status(), _status(waiting("ContainerCreating")), READY)
    test = _test(world)
    result = await test.run()
    assert world.writes == [("create", "pods", "lab"), ("delete", "pods", "lab")]
    assert world.imported == [("lab", "lab")]
    assert (list(result.results), result.resource.status) == (["json", "numpy"], NotebookStatus.READY)
    assert (test.resource.status, world.left()) == (NotebookStatus.DELETED, ["namespaces"])
    assert world.reported == [
        "created Pod test-lab/lab from registry.example.com/lab:1",
        "PodPending",
        "PodPending: container lab: ContainerCreating",
        "Ready: pod lab",
        "importing 2 modules",
    ]


async def test_a_notebooks_pod_is_found_by_its_label_and_is_gone_at_the_end() -> None:
    world = World()
    result = await _test(world, as_notebook=True).run()
    assert (result.resource.pod_name, world.imported) == ("lab-0", [("lab-0", "lab")])
    assert world.writes == [("create", "notebooks", "lab"), ("delete", "notebooks", "lab")]
    assert world.left() == ["namespaces"]


async def test_the_pod_of_an_earlier_notebook_of_the_same_name_is_ignored() -> None:
    world = World()
    old = {"name": "lab-9", "labels": {"notebook-name": "lab"}, "creationTimestamp": "2026-01-31T09:00:00Z"}
    world.put(PODS, {"metadata": old, "spec": {"containers": [{"name": "lab"}]}})
    result = await _test(world, as_notebook=True).run()
    assert result.resource.pod_name == "lab-0"
    assert not any(line.startswith("left behind") for line in world.reported)


@pytest.mark.parametrize(
    ("status", "error", "category"),
    [
        (_status(waiting("ImagePullBackOff")), ImagePullError, PodFailureCategory.IMAGE_PULL_ERROR),
        (CRASHED, ContainerCrashError, PodFailureCategory.CRASH_LOOP),
        (_status(running(ready=False), phase="Running"), PodReadinessTimeout, PodFailureCategory.TIMEOUT),
    ],
)  # fmt: skip
async def test_a_failure_has_events_and_logs_and_leaves_nothing_behind(
    status: Object, error: type[Exception], category: PodFailureCategory
) -> None:
    world = World(status)
    test = _test(world)
    with pytest.raises(error) as raised:
        await test.run()
    diagnostics: Any = getattr(raised.value, "diagnostics", None)
    assert diagnostics.error_category is category
    assert diagnostics.events == ("Warning Failed: as the event says",)
    assert diagnostics.logs == {"lab": "log of lab" if category is PodFailureCategory.CRASH_LOOP else ""}
    assert (world.left(), world.imported) == (["namespaces"], [])


async def test_events_that_cannot_be_read_are_left_out_of_the_diagnosis() -> None:
    world = World(_status(waiting("ImagePullBackOff")))
    world.refuse["list events"] = Forbidden(403, "Forbidden", "events is forbidden")
    with pytest.raises(ImagePullError) as raised:
        await _test(world).run()
    assert raised.value.diagnostics.events == ()
    assert "the events cannot be read: events is forbidden" in world.reported


@pytest.mark.parametrize("late", [0, 2])
async def test_a_container_that_ended_during_the_import_is_the_failure(late: int) -> None:
    gone = _status({"name": "lab", "restartCount": 1, "lastState": ended(1), "state": {}}, phase="Running")
    world = World(READY, *[READY] * late, gone)

    async def fail(*_: str) -> Mapping[str, PackageVerificationResult]:
        return {"json": _result("json", "the probe did not run: exit code 137")}

    with pytest.raises(ContainerCrashError):
        await _test(world, verify=fail).run()
    assert world.left() == ["namespaces"]


async def test_an_import_that_fails_in_a_running_container_is_a_result() -> None:
    world = World()

    async def fail(*_: str) -> Mapping[str, PackageVerificationResult]:
        return {"json": _result("json"), "numpy": _result("numpy", "ModuleNotFoundError: No module named 'numpy'")}

    result = await _test(world, verify=fail).run()
    assert [one.import_successful for one in result.results.values()] == [True, False]


@pytest.mark.parametrize(
    "raised", [PodNotReadyError("pod test-lab/lab is Failed"), Unreachable(0, "Cut", "cut"), RuntimeError("ours")]
)
async def test_after_any_error_during_the_import_nothing_is_left_behind(raised: Exception) -> None:
    world = World()

    async def fail(*_: str) -> Mapping[str, PackageVerificationResult]:
        raise raised

    with pytest.raises(type(raised)):
        await _test(world, verify=fail).run()
    assert world.left() == ["namespaces"]


async def test_repeated_cancellations_are_raised_after_everything_is_deleted() -> None:
    importing, deleting = asyncio.Event(), asyncio.Event()

    async def hang(*_: str) -> Mapping[str, PackageVerificationResult]:
        importing.set()
        await asyncio.Event().wait()
        return {}

    class Slow(World):
        async def delete(self, *arguments: Any, **more: Any) -> None:
            deleting.set()
            await asyncio.sleep(0)
            await super().delete(*arguments, **more)

    world = Slow()
    task = asyncio.create_task(_test(world, verify=hang).run())
    await importing.wait()
    task.cancel()
    await deleting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert world.left() == ["namespaces"]


async def test_a_cancellation_while_the_pod_is_being_created_leaves_no_pod_behind() -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    class Slow(World):
        async def create(self, *arguments: Any, **more: Any) -> Object:
            asked.set()
            await go_on.wait()
            return await super().create(*arguments, **more)

    world = Slow()
    task = asyncio.create_task(_test(world).run())
    await asked.wait()
    task.cancel()
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert world.writes == [("create", "pods", "lab"), ("delete", "pods", "lab")]


async def test_a_pod_whose_creation_got_no_response_is_deleted() -> None:
    world = World()
    world.refuse["create pods"] = Unreachable(0, "AnswerCut", "cut")
    with pytest.raises(Unreachable):
        await _test(world).run()
    assert world.left() == ["namespaces"]


async def test_another_object_of_the_same_name_is_neither_used_nor_deleted() -> None:
    world = World()
    world.put(PODS, {"metadata": {"name": "lab", "uid": "uid-other"}, "spec": {"containers": []}})
    with pytest.raises(UnusableInput, match="this name is taken already"):
        await _test(world).run()
    assert world.writes == []


async def test_an_object_that_cannot_be_deleted_is_reported_with_the_command_to_delete_it() -> None:
    world = World()
    world.refuse["delete pods"] = Forbidden(403, "Forbidden", "pods is forbidden")
    test = _test(world)
    result = await test.run()
    assert list(result.results) == ["json", "numpy"]
    assert world.reported[-1] == (
        "left behind: Pod lab (pods is forbidden); delete it with: kubectl -n test-lab delete pod lab"
    )
    assert test.resource.status is NotebookStatus.READY


async def test_waiting_for_a_deletion_has_a_limit() -> None:
    world = World()
    world.finalizing = True
    await _test(world).run()
    assert world.reported[-1].startswith("left behind: Pod lab (it is still being deleted)")


async def test_with_keep_nothing_is_deleted() -> None:
    world = World(_status(waiting("ImagePullBackOff")))
    with pytest.raises(ImagePullError):
        await _test(world, keep=True).run()
    assert world.left() == ["namespaces", "pods"]
    assert world.reported[-1] == "kept; delete it with: kubectl -n test-lab delete pod lab"


async def test_a_missing_namespace_is_an_error_with_its_remedy() -> None:
    world = World(namespace=False)
    with pytest.raises(UnusableInput, match="namespace test-lab: it does not exist"):
        await _test(world).run()
    assert world.writes == []


@pytest.mark.parametrize(
    ("message", "notebook", "complaint"),
    [
        ('namespaces "test-lab" not found', False, "namespace test-lab: it does not exist"),
        ('namespaces "test-lab" not found', True, "namespace test-lab: it does not exist"),
        ("the server could not find it", True, "the cluster has no kind Notebook in kubeflow.org/v1"),
    ],
)
async def test_a_missing_namespace_or_kind_is_named(message: str, notebook: bool, complaint: str) -> None:
    class Without(World):
        async def create(self, *_: Any, **__: Any) -> Object:
            raise NotFound(404, "NotFound", message)

    world = Without()
    world.refuse["get namespaces"] = Forbidden(403, "Forbidden", "no")
    with pytest.raises(UnusableInput, match=complaint):
        await _test(world, as_notebook=notebook).run()


async def test_an_error_in_one_deletion_does_not_stop_the_others() -> None:
    class Faulty(World):
        async def delete(self, resource: Resource, *arguments: Any, **more: Any) -> None:
            if resource is PODS:
                raise RuntimeError("ours")
            await super().delete(resource, *arguments, **more)

    world = Faulty(namespace=False)
    await _test(world, create_namespace=True).run()
    assert world.reported[-1] == "left behind: Pod lab (ours); delete it with: kubectl -n test-lab delete pod lab"
    assert world.writes[-1] == ("delete", "namespaces", "test-lab")


async def test_a_namespace_that_others_use_now_is_kept() -> None:
    class Shared(World):
        async def list(self, *arguments: Any, **more: Any) -> Listing:
            return Listing(items=[{"metadata": {"name": "theirs"}}], resource_version="1")

    world = Shared(namespace=False)
    await _test(world, create_namespace=True).run()
    assert world.left() == ["namespaces"]
    assert world.reported[-1] == "namespace test-lab is kept, because it has other pods now"


async def test_a_namespace_is_created_on_request_and_deleted_after_the_pod() -> None:
    world = World(namespace=False)
    await _test(world, create_namespace=True).run()
    assert world.writes == [
        ("create", "namespaces", "test-lab"),
        ("create", "pods", "lab"),
        ("delete", "pods", "lab"),
        ("delete", "namespaces", "test-lab"),
    ]


async def test_an_existing_namespace_is_kept() -> None:
    world = World()
    await _test(world, create_namespace=True).run()
    assert world.left() == ["namespaces"]


async def test_an_image_can_be_tested_without_the_permission_to_read_namespaces() -> None:
    world = World()
    world.refuse["get namespaces"] = Forbidden(403, "Forbidden", "no")
    assert list((await _test(world).run()).results) == ["json", "numpy"]


async def test_a_cluster_that_does_not_respond_for_long_is_unreachable() -> None:
    class Vanishing(World):
        async def create(self, *arguments: Any, **more: Any) -> Object:
            found = await super().create(*arguments, **more)
            self.refuse["get pods"] = Unreachable(0, "Unreachable", "refused")
            return found

    world = Vanishing()
    with pytest.raises(Unreachable):
        await _test(world).run()
    assert world.reported[-1].startswith("left behind: Pod lab (refused)")
