"""Rules on the shape of a request, found while `wheelwarden.parsing` reads it."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from wheelwarden.api import names
from wheelwarden.api.kinds import PACKAGES_FIELD, all_kinds, kind_of_unknown_version
from wheelwarden.api.objects import mapping_in
from wheelwarden.api.redaction import shown
from wheelwarden.api.violations import Action, key_path
from wheelwarden.parsing.request import ANNOTATIONS_PATH
from wheelwarden.rules.rule import Finding, Packages, Rule, Subject


def _misplaced(subject: Subject) -> Iterable[Finding]:
    kind = subject.kind
    if kind.packages_field and names.PACKAGES_ANNOTATION in subject.annotations:
        yield Finding(
            path=key_path(ANNOTATIONS_PATH, names.PACKAGES_ANNOTATION),
            value=None,
            reason=f"a {kind.name} has no such annotation, so nothing of it would be installed",
            remedy=f"Write it as {PACKAGES_FIELD}",
        )
    if not kind.packages_field and mapping_in(subject.obj, "spec").get("pythonPackages") is not None:
        yield Finding(
            path=PACKAGES_FIELD,
            value=None,
            reason=f"a {kind.name} has no such field: Kubernetes drops it, and nothing of it would be installed",
            remedy=f"Write it as the annotation {names.PACKAGES_ANNOTATION}",
        )


def _empty(subject: Packages) -> Iterable[Finding]:
    if not subject.package_count and not subject.lost("packages"):
        yield Finding(
            path=f"{subject.base}.packages",
            value=None,
            reason="it names no package, so nothing is installed",
            remedy="Name a package, or drop the whole of it",
        )


def _limit(subject: Packages) -> Iterable[Finding]:
    limit = subject.policy.max_packages
    if subject.package_count > limit:
        yield Finding(
            path=f"{subject.base}.packages",
            value=None,
            reason=f"it has {subject.package_count} entries, more than the {limit} that the policy allows, "
            "and only those were looked at",
            remedy="Build an image with these packages, or ask the admin to raise maxPackages",
        )


# What has an unknown version is not read, so this rule has no check: `judge_object` asks `find_unknown_version`.
UNKNOWN_VERSION: Final = "version-unknown"


def find_unknown_version(obj: Mapping[str, Any]) -> Finding | None:
    """What there is to say of an object that is of a guarded kind, but in a version that nobody here can read."""
    api_version, name = obj.get("apiVersion"), obj.get("kind")
    if not isinstance(api_version, str) or not isinstance(name, str):
        return None
    kind = kind_of_unknown_version(api_version, name)
    if kind is None:
        return None
    known = ", ".join(f"{kind.group}/{version}" for version in kind.versions)
    return Finding(
        path="apiVersion",
        value=shown(api_version),
        reason=f"this version of {kind.name} is not known here, so nothing of the object was judged",
        remedy=f"Write {known}, or use a Wheelwarden that knows it",
    )


_PLACES: Final = ", ".join(
    f"a {kind.name} in {PACKAGES_FIELD if kind.packages_field else 'the annotation'}" for kind in all_kinds()
)

RULES: Final = (
    Rule(
        id="shape-syntax",
        action=Action.DENY,
        summary="The annotation is YAML or JSON, of one document, without duplicate keys, of bounded size and depth",
        bad="metadata: {annotations: {wheelwarden.dev/python-packages: 'packages: [requests'}}",
        good="metadata: {annotations: {wheelwarden.dev/python-packages: 'packages: [requests]'}}",
    ),
    Rule(
        id="shape-type",
        action=Action.DENY,
        summary="Every field has the type that its schema says",
        bad="{packages: [requests], installPolicy: {retries: many}}",
        good="{packages: [requests], installPolicy: {retries: 2}}",
    ),
    Rule(
        id="shape-missing",
        action=Action.DENY,
        summary="Fields that others need are there, such as the name of a secretRef",
        bad="{packages: [requests], indexUrl: https://packages.example.com/simple, credentials: {secretRef: {}}}",
        good="{packages: [requests], indexUrl: https://packages.example.com/simple,"
        " credentials: {secretRef: {name: packages}}}",
    ),
    Rule(
        id="shape-unknown-field",
        action=Action.DENY,
        summary="There are no unknown fields: a misspelt one would be ignored, and other packages be installed",
        bad="{packages: [requests], indexURL: https://packages.example.com/simple}",
        good="{packages: [requests], indexUrl: https://packages.example.com/simple}",
    ),
    Rule(
        id="packages-misplaced",
        action=Action.DENY,
        summary=f"Packages are asked for where the kind has them: {_PLACES}",
        bad="{kind: KasprApp, metadata: {annotations: {wheelwarden.dev/python-packages: 'packages: [requests]'}}}",
        good="{kind: KasprApp, spec: {pythonPackages: {packages: [requests]}}}",
        check=_misplaced,
    ),
    Rule(
        id="packages-empty",
        action=Action.WARN,
        summary="packages names at least one package",
        bad="{packages: []}",
        good="{packages: [requests]}",
        check_packages=_empty,
    ),
    Rule(
        id="packages-limit",
        action=Action.DENY,
        summary="packages has no more entries than the policy allows (500)",
        bad="{packages: [requests, numpy, six]}",
        good="{packages: [requests, numpy]}",
        check_packages=_limit,
        policy="maxPackages: 2",
    ),
    Rule(
        id=UNKNOWN_VERSION,
        action=Action.WARN,
        summary="An object has a version of its kind that Wheelwarden knows; others are not judged at all",
        bad="{apiVersion: kaspr.io/v1, kind: KasprApp, spec: {pythonPackages: {packages: [requests]}}}",
        good="{apiVersion: kaspr.io/v1alpha1, kind: KasprApp, spec: {pythonPackages: {packages: [requests]}}}",
    ),
)
