"""Rules on how packages are installed: `credentials`, `installPolicy`, `resources`, and the image underneath."""

import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Final

from wheelwarden.api.quantities import parse_quantity
from wheelwarden.api.redaction import shown
from wheelwarden.api.violations import Action, key_path
from wheelwarden.parsing.hosts import is_subdomain
from wheelwarden.parsing.suggestions import nearest
from wheelwarden.rules.rule import Finding, Packages, Rule, Subject

MAX_RETRIES: Final = 20
MIN_TIMEOUT_SECONDS: Final = 30
MAX_TIMEOUT_SECONDS: Final = 86_400
ON_FAILURE: Final = ("block", "allow")

# apimachinery, validation.IsConfigMapKey: what a key of a Secret may be.
_SECRET_KEY: Final = re.compile(r"[-._a-zA-Z0-9]{1,253}")
# kubernetes, validation.ValidateContainerResourceName: these, hugepages-SIZE, and names with a domain.
_STANDARD_RESOURCES: Final = ("cpu", "memory", "ephemeral-storage")
_EXTENDED_RESOURCE: Final = re.compile(r"[a-z0-9.-]{1,253}/[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")


def is_secret_key(key: str) -> bool:
    """Whether a Secret can have such a key."""
    return _SECRET_KEY.fullmatch(key) is not None and key != "." and not key.startswith("..")


def secret_name_finding(path: str, name: str) -> Finding:
    """What is said of a name that no Secret can have."""
    return Finding(
        path=path,
        value=shown(name),
        reason="no Secret can have this name",
        remedy='Use lower-case letters, digits, "-" and ".", with a letter or digit at both ends',
    )


def secret_key_finding(path: str, key: str) -> Finding:
    """What is said of a key that no Secret can have."""
    return Finding(
        path=path,
        value=shown(key),
        reason="no Secret can have this key",
        remedy='Use letters, digits, "-", "_" and "."',
    )


def _secret_name(subject: Packages) -> Iterable[Finding]:
    secret = subject.spec.credentials
    if secret is not None and not is_subdomain(secret.name):
        yield secret_name_finding(f"{subject.base}.credentials.secretRef.name", secret.name)


def _secret_key(subject: Packages) -> Iterable[Finding]:
    secret = subject.spec.credentials
    if secret is not None:
        for name, key in (("usernameKey", secret.username_key), ("passwordKey", secret.password_key)):
            if not is_secret_key(key):
                yield secret_key_finding(f"{subject.base}.credentials.secretRef.{name}", key)


def _unbound(subject: Packages) -> Iterable[Finding]:
    spec = subject.spec
    # A misspelt indexUrl is complaint enough.
    if spec.credentials is not None and spec.index_url is None and not subject.lost("indexUrl"):
        yield Finding(
            path=f"{subject.base}.credentials",
            value=None,
            reason="user and password are for the host of indexUrl, and there is none; only a netrc key would count",
            remedy="Set indexUrl, or keep a netrc key in the Secret",
        )


def _retries(subject: Packages) -> Iterable[Finding]:
    retries = subject.spec.install_policy.retries
    if not 0 <= retries <= MAX_RETRIES:
        yield Finding(
            path=f"{subject.base}.installPolicy.retries",
            value=shown(retries),
            reason=f"it is not between 0 and {MAX_RETRIES}",
            remedy="Write how often the install is tried at most; 3 is the default",
        )


def _timeout(subject: Packages) -> Iterable[Finding]:
    timeout = subject.spec.install_policy.timeout
    if not MIN_TIMEOUT_SECONDS <= timeout <= MAX_TIMEOUT_SECONDS:
        yield Finding(
            path=f"{subject.base}.installPolicy.timeout",
            value=shown(timeout),
            reason=f"it is not between {MIN_TIMEOUT_SECONDS} and {MAX_TIMEOUT_SECONDS} seconds",
            remedy="Write the seconds that one attempt may take; 600 is the default",
        )


def _on_failure(subject: Packages) -> Iterable[Finding]:
    on_failure = subject.spec.install_policy.on_failure
    if on_failure not in ON_FAILURE:
        meant = nearest(on_failure, ON_FAILURE)
        yield Finding(
            path=f"{subject.base}.installPolicy.onFailure",
            value=shown(on_failure),
            reason="it is neither block nor allow",
            remedy=f'Did you mean "{meant}"?'
            if meant
            else "Write block, or allow to start the pod without the packages",
        )


def _amounts(subject: Packages) -> Iterator[tuple[str, str, str, str]]:
    """Every quantity of `resources`: its path, `requests` or `limits`, its resource and the text."""
    resources = subject.spec.resources
    if resources is not None:
        for group, quantities in (("requests", resources.requests), ("limits", resources.limits)):
            for name, text in quantities.items():
                yield key_path(f"{subject.base}.resources.{group}", name), group, name, text


def _resource_names(subject: Packages) -> Iterable[Finding]:
    for path, _, name, _ in _amounts(subject):
        if name in _STANDARD_RESOURCES or name.startswith("hugepages-") or _EXTENDED_RESOURCE.fullmatch(name):
            continue
        meant = nearest(name, _STANDARD_RESOURCES) or {"mem": "memory", "ram": "memory"}.get(name.lower())
        yield Finding(
            path=path,
            value=None,
            reason="Kubernetes knows no such resource, and would refuse every pod",
            remedy=f'Did you mean "{meant}"?' if meant else f"Use {', '.join(_STANDARD_RESOURCES)}",
        )


