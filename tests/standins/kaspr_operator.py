"""The stand-in Kaspr operator: reads, lets `kaspr` decide, writes; on changes, and by the clock as the real one."""

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from tests.standins import kaspr as decide
from tests.standins.loop import Key, Loop, Source, key_by_label, own_key
from wheelwarden.api.errors import AlreadyExists, Conflict, KubeError, NotFound, Unreachable
from wheelwarden.api.objects import Object
from wheelwarden.kube import CLAIMS, KASPRAPPS, PODS, SERVICES, STATEFUL_SETS, Cluster

# The real one names no field manager; this is what the API server makes of its client library's user agent.
FIELD_MANAGER = "OpenAPI-Generator"
REPLACE_SECONDS = 10.0
STALE_SECONDS = 30.0


class KasprOperator:
    """Makes a StatefulSet and a headless Service for each KasprApp, and takes back what others wrote there.

    Every `stale_seconds` it rewrites the whole `status.conditions` from what it read `stale_seconds` before.
    """

    def __init__(
        self, cluster: Cluster, *, replace_seconds: float = REPLACE_SECONDS, stale_seconds: float = STALE_SECONDS
    ) -> None:
        self._cluster = cluster
        self._replace_seconds = replace_seconds
        self._stale_seconds = stale_seconds
        self._snapshots: dict[str, list[Object]] = {}  # by the KasprApp's uid
        self._loop = Loop(
            cluster,
            "kaspr operator",
            [
                Source(resource=KASPRAPPS, key_of=own_key),
                Source(resource=STATEFUL_SETS, key_of=key_by_label(decide.APP_LABEL), labels=decide.APP_LABEL),
            ],
            self._reconcile,
        )

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._loop.run())
            tasks.create_task(self._every(self._replace_seconds, self._replace_lists))
            tasks.create_task(self._every(self._stale_seconds, self._rewrite_conditions))

    async def _reconcile(self, key: Key) -> None:
        namespace, name = key
        try:
            app = await self._cluster.get(KASPRAPPS, name, namespace)
        except NotFound:
            return
        deleting = "deletionTimestamp" in app["metadata"]
        if deleting or decide.installs_packages(app):
            await self._put_finalizer(app, there=not deleting)
        if deleting:
            return
        component = decide.component_name(app)
        if decide.installs_packages(app):
            await self._put_claim(app)
        try:
            await self._cluster.get(SERVICES, component, namespace)
        except NotFound:
            await self._cluster.create(SERVICES, decide.build_service(app), namespace)
        try:
            live = await self._cluster.get(STATEFUL_SETS, component, namespace)
        except NotFound:
            if (delay := _left_of_delay(app)) > 0:
                asyncio.get_running_loop().call_later(delay, self._loop.add, key)
                return
            live = await self._cluster.create(STATEFUL_SETS, decide.build_statefulset(app), namespace)
        if patch := decide.build_drift_patch(app, live):
            await self._cluster.patch(STATEFUL_SETS, component, patch, namespace, style="json")
        if app["metadata"]["uid"] not in self._snapshots:
            await self._rewrite_conditions(app)

    async def _put_finalizer(self, app: Object, *, there: bool) -> None:
        """As its framework does: from the first moment on, until the deletion is seen."""
        before = app["metadata"].get("finalizers") or []
        wanted = [*(one for one in before if one != decide.FINALIZER), *([decide.FINALIZER] if there else [])]
        if wanted != before and (there is not (decide.FINALIZER in before)):
            namespace, name = own_key(app)
            await self._cluster.patch(KASPRAPPS, name, {"metadata": {"finalizers": wanted}}, namespace)

    async def _put_claim(self, app: Object) -> None:
        """Makes the volume; where none is wanted, one of that name is deleted, whoever made it."""
        namespace, _ = own_key(app)
        claim = decide.build_claim(app)
        if decide.keeps_packages(app):
            with contextlib.suppress(AlreadyExists):
                await self._cluster.create(CLAIMS, claim, namespace)
        else:
            with contextlib.suppress(NotFound):
                await self._cluster.delete(CLAIMS, claim["metadata"]["name"], namespace)

    async def _replace_lists(self, app: Object) -> None:
        patch = decide.build_replacements(app)
        namespace = app["metadata"]["namespace"]
        await self._cluster.patch(STATEFUL_SETS, decide.component_name(app), patch, namespace, style="json")

    async def _rewrite_conditions(self, app: Object) -> None:
        namespace, name = own_key(app)
        uid = app["metadata"]["uid"]
        try:
            statefulset = await self._cluster.get(STATEFUL_SETS, decide.component_name(app), namespace)
        except NotFound:
            statefulset = None
        installs = decide.installs_packages(app)
        pods = await self._list_pods(app) if installs else []
        conditions = decide.rewrite_conditions(app, statefulset, self._snapshots.get(uid, []), now=_now(), pods=pods)
        self._snapshots[uid] = decide.read_conditions(app)
        status: Object = {"status": {"conditions": conditions}}
        if installs:
            status["status"]["pythonPackages"] = decide.describe_packages(app, await self._read_marker(app, pods))
        if conditions != decide.read_conditions(app) or installs:
            await self._cluster.patch(KASPRAPPS, name, status, namespace, subresource="status")

    async def _list_pods(self, app: Object) -> list[Object]:
        namespace, name = own_key(app)
        return list((await self._cluster.list(PODS, namespace, labels=f"{decide.APP_LABEL}={name}")).items)

    async def _read_marker(self, app: Object, pods: list[Object]) -> str | None:
        """The text of the marker in the pod whose installer ended well; None while there is no such pod."""
        found = decide.find_installer(app, pods)
        if found is None or decide.judge_installer(found[1])[0] != "True":
            return None
        if not decide.keeps_packages(app):
            return ""
        marker = f"{decide.PACKAGES_PATH}/.installed-{decide.hash_packages(app)}"
        namespace, _ = own_key(app)
        try:
            done = await self._cluster.exec(found[0], namespace, decide.CONTAINER, ["cat", marker], timeout_seconds=10)
        except KubeError:
            return None
        return done.stdout if done.exit_code == 0 else ""

    async def _every(self, seconds: float, act: Callable[[Object], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                apps = (await self._cluster.list(KASPRAPPS)).items
            except KubeError:
                continue
            self._snapshots = {
                app["metadata"]["uid"]: self._snapshots[app["metadata"]["uid"]]
                for app in apps
                if app["metadata"]["uid"] in self._snapshots
            }
            for app in apps:
                try:
                    await act(app)
                except (Conflict, NotFound, Unreachable):
                    continue  # it is gone, or the next round comes
                except KubeError as error:
                    print(f"kaspr operator: {'/'.join(own_key(app))}: {error}", file=sys.stderr, flush=True)


def _left_of_delay(app: Object) -> float:
    """Seconds until the StatefulSet of this app may be made."""
    made = datetime.fromisoformat(app["metadata"]["creationTimestamp"])
    return decide.read_delay_seconds(app) - (datetime.now(UTC) - made).total_seconds()


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
