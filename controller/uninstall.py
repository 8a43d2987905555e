"""Takes back what we said, before an uninstall: conditions that nobody keeps true any more must not stand there for good.

`python3 -m controller.uninstall`, run by the chart's pre-delete hook. It takes the Lease under a name of its own, so that
the running controller stops and none of its replicas begins for a while; then it clears our conditions and our status. It
is bounded in time and number and always ends with exit code 0: an uninstall must not hang on it. What it could not clear
is in its log. An uninstall that was given up heals by itself when the Lease runs out.
"""

import asyncio
import datetime
import functools
import logging
import os
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from controller.install_owner import wrote_packages_status
from controller.lease import RENEW_DEADLINE_SECONDS
from controller.status_patch import TYPES
from wheelwarden.api import names
from wheelwarden.api.errors import Conflict, KubeError, NotFound, WheelwardenError
from wheelwarden.api.kinds import WorkloadKind
from wheelwarden.api.objects import Object, annotations_of
from wheelwarden.kube import LEASES, PODS, Cluster, Resource, resource_for
from wheelwarden.logs import set_up_logging
from wheelwarden.parsing.request import locate_request_of
from wheelwarden.settings import Reader

LOGGER = logging.getLogger("uninstall")
IDENTITY: Final = "uninstall"
OBJECT_LIMIT: Final = 50_000  # objects that are looked at, of each kind
TRIES: Final = 3  # for one object that others write to at the same time
# An operator that rewrites all conditions from what it read before puts ours back once.
STALE_SECONDS: Final = 10.0
# A Lease is ours for so long after we are done: the uninstall that follows removes the controllers meanwhile.
LEASE_MARGIN_SECONDS: Final = 120.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What the hook is told. `namespaces` empty: all of them."""

    namespace: str
    lease: str
    kinds: tuple[WorkloadKind, ...]
    namespaces: tuple[str, ...]
    seconds: int
    kubeconfig: Path | None


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Reads the WHEELWARDEN_* variables. Raises UnusableInput."""
    reader = Reader(environment)
    settings = Settings(
        namespace=reader.needed("WHEELWARDEN_NAMESPACE"),
        lease=reader.needed("WHEELWARDEN_LEASE"),
        kinds=reader.kinds("WHEELWARDEN_KINDS"),
        namespaces=reader.words("WHEELWARDEN_WATCH_NAMESPACES"),
        seconds=reader.number("WHEELWARDEN_UNINSTALL_SECONDS", 120),
        kubeconfig=reader.path("WHEELWARDEN_KUBECONFIG"),
    )
    reader.check()
    return settings


