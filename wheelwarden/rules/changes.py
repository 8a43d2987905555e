"""Rules on updates: what a claim that exists already cannot become."""

from collections.abc import Iterable
from typing import Final

from wheelwarden.api.objects import mapping_in
from wheelwarden.api.quantities import parse_quantity
from wheelwarden.api.redaction import shown
from wheelwarden.api.types import Cache, PackagesSpec
from wheelwarden.api.violations import Action
from wheelwarden.rules.rule import Finding, Rule, Subject


def _caches(subject: Subject) -> tuple[Cache, Cache] | None:
    """The cache before and after an update, where both mean the same claim."""
    if subject.old is None or subject.spec is None:
        return None
    reading = subject.old.reading
    if reading is None or not _has_claim(reading.spec) or not _has_claim(subject.spec):
        return None
    return reading.spec.cache, subject.spec.cache


def _has_claim(spec: PackagesSpec) -> bool:
    return bool(spec.packages) and spec.cache.enabled and spec.cache.type == "pvc"


def _claim(subject: Subject) -> str:
    return subject.kind.claim_name(str(mapping_in(subject.obj, "metadata").get("name", "")))


def _shrinks(subject: Subject) -> Iterable[Finding]:
    caches = _caches(subject)
    if caches is None:
        return
    before, after = caches
    try:
        smaller = parse_quantity(after.size) < parse_quantity(before.size)
    except ValueError:
        return  # cache-size says so
    if smaller:
        yield Finding(
            path=f"{subject.base}.cache.size",
            value=shown(after.size),
            reason=f"the volume was asked for with {shown(before.size)}, and no volume can shrink",
            remedy=f"Write {shown(before.size)} or more",
        )


def _immutable(subject: Subject) -> Iterable[Finding]:
    caches = _caches(subject)
    if caches is None:
        return
    before, after = caches
    fields = (
        ("storageClass", before.storage_class, after.storage_class),
        ("accessMode", before.access_mode, after.access_mode),
    )
    for name, old, new in fields:
        if old != new:
            was = "left out" if old is None else f'"{shown(old)}"'
            yield Finding(
                path=f"{subject.base}.cache.{name}",
                value=None if new is None else shown(new),
                reason=f"it was {was}, and a volume that is there already keeps it for its life",
                remedy="Change it back; for another volume empty packages, wait until"
                f" the claim {shown(_claim(subject))} is gone, and ask again",
            )


RULES: Final = (
    Rule(
        id="cache-shrinks",
        action=Action.DENY,
        summary="An update never asks for a smaller volume than before",
        bad="{packages: [requests], cache: {enabled: true, size: 1Gi}}",
        good="{packages: [requests], cache: {enabled: true, size: 4Gi}}",
        check=_shrinks,
        before="{packages: [requests], cache: {enabled: true, size: 2Gi}}",
    ),
    Rule(
        id="cache-immutable",
        action=Action.WARN,
        summary="An update leaves storageClass and accessMode of an existing volume as they are",
        bad="{packages: [requests], cache: {enabled: true, storageClass: slow-nfs}}",
        good="{packages: [requests, six], cache: {enabled: true, storageClass: fast-nfs}}",
        check=_immutable,
        before="{packages: [requests], cache: {enabled: true, storageClass: fast-nfs}}",
    ),
)
