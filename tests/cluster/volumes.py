"""Volumes of the test cluster: folders of the node, given to claims as they come.

Two StorageClasses: `standard` (the default; every access mode, may be expanded) and `rwo-only`, which refuses
ReadWriteMany as many real provisioners do. Run as `python -m tests.cluster.volumes --kubeconfig FILE --folder FOLDER`.
"""

import argparse
import asyncio
import contextlib
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

from wheelwarden.api.errors import AlreadyExists, KubeError, NotFound
from wheelwarden.kube import CLAIMS, EVENTS, STORAGE_CLASSES, VOLUMES, Cluster

PROVISIONER = "volumes.test.wheelwarden.dev"
STANDARD = "standard"
RWO_ONLY = "rwo-only"
_PAUSE_SECONDS = 0.3

Object = dict[str, Any]


class Provisioner:
    """Looks at all claims every third of a second: there are few, and nothing is missed."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self._cluster = cluster
        self._folder = folder
        self._refused: set[str] = set()

    async def run(self) -> None:
        for name in (STANDARD, RWO_ONLY):
            with contextlib.suppress(AlreadyExists):
                await self._cluster.create(STORAGE_CLASSES, _storage_class(name))
        while True:
            try:
                await self._look()
            except KubeError as error:
                print(f"trying again: {error}", file=sys.stderr, flush=True)
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _look(self) -> None:
        claims = {claim["metadata"]["uid"]: claim for claim in (await self._cluster.list(CLAIMS)).items}
        volumes = {volume["metadata"]["name"]: volume for volume in (await self._cluster.list(VOLUMES)).items}
        for uid, claim in claims.items():
            if claim["spec"].get("storageClassName") not in (STANDARD, RWO_ONLY):
                continue
            if f"pvc-{uid}" not in volumes:
                await self._provision(claim)
            else:
                await self._expand(claim, volumes[f"pvc-{uid}"])
        for name, volume in volumes.items():
            if name.removeprefix("pvc-") not in claims:
                await self._remove(name, volume)

    async def _provision(self, claim: Object) -> None:
        uid = claim["metadata"]["uid"]
        if claim["metadata"].get("deletionTimestamp"):
            return
        if claim["spec"]["storageClassName"] == RWO_ONLY and "ReadWriteMany" in claim["spec"]["accessModes"]:
            await self._refuse(claim)
            return
        path = self._folder / f"pvc-{uid}"
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o1777)  # any uid may write, nobody removes another's
        with contextlib.suppress(AlreadyExists):
            await self._cluster.create(VOLUMES, _volume(claim, path))

    async def _refuse(self, claim: Object) -> None:
        metadata = claim["metadata"]
        if metadata["uid"] in self._refused:
            return
        self._refused.add(metadata["uid"])
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": f"{metadata['name']}.", "namespace": metadata["namespace"]},
            "involvedObject": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "name": metadata["name"],
                "namespace": metadata["namespace"],
                "uid": metadata["uid"],
            },
            "type": "Warning",
            "reason": "ProvisioningFailed",
            "message": f"storage class {RWO_ONLY} supports ReadWriteOnce only",
            "source": {"component": PROVISIONER},
        }
        await self._cluster.create(EVENTS, event, metadata["namespace"])

    async def _expand(self, claim: Object, volume: Object) -> None:
        wanted = claim["spec"]["resources"]["requests"]["storage"]
        status = claim.get("status", {})
        given = {volume["spec"]["capacity"]["storage"], status.get("capacity", {}).get("storage")}
        if status.get("phase") != "Bound" or given == {wanted}:
            return
        name, namespace = claim["metadata"]["name"], claim["metadata"]["namespace"]
        await self._cluster.patch(VOLUMES, volume["metadata"]["name"], {"spec": {"capacity": {"storage": wanted}}})
        patch = {"status": {"capacity": {"storage": wanted}}}
        await self._cluster.patch(CLAIMS, name, patch, namespace, subresource="status")

    async def _remove(self, name: str, volume: Object) -> None:
        if (volume["metadata"].get("annotations") or {}).get("pv.kubernetes.io/provisioned-by") != PROVISIONER:
            return
        try:
            await self._cluster.delete(VOLUMES, name)
        except NotFound:
            return
        await asyncio.to_thread(shutil.rmtree, self._folder / name, ignore_errors=True)


def _storage_class(name: str) -> Object:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": name,
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"} if name == STANDARD else {},
        },
        "provisioner": PROVISIONER,
        "allowVolumeExpansion": True,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "Immediate",
    }


def _volume(claim: Object, path: Path) -> Object:
    metadata, spec = claim["metadata"], claim["spec"]
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {
            "name": f"pvc-{metadata['uid']}",
            "annotations": {"pv.kubernetes.io/provisioned-by": PROVISIONER},
        },
        "spec": {
            "accessModes": spec["accessModes"],
            "capacity": {"storage": spec["resources"]["requests"]["storage"]},
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "name": metadata["name"],
                "namespace": metadata["namespace"],
                "uid": metadata["uid"],
            },
            "hostPath": {"path": str(path), "type": "Directory"},
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": spec["storageClassName"],
        },
    }


async def _serve(kubeconfig: Path, folder: Path) -> None:
    async with await Cluster.connect(kubeconfig=kubeconfig, field_manager=PROVISIONER) as cluster:
        work = asyncio.ensure_future(Provisioner(cluster, folder).run())
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, work.cancel)
        try:
            await work
        except asyncio.CancelledError:
            return


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.cluster.volumes")
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    arguments = parser.parse_args()
    asyncio.run(_serve(arguments.kubeconfig, arguments.folder))