class Uninstaller:
    """Clears what we wrote.

    Args:
        cluster: the client.
        settings: where.
        now: the wall clock; `sleep` waits.
    """

    def __init__(
        self,
        cluster: Cluster,
        settings: Settings,
        *,
        now: Callable[[], datetime.datetime],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._cluster = cluster
        self._settings = settings
        self._now = now
        self._sleep = sleep
        self.cleared = 0
        self.failed = 0

    async def run(self) -> None:
        """Does it all; raises TimeoutError where the time did not suffice, and KubeError where the Lease cannot be had."""
        async with asyncio.timeout(self._settings.seconds):
            if await self._take_lease():
                # The leader notices at its next renewal, at the latest when its own deadline has passed.
                await self._sleep(RENEW_DEADLINE_SECONDS)
            for kind in self._settings.kinds:
                await self._clear_all(PODS, kind.pod_label, clear_pod)
            written = [kind for kind in self._settings.kinds if kind.conditions is not None]
            found = [await self._clear_status(kind) for kind in written]
            if any(found):
                await self._sleep(STALE_SECONDS)
                for kind in written:
                    await self._clear_status(kind)

    async def _clear_status(self, kind: WorkloadKind) -> int:
        """Clears every object of a kind whose status we write to; says how many had something of ours."""
        return await self._clear_all(resource_for(kind), "", functools.partial(clear_object, kind))

    async def _take_lease(self) -> bool:
        """Takes the Lease; says whether somebody may have held it."""
        for attempt in range(TRIES):
            try:
                lease = await self._cluster.get(LEASES, self._settings.lease, self._settings.namespace)
                spec = lease.get("spec") or {}
                held = bool(spec.get("holderIdentity"))
                stamp = self._now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
                lease["spec"] = spec | {
                    "holderIdentity": IDENTITY,
                    "leaseDurationSeconds": int(self._settings.seconds + LEASE_MARGIN_SECONDS),
                    "renewTime": stamp,
                    "acquireTime": stamp,
                    "leaseTransitions": int(spec.get("leaseTransitions") or 0) + 1,
                }
                await self._cluster.replace(LEASES, lease, self._settings.namespace)
            except NotFound:
                return False  # no Lease: no controller has led
            except Conflict:  # the leader renewed it in between
                if attempt == TRIES - 1:
                    raise
            else:
                return held
        return False

    async def _clear_all(self, resource: Resource, labels: str, clear: "Clear") -> int:
        """Clears every object of a resource; says how many had something of ours."""
        found = seen = 0
        for namespace in self._settings.namespaces or (None,):
            try:
                async for page in self._cluster.pages(resource, namespace, labels=labels):
                    for obj in page.items:
                        seen += 1
                        found += await self._clear(resource, obj, clear)
                    if seen >= OBJECT_LIMIT:
                        LOGGER.warning("%s: only the first %d are looked at", resource.plural, seen)
                        break
            except NotFound:
                LOGGER.info("%s: this kind is not installed", resource.plural)
            except KubeError as error:
                self.failed += 1
                LOGGER.warning("%s in %s: %s", resource.plural, namespace or "all namespaces", error)
        return found

    async def _clear(self, resource: Resource, obj: Object, clear: "Clear") -> bool:
        """Clears one object; says whether it had something of ours."""
        name, namespace = obj["metadata"]["name"], obj["metadata"]["namespace"]
        try:
            for _ in range(TRIES):
                patch = clear(obj)
                if patch is None:
                    return False
                style = "strategic" if resource is PODS else "merge"
                try:
                    await self._cluster.patch(resource, name, patch, namespace, subresource="status", style=style)
                except Conflict:
                    obj = await self._cluster.get(resource, name, namespace)
                else:
                    self.cleared += 1
                    return True
            raise Conflict(409, "Conflict", f"it changed {TRIES} times meanwhile")
        except NotFound:
            return False
        except KubeError as error:
            self.failed += 1
            LOGGER.warning("%s %s/%s keeps what we said of it: %s", resource.kind, namespace, name, error)
            return True


Clear = Callable[[Object], Object | None]


def clear_pod(pod: Object) -> Object | None:
    """The patch (strategic) that takes our conditions and the last probe from a pod; None where it has neither."""
    there = {entry.get("type") for entry in (pod.get("status") or {}).get("conditions") or []}
    written = (names.POD_PROBED_ANNOTATION, names.POD_RESULTS_ANNOTATION, names.POD_COUNTED_ANNOTATION)
    annotations = [name for name in written if name in annotations_of(pod)]
    types = [type_ for type_ in TYPES if type_ in there]
    if not types and not annotations:
        return None
    return {
        "metadata": {"uid": pod["metadata"]["uid"], "annotations": dict.fromkeys(annotations)},
        "status": {"conditions": [{"type": type_, "$patch": "delete"} for type_ in types]},
    }


def clear_object(kind: WorkloadKind, obj: Object) -> Object | None:
    """The patch (merge) that takes our conditions and status from an object; None where it has neither.

    `status.pythonPackages` is cleared where it is our writing; the operator's stays.
    """
    status: Mapping[str, Any] = obj.get("status") or {}
    conditions: Sequence[Object] = status.get("conditions") or []
    kept = [entry for entry in conditions if entry.get("type") not in TYPES]
    change: Object = {}
    if len(kept) < len(conditions):
        change["conditions"] = kept
    if status.get("wheelwarden") is not None:
        change["wheelwarden"] = None
    if wrote_packages_status(locate_request_of(kind, obj).request(), obj):
        change["pythonPackages"] = None
    if not change:
        return None
    return {"metadata": {"resourceVersion": obj["metadata"]["resourceVersion"]}, "status": change}


async def _run(settings: Settings) -> None:
    async with await Cluster.connect(kubeconfig=settings.kubeconfig, field_manager="wheelwarden-uninstall") as cluster:
        uninstaller = Uninstaller(cluster, settings, now=lambda: datetime.datetime.now(datetime.UTC))
        began = time.monotonic()
        try:
            await uninstaller.run()
        except TimeoutError:
            LOGGER.warning("the time is up after %d s; what is left keeps what we said of it", settings.seconds)
        finally:
            text = "cleared %d objects, %d could not be cleared, in %.0f s"
            LOGGER.info(text, uninstaller.cleared, uninstaller.failed, time.monotonic() - began)


def main() -> int:
    """Always 0: an uninstall must not hang on what is only tidied up."""
    set_up_logging("info", "text")
    try:
        asyncio.run(_run(read_settings(os.environ)))
    except WheelwardenError as error:
        LOGGER.warning("nothing more is cleared: %s", error)
    except Exception:  # whatever it is, the uninstall goes on
        LOGGER.exception("nothing more is cleared")
    return 0


if __name__ == "__main__":
    sys.exit(main())
