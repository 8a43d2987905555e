"""Rules on the volume that packages are shared on: `cache`."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from wheelwarden.api.objects import mapping_in
from wheelwarden.api.quantities import parse_quantity
from wheelwarden.api.redaction import shown
from wheelwarden.api.types import Cache
from wheelwarden.api.violations import Action
from wheelwarden.parsing.hosts import is_subdomain
from wheelwarden.parsing.suggestions import nearest
from wheelwarden.rules.installation import is_secret_key, secret_key_finding, secret_name_finding
from wheelwarden.rules.rule import Finding, Packages, Rule, Subject

TYPES: Final = ("pvc", "gcs")
ACCESS_MODES: Final = ("ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
_SHORT_ACCESS_MODES: Final = {"RWX": "ReadWriteMany", "RWO": "ReadWriteOnce", "RWOP": "ReadWriteOncePod"}
# A Bucket's name as its maker has it: 3 to 222 characters, lower case.
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")


def _cache(subject: Packages | Subject) -> Iterator[Cache]:
    """The cache, where there is one to judge."""
    if subject.spec is not None:
        yield subject.spec.cache


def _type(subject: Packages) -> Iterable[Finding]:
    for cache in _cache(subject):
        if cache.type not in TYPES:
            yield Finding(
                path=f"{subject.base}.cache.type",
                value=shown(cache.type),
                reason="it is neither pvc nor gcs",
                remedy="Write pvc, or leave it out",
            )


def _gcs(subject: Packages) -> Iterable[Finding]:
    for cache in _cache(subject):
        path = f"{subject.base}.cache.gcs"
        if cache.type == "gcs" and cache.gcs is None and not subject.lost("cache.gcs"):
            yield Finding(
                path=path,
                value=None,
                reason="cache.type is gcs, and it is not said which bucket",
                remedy="Write gcs: {bucket: NAME, secretRef: {name: SECRET}}, or set cache.type to pvc",
            )
        if cache.gcs is None:
            continue
        if cache.gcs.bucket and not _BUCKET.fullmatch(cache.gcs.bucket):
            yield Finding(
                path=f"{path}.bucket",
                value=shown(cache.gcs.bucket),
                reason="no bucket can have this name",
                remedy='Use 3 to 222 lower-case letters, digits, "-", "_" and "."',
            )
        if cache.gcs.secret_name and not is_subdomain(cache.gcs.secret_name):
            yield secret_name_finding(f"{path}.secretRef.name", cache.gcs.secret_name)
        if not is_secret_key(cache.gcs.secret_key):
            yield secret_key_finding(f"{path}.secretRef.key", cache.gcs.secret_key)
        yield from _size_findings(f"{path}.maxArchiveSize", cache.gcs.max_archive_size)


def _size(subject: Packages) -> Iterable[Finding]:
    for cache in _cache(subject):
        yield from _size_findings(f"{subject.base}.cache.size", cache.size)


def _size_findings(path: str, text: str) -> Iterator[Finding]:
    try:
        size = parse_quantity(text)
    except ValueError as error:
        yield Finding(path=path, value=shown(text), reason=str(error), remedy="Write a quantity such as 256Mi or 10Gi")
        return
    if size <= 0:
        yield Finding(path=path, value=shown(text), reason="it is not above zero", remedy="Write 256Mi or more")
    elif size < 1:
        yield Finding(
            path=path,
            value=shown(text),
            reason='it is less than one byte: "m" means a thousandth',
            remedy="Write a quantity such as 256Mi or 10Gi",
        )


def _access_mode(subject: Packages) -> Iterable[Finding]:
    for cache in _cache(subject):
        mode = cache.access_mode
        if mode in ACCESS_MODES:
            continue
        meant = _SHORT_ACCESS_MODES.get(mode.upper()) or nearest(mode, ACCESS_MODES)
        reason = "nothing can be installed on it" if mode == "ReadOnlyMany" else "Kubernetes knows no such access mode"
        known = f"Use one of {', '.join(ACCESS_MODES)}"
        yield Finding(
            path=f"{subject.base}.cache.accessMode",
            value=shown(mode),
            reason=reason,
            remedy=f'Did you mean "{meant}"?' if meant and mode != "ReadOnlyMany" else known,
        )


def _single_node(subject: Subject) -> Iterable[Finding]:
    for cache in _cache(subject):
        replicas = subject.kind.wanted_replicas(subject.obj)
        shared = cache.enabled and cache.type == "pvc" and subject.package_count
        if shared and replicas > 1 and cache.access_mode in ("ReadWriteOnce", "ReadWriteOncePod"):
            yield Finding(
                path=f"{subject.base}.cache.accessMode",
                value=shown(cache.access_mode),
                reason=f"{shown(replicas)} replicas cannot share such a volume across nodes",
                remedy="Use ReadWriteMany, or set cache.enabled to false so that each pod installs for itself",
            )


def _storage_class(subject: Packages) -> Iterable[Finding]:
    for cache in _cache(subject):
        # The empty name is Kubernetes' way to say: no class, a volume made by hand.
        if cache.storage_class and not is_subdomain(cache.storage_class):
            yield Finding(
                path=f"{subject.base}.cache.storageClass",
                value=shown(cache.storage_class),
                reason="no storage class can have this name",
                remedy="See `kubectl get storageclass`",
            )


def _not_enabled(subject: Subject) -> Iterable[Finding]:
    written = mapping_in(mapping_in(mapping_in(subject.obj, "spec"), "pythonPackages"), "cache")
    made_false_by = subject.kind.cache_default_of
    if not made_false_by or not written or not subject.package_count or subject.lost("cache.enabled"):
        return
    for cache in _cache(subject):
        if cache.type != "pvc":
            continue
        if written.get("enabled") is None:
            yield Finding(
                path=f"{subject.base}.cache.enabled",
                value=None,
                reason=f"{made_false_by} makes it false as soon as cache is given, so there is no volume: each pod installs"
                " for itself",
                remedy="Write enabled: true beside it, or enabled: false if that is meant",
            )
        elif not cache.enabled and (unused := _asked_of_volume(cache)):
            # With the defaults of that CRD filled in, what was left out and what was written look the same.
            yield Finding(
                path=f"{subject.base}.cache.enabled",
                value="false",
                reason=f"there is no volume, so {' and '.join(unused)} {'mean' if len(unused) > 1 else 'means'} nothing;"
                " Kaspr's CRD makes it false where it is left out",
                remedy=f"Write enabled: true, or drop {' and '.join(unused)}",
            )


def _asked_of_volume(cache: Cache) -> list[str]:
    """What is asked of the volume beyond the defaults."""
    default = Cache()
    fields = (
        ("storageClass", cache.storage_class, default.storage_class),
        ("size", cache.size, default.size),
        ("accessMode", cache.access_mode, default.access_mode),
    )
    return [name for name, value, usual in fields if value != usual]


RULES: Final = (
    Rule(
        id="cache-type",
        action=Action.DENY,
        summary="cache.type is pvc or gcs",
        bad="{packages: [requests], cache: {type: nfs}}",
        good="{packages: [requests], cache: {enabled: true, type: pvc}}",
        check_packages=_type,
    ),
    Rule(
        id="cache-gcs",
        action=Action.DENY,
        summary="cache.type gcs comes with gcs: a bucket and a Secret with names that are possible",
        bad="{packages: [requests], cache: {type: gcs}}",
        good="{packages: [requests], cache: {type: gcs, gcs: {bucket: packages, secretRef: {name: packages}}}}",
        check_packages=_gcs,
    ),
    Rule(
        id="cache-size",
        action=Action.DENY,
        summary="cache.size is a Kubernetes quantity of one byte or more",
        bad="{packages: [requests], cache: {enabled: true, size: 10 GB}}",
        good="{packages: [requests], cache: {enabled: true, size: 10Gi}}",
        check_packages=_size,
    ),
    Rule(
        id="cache-access-mode",
        action=Action.DENY,
        summary=f"cache.accessMode is one of {', '.join(ACCESS_MODES)}",
        bad="{packages: [requests], cache: {enabled: true, accessMode: RWX}}",
        good="{packages: [requests], cache: {enabled: true, accessMode: ReadWriteMany}}",
        check_packages=_access_mode,
    ),
    Rule(
        id="cache-single-node",
        action=Action.WARN,
        summary="Several replicas share a volume that several nodes can mount",
        bad="{kind: KasprApp, spec: {replicas: 3,"
        " pythonPackages: {packages: [requests], cache: {enabled: true, accessMode: ReadWriteOnce}}}}",
        good="{kind: KasprApp, spec: {replicas: 3,"
        " pythonPackages: {packages: [requests], cache: {enabled: true, accessMode: ReadWriteMany}}}}",
        check=_single_node,
    ),
    Rule(
        id="cache-not-enabled",
        action=Action.WARN,
        summary="A KasprApp with cache says enabled: true, since Kaspr's CRD makes it false as soon as cache is given",
        bad="{kind: KasprApp, spec: {pythonPackages: {packages: [requests], cache: {size: 4Gi}}}}",
        good="{kind: KasprApp, spec: {pythonPackages: {packages: [requests], cache: {enabled: true, size: 4Gi}}}}",
        check=_not_enabled,
    ),
    Rule(
        id="cache-storage-class",
        action=Action.DENY,
        summary="cache.storageClass is a name that a storage class can have (DNS-1123 subdomain)",
        bad="{packages: [requests], cache: {enabled: true, storageClass: Fast_NFS}}",
        good="{packages: [requests], cache: {enabled: true, storageClass: fast-nfs}}",
        check_packages=_storage_class,
    ),
)
