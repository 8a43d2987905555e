"""Removal of older sets, and installations on a volume that is full or read-only."""

import errno
import os
import subprocess
import time
from pathlib import Path

import pytest

from tests.cluster import debian
from tests.payload.conftest import Object, Pod, mount_sized

DAY = 86400.0


def age(store: Path, key: str, seconds: float) -> None:
    stamp = time.time() - seconds
    os.utime(store / key / "record.json", (stamp, stamp))


def test_older_sets_are_removed_after_the_retention_unless_a_live_pod_uses_them(pod: Pod, open_index: Object) -> None:
    keys = {}
    for number, requirement in enumerate(["six==1.16.0", "ww-twoface", "idna", "certifi"]):
        request = pod.request(requirement, **{**open_index, "hash": f"{number}" * 16})
        keys[requirement] = pod.install(request).result["key"]
    age(pod.store, keys["six==1.16.0"], 8 * DAY)
    age(pod.store, keys["ww-twoface"], 8 * DAY)
    age(pod.store, keys["idna"], 6 * DAY)
    more = {"hash": "f" * 16, "keysInUse": ["1" * 16], "retentionSeconds": 7 * DAY}
    ended = pod.install(pod.request("urllib3", **open_index, **more))
    left = {path.name for path in pod.store.iterdir() if not path.name.startswith(".")}
    assert left == {keys["ww-twoface"], keys["idna"], keys["certifi"], ended.result["key"]}
    assert f"Removed from the volume, as no pod uses them: {keys['six==1.16.0']}" in ended.output


def test_no_set_is_removed_if_the_live_pods_are_unknown(pod: Pod, open_index: Object) -> None:
    old = pod.install(pod.request("six==1.16.0", **open_index)).result["key"]
    age(pod.store, old, 100 * DAY)
    pod.install(pod.request("idna", **{**open_index, "hash": "f" * 16, "keysInUse": None}))
    assert (pod.store / old).is_dir()


def test_the_usage_of_a_store_without_its_own_size_is_not_reported(pod: Pod, open_index: Object) -> None:
    usage = pod.install(pod.request("six", **open_index)).result["usage"]
    assert usage["totalBytes"] == 4 << 30
    assert pod.install(pod.request("six", **open_index, reportUsage=False)).result["usage"] is None


def test_reusing_a_set_resets_its_age(pod: Pod, open_index: Object) -> None:
    request = pod.request("six==1.16.0", **open_index)
    key = pod.install(request).result["key"]
    age(pod.store, key, 100 * DAY)
    again = Pod(python=pod.python, store=pod.store, view=pod.view.with_name("pod-1"))
    assert again.install(request).result["outcome"] == "reused"
    assert time.time() - (pod.store / key / "record.json").stat().st_mtime < DAY


MIB = 1 << 20
LEFT_BYTES = 400 << 10  # too little for idna and certifi with their bytecode


def mount_with_quota(place: Path, total_bytes: int) -> None:
    """Mounts a large file system with a quota. It raises EDQUOT when the quota is used up, and statvfs does not show it."""
    debian.ensure(["btrfs-progs"])
    image = place.with_name("quota.img")
    with image.open("wb") as file:
        file.truncate(4096 * MIB)  # sparse
    for command in (
        ["mkfs.btrfs", "--quiet", image],
        ["mount", "-o", "loop", image, place],
        ["btrfs", "quota", "enable", place],
        ["btrfs", "subvolume", "create", place / "claim"],
        ["btrfs", "qgroup", "limit", str(total_bytes), place / "claim"],
        ["mount", "--bind", place / "claim", place],
    ):
        subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)


# The quota is larger: during a change btrfs counts the space that its trees may need as used.
LIMITS = {"size": (mount_sized, 1600 << 10), "quota": (mount_with_quota, 32 * MIB)}


@pytest.fixture(params=LIMITS)
def small_pod(pod: Pod, request: pytest.FixtureRequest) -> Pod:
    """A pod whose store is almost full, by its size or by a quota."""
    mount, total_bytes = LIMITS[request.param]
    mount(pod.store, total_bytes)
    older = pod.store / ("a" * 16 + "-cp311")
    older.mkdir()
    (older / "blob").write_bytes(b"x" * (total_bytes - LEFT_BYTES))
    (older / "record.json").write_text("{}")
    age(pod.store, older.name, 2 * 3600)
    return pod


def test_on_a_full_volume_unused_sets_are_removed_and_the_installation_continues(
    small_pod: Pod, open_index: Object
) -> None:
    request = small_pod.request("idna", "certifi", **open_index, keysInUse=[], retentionSeconds=7 * DAY)
    ended = small_pod.install(request)
    assert (ended.code, ended.result["error"]) == (0, None), ended.output
    assert ended.result["attempts"] == 2
    assert "The volume was full: removed caches and unused packages, trying again" in ended.output
    assert {path.name for path in small_pod.store.iterdir()} == {".wheelwarden", ended.result["key"]}


def test_on_a_full_volume_sets_of_live_pods_are_kept_and_the_installation_fails(
    small_pod: Pod, open_index: Object
) -> None:
    request = small_pod.request("idna", "certifi", **open_index, keysInUse=["a" * 16], retentionSeconds=7 * DAY)
    older = small_pod.store / ("a" * 16 + "-cp311")
    before = (older / "blob").read_bytes()
    ended = small_pod.install(request)
    assert (ended.code, ended.result["error"]["class"]) == (1, "disk_full")
    assert "Increase cache.size" in ended.result["error"]["message"]
    assert (older / "blob").read_bytes() == before
    assert list((small_pod.store / ".wheelwarden" / "staging").iterdir()) == []


@pytest.fixture
def pod_with_quota(pod: Pod) -> Pod:
    mount_with_quota(pod.store, 128 * MIB)
    return pod


def fill(path: Path, left_bytes: int) -> None:
    """Writes a file that leaves this many bytes of the quota."""
    size = 0
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                size += file.write(b"x" * (256 << 10))
        except OSError as error:
            if error.errno != errno.EDQUOT:
                raise
    if left_bytes:
        path.unlink()
        path.write_bytes(b"x" * (size - left_bytes))


@pytest.mark.parametrize("left_bytes", [LEFT_BYTES, 0])
def test_on_a_full_volume_the_caches_are_removed_too(pod_with_quota: Pod, open_index: Object, left_bytes: int) -> None:
    pod = pod_with_quota
    older = pod.install(pod.request("numpy", **open_index)).result["key"]
    age(pod.store, older, 2 * 3600)
    used = pod.store / ("b" * 16 + "-cp311")
    used.mkdir()
    fill(used / "blob", left_bytes)
    more = {"hash": "f" * 16, "keysInUse": ["b" * 16], "retentionSeconds": 7 * DAY}
    ended = pod.install(pod.request("idna", "certifi", **{**open_index, **more}))
    assert (ended.code, ended.result["error"]) == (0, None), ended.output
    assert "The volume was full: removed caches and unused packages, trying again" in ended.output
    assert {path.name for path in pod.store.iterdir()} == {".wheelwarden", used.name, ended.result["key"]}


def test_a_read_only_volume_is_reported_as_such(pod: Pod, open_index: Object) -> None:
    mount_sized(pod.store, 1 << 20, "ro")
    ended = pod.install(pod.request("six", **open_index))
    assert (ended.code, ended.result["error"]["class"], ended.result["attempts"]) == (1, "unknown", 0)
    assert "Cannot write to the package volume" in ended.result["error"]["message"]
    assert "Read-only file system" in ended.result["error"]["message"]
