"""The parameters of an image test, and a check of their values that reports all faults together."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from wheelwarden.api.errors import UnusableInput
from wheelwarden.api.quantities import parse_quantity
from wheelwarden.api.redaction import shown
from wheelwarden.parsing.import_names import explain_module
from wheelwarden.verify.image_test.reference import clean, explain_image

POD_READY_SECONDS: Final = (60, 900)  # range of timeout_pod_ready
COMMAND_SECONDS: Final = (10, 300)  # range of timeout_command
MAX_MODULES: Final = 100  # as in the annotation verify-imports
MAX_USER_ID: Final = 2**31 - 1  # Kubernetes' own limit for runAsUser
# Open Data Hub's notebook controller: `inject-auth` requests the kube-rbac-proxy, `auth-sidecar-*` set its resources.
AUTH_PREFIX: Final = "notebooks.opendatahub.io/"
_SIDECAR_PREFIX: Final = f"{AUTH_PREFIX}auth-sidecar-"

_NAMESPACE: Final = re.compile(r"test-[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
# RFC 1035, because the Notebook controller creates a Service of that name.
_NAME: Final = re.compile(r"[a-z](?:[a-z0-9-]*[a-z0-9])?")
_ANNOTATION_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_MAX_LABEL: Final = 63  # characters, RFC 1123
_MAX_SHOWN: Final = 300  # characters of an image reference


@dataclass(frozen=True, kw_only=True, slots=True)
class ConfigurationFault:
    """One fault of a configuration: the field, its value (redacted), the reason, and the remedy."""

    path: str
    value: str | None
    reason: str
    remedy: str

    @property
    def message(self) -> str:
        """One line for people."""
        value = "" if self.value is None else f' "{self.value}"'
        return f"{self.path}{value}: {self.reason}. {self.remedy}."


class InvalidConfiguration(UnusableInput):
    """The configuration of an image test is not valid; `faults` has all faults."""

    def __init__(self, faults: Sequence[ConfigurationFault]) -> None:
        super().__init__("; ".join(fault.message for fault in faults))
        self.faults = tuple(faults)


@dataclass(frozen=True, kw_only=True, slots=True)
class CustomImageTestConfiguration:
    """The parameters of one image test. The constructor checks all of them.

    Attributes:
        namespace: namespace of the test; must begin with `test-`, to keep tests away from real workloads.
        notebook_name: name of the Notebook, or of the Pod if `as_notebook` is False.
        custom_image: image with registry, repository and a tag or digest.
        packages_to_verify: `module`, `package.module` or `module:attribute`.
        timeout_pod_ready: seconds until the pod must be ready, 60 to 900.
        timeout_command: seconds for the import of one module, 10 to 300.
        auth_annotations: annotations of the Notebook for the authentication sidecar, keys `notebooks.opendatahub.io/…`.
        as_notebook: create a Notebook, whose controller creates the pod; if False, create a Pod.
        command: command of the container. Empty: a Notebook runs the image's own command, a Pod sleeps in Python.
        port: the container is ready when it accepts connections on this port. None: it is ready when it runs.
        cpu: CPU request and limit, as a quantity.
        memory: memory request and limit, as a quantity.
        user: numeric user ID; None for the image's own.

    Raises:
        InvalidConfiguration: a parameter is not valid; it has all faults.
    """

    namespace: str
    notebook_name: str
    custom_image: str
    packages_to_verify: Sequence[str]
    timeout_pod_ready: int = 600
    timeout_command: int = 60
    auth_annotations: Mapping[str, str] = field(default_factory=dict)
    as_notebook: bool = True
    command: Sequence[str] = ()
    port: int | None = None
    cpu: str | None = None
    memory: str | None = None
    user: int | None = None

    def __post_init__(self) -> None:
        faults = list(_find_faults(self))
        if faults:
            raise InvalidConfiguration(faults)


def _find_faults(asked: CustomImageTestConfiguration) -> Sequence[ConfigurationFault]:
    return [
        *_name_faults(asked),
        *_image_faults(asked.custom_image),
        *_module_faults(asked.packages_to_verify),
        *_range_faults("timeout_pod_ready", asked.timeout_pod_ready, *POD_READY_SECONDS, " seconds"),
        *_range_faults("timeout_command", asked.timeout_command, *COMMAND_SECONDS, " seconds"),
        *_annotation_faults(asked),
        *(() if asked.port is None else _range_faults("port", asked.port, 1, 65535)),
        *(() if asked.user is None else _range_faults("user", asked.user, 0, MAX_USER_ID)),
        *_quantity_faults("cpu", asked.cpu, "500m or 2"),
        *_quantity_faults("memory", asked.memory, "512Mi or 4Gi"),
    ]


def _name_faults(asked: CustomImageTestConfiguration) -> Sequence[ConfigurationFault]:
    faults = []
    if not _NAMESPACE.fullmatch(asked.namespace) or len(asked.namespace) > _MAX_LABEL:
        faults.append(
            ConfigurationFault(
                path="namespace",
                value=shown(asked.namespace),
                reason='it must be "test-" followed by lower-case letters, digits and hyphens, at most 63 characters',
                remedy="Use a namespace for tests, such as test-images",
            )
        )
    if not _NAME.fullmatch(asked.notebook_name) or len(asked.notebook_name) > _MAX_LABEL:
        faults.append(
            ConfigurationFault(
                path="notebook_name",
                value=shown(asked.notebook_name),
                reason="it must be 1 to 63 lower-case letters, digits and hyphens, with a letter first and no hyphen last",
                remedy="Use a name such as lab-image",
            )
        )
    return faults


def _image_faults(image: str) -> Sequence[ConfigurationFault]:
    remedy = "Write REGISTRY/REPOSITORY:TAG, such as registry.example.com/team/lab:1.2, or @sha256:… instead of the tag"
    # A value that may contain a password is redacted; one that looks like an image is shown unchanged.
    value = shown(image) if "://" in image else clean(image)[:_MAX_SHOWN]
    return [
        ConfigurationFault(path="custom_image", value=value, reason=reason, remedy=remedy)
        for reason in explain_image(image)
    ]


def _module_faults(modules: object) -> Sequence[ConfigurationFault]:
    path = "packages_to_verify"
    if isinstance(modules, str):
        reason = "it is a single string, not a list"
        return [ConfigurationFault(path=path, value=shown(modules), reason=reason, remedy="Write a list of modules")]
    if not isinstance(modules, Sequence):
        reason = f"it is a {type(modules).__name__}, not a list"
        return [ConfigurationFault(path=path, value=None, reason=reason, remedy="Write a list of modules")]
    if not modules:
        return [ConfigurationFault(path=path, value=None, reason="it is empty", remedy="Name at least one module")]
    if len(modules) > MAX_MODULES:
        reason = f"{len(modules)} modules are more than the limit of {MAX_MODULES}"
        return [ConfigurationFault(path=path, value=None, reason=reason, remedy="Test them in several runs")]
    return [
        ConfigurationFault(
            path=f"{path}[{index}]",
            value=shown(module),
            reason=explained,
            remedy="Write module, package.module or module:attribute",
        )
        for index, module in enumerate(modules)
        if (explained := explain_module(module))
    ]


def _range_faults(path: str, value: object, least: int, most: int, unit: str = "") -> Sequence[ConfigurationFault]:
    if isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most:
        return []
    reason = f"it is not a number between {least} and {most}"
    remedy = f"Use a number from {least} to {most}{unit}"
    return [ConfigurationFault(path=path, value=shown(value), reason=reason, remedy=remedy)]


def _annotation_faults(asked: CustomImageTestConfiguration) -> Sequence[ConfigurationFault]:
    if asked.auth_annotations and not asked.as_notebook:
        return [
            ConfigurationFault(
                path="auth_annotations",
                value=None,
                reason="only a Notebook gets an authentication sidecar",
                remedy="Test the image as a Notebook, or leave the annotations out",
            )
        ]
    faults: list[ConfigurationFault] = []
    for key, value in asked.auth_annotations.items():
        path = f"auth_annotations[{shown(key)}]"
        if not key.startswith(AUTH_PREFIX) or not _ANNOTATION_NAME.fullmatch(key.removeprefix(AUTH_PREFIX)):
            reason = f"it is not an annotation {AUTH_PREFIX}NAME"
            remedy = f"Use {AUTH_PREFIX}inject-auth, or a resource of the sidecar such as {_SIDECAR_PREFIX}cpu-request"
            faults.append(ConfigurationFault(path=path, value=None, reason=reason, remedy=remedy))
        elif key.startswith(_SIDECAR_PREFIX):
            faults += _quantity_faults(path, value, "200m or 128Mi")
    return faults


def _quantity_faults(path: str, value: str | None, example: str) -> Sequence[ConfigurationFault]:
    if value is None:
        return []
    remedy = f"Write a quantity such as {example}"
    try:
        if parse_quantity(value) > 0:
            return []
    except ValueError as error:
        return [ConfigurationFault(path=path, value=shown(value), reason=str(error), remedy=remedy)]
    return [ConfigurationFault(path=path, value=shown(value), reason="it must be more than 0", remedy=remedy)]