def _resource_quantities(subject: Packages) -> Iterable[Finding]:
    for path, _, _, text in _amounts(subject):
        try:
            negative = parse_quantity(text) < 0
        except ValueError as error:
            yield Finding(
                path=path, value=shown(text), reason=str(error), remedy="Write a quantity such as 500m or 1Gi"
            )
        else:
            if negative:
                yield Finding(path=path, value=shown(text), reason="it is negative", remedy="Write zero or more")


def _resource_limits(subject: Packages) -> Iterable[Finding]:
    resources = subject.spec.resources
    if resources is None:
        return
    for name in resources.requests:
        request, limit = _amount(resources.requests[name]), _amount(resources.limits.get(name, ""))
        if request is not None and limit is not None and request > limit:
            yield Finding(
                path=key_path(f"{subject.base}.resources.requests", name),
                value=shown(resources.requests[name]),
                reason=f"it is above the limit of {shown(resources.limits[name])}, and Kubernetes would refuse every pod",
                remedy="Raise the limit, or lower the request",
            )


def _amount(text: str) -> Decimal | None:
    try:
        return parse_quantity(text)
    except ValueError:
        return None


# The text of seed 002, task 10: at admission and in the status.
IMAGE_AND_PACKAGES: Final = "Both image and pythonPackages specified - packages will be added to custom image"


def _image(subject: Subject) -> Iterable[Finding]:
    image = subject.kind.own_image(subject.obj)
    if image and subject.package_count:
        yield Finding(
            path="spec.image",
            value=shown(image),
            reason=IMAGE_AND_PACKAGES,
            remedy="Consider pythonPackages alone: one place less to keep up to date",
        )


_WITH_INDEX: Final = "packages: [requests], indexUrl: 'https://packages.example.com/simple'"

RULES: Final = (
    Rule(
        id="secret-name",
        action=Action.DENY,
        summary="credentials.secretRef.name is a name that a Secret can have (DNS-1123 subdomain)",
        bad=f"{{{_WITH_INDEX}, credentials: {{secretRef: {{name: My_Secret}}}}}}",
        good=f"{{{_WITH_INDEX}, credentials: {{secretRef: {{name: my-secret}}}}}}",
        check_packages=_secret_name,
    ),
    Rule(
        id="secret-key",
        action=Action.DENY,
        summary="usernameKey and passwordKey are keys that a Secret can have",
        bad=f"{{{_WITH_INDEX}, credentials: {{secretRef: {{name: packages, passwordKey: my password}}}}}}",
        good=f"{{{_WITH_INDEX}, credentials: {{secretRef: {{name: packages, passwordKey: password}}}}}}",
        check_packages=_secret_key,
    ),
    Rule(
        id="credentials-unbound",
        action=Action.WARN,
        summary="Credentials come with an indexUrl, the host that they are for",
        bad="{packages: [mine], credentials: {secretRef: {name: packages}}}",
        good=f"{{{_WITH_INDEX}, credentials: {{secretRef: {{name: packages}}}}}}",
        check_packages=_unbound,
    ),
    Rule(
        id="install-retries",
        action=Action.DENY,
        summary=f"installPolicy.retries is between 0 and {MAX_RETRIES}",
        bad="{packages: [requests], installPolicy: {retries: 100}}",
        good="{packages: [requests], installPolicy: {retries: 5}}",
        check_packages=_retries,
    ),
    Rule(
        id="install-timeout",
        action=Action.DENY,
        summary=f"installPolicy.timeout is between {MIN_TIMEOUT_SECONDS} and {MAX_TIMEOUT_SECONDS} seconds",
        bad="{packages: [requests], installPolicy: {timeout: 5}}",
        good="{packages: [requests], installPolicy: {timeout: 900}}",
        check_packages=_timeout,
    ),
    Rule(
        id="install-on-failure",
        action=Action.DENY,
        summary="installPolicy.onFailure is block or allow",
        bad="{packages: [requests], installPolicy: {onFailure: ignore}}",
        good="{packages: [requests], installPolicy: {onFailure: allow}}",
        check_packages=_on_failure,
    ),
    Rule(
        id="resources-name",
        action=Action.DENY,
        summary="resources name what Kubernetes knows: cpu, memory, ephemeral-storage, or a name with a domain",
        bad="{packages: [requests], resources: {limits: {mem: 1Gi}}}",
        good="{packages: [requests], resources: {limits: {memory: 1Gi}}}",
        check_packages=_resource_names,
    ),
    Rule(
        id="resources-quantity",
        action=Action.DENY,
        summary="resources are Kubernetes quantities, not negative",
        bad="{packages: [requests], resources: {limits: {memory: 1 GB}}}",
        good="{packages: [requests], resources: {limits: {memory: 1Gi}}}",
        check_packages=_resource_quantities,
    ),
    Rule(
        id="resources-limits",
        action=Action.DENY,
        summary="A request is not above its limit",
        bad="{packages: [requests], resources: {requests: {memory: 2Gi}, limits: {memory: 1Gi}}}",
        good="{packages: [requests], resources: {requests: {memory: 1Gi}, limits: {memory: 2Gi}}}",
        check_packages=_resource_limits,
    ),
    Rule(
        id="image-and-packages",
        action=Action.WARN,
        summary="A KasprApp has an image of its own or pythonPackages, not both",
        bad="{kind: KasprApp, spec: {image: registry.example.com/app:1, pythonPackages: {packages: [requests]}}}",
        good="{kind: KasprApp, spec: {pythonPackages: {packages: [requests]}}}",
        check=_image,
    ),
)
