"""What the test of an image is asked for (seed document 001): parameters, their ranges, and every fault at once."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from wheelwarden.api.errors import UnusableInput
from wheelwarden.api.quantities import parse_quantity
from wheelwarden.api.redaction import shown
from wheelwarden.parsing.import_names import explain_module
from wheelwarden.verify.image_test.reference import clean, explain_image

POD_READY_SECONDS: Final = (60, 900)  # seed 001, timeout_pod_ready
COMMAND_SECONDS: Final = (10, 300)  # seed 001, timeout_command
MAX_MODULES: Final = 100  # as in the annotation verify-imports
MAX_USER_ID: Final = 2**31 - 1  # Kubernetes' own limit for runAsUser
# Open Data Hub's notebook controller: `inject-auth` asks for the kube-rbac-proxy, `auth-sidecar-*` size it.
AUTH_PREFIX: Final = "notebooks.opendatahub.io/"
_SIDECAR_PREFIX: Final = f"{AUTH_PREFIX}auth-sidecar-"

_NAMESPACE: Final = re.compile(r"test-[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
# RFC 1035, since the Notebook controller makes a Service of that name.
_NAME: Final = re.compile(r"[a-z](?:[a-z0-9-]*[a-z0-9])?")
_ANNOTATION_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_MAX_LABEL: Final = 63  # characters, RFC 1123
_MAX_SHOWN: Final = 300  # characters of an image reference


@dataclass(frozen=True, kw_only=True, slots=True)
class ConfigurationFault:
    """One thing that is wrong with a configuration: the field, its value (redacted), why, and what to do."""

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
    """The test of an image cannot be done as it was asked for; `faults` has everything that is wrong."""

    def __init__(self, faults: Sequence[ConfigurationFault]) -> None:
        super().__init__("; ".join(fault.message for fault in faults))
        self.faults = tuple(faults)


@dataclass(frozen=True, kw_only=True, slots=True)
class CustomImageTestConfiguration:
    """The parameters of one test; making one checks all of them.

    Attributes:
        namespace: where it happens; begins with `test-`, so that nobody's work is in the way.
        notebook_name: name of the Notebook, or of the Pod where `as_notebook` is False.
        custom_image: with registry, repository and a tag or digest.
        packages_to_verify: `module`, `package.module` or `module:attribute`.
        timeout_pod_ready: seconds until the pod must be ready, 60 to 900.
        timeout_command: seconds for the import of one module, 10 to 300.
        auth_annotations: put on the Notebook for the authentication sidecar, keys `notebooks.opendatahub.io/…`.
        as_notebook: whether a Notebook is made, whose controller makes the pod, or a Pod.
        command: what the container runs. Empty: a Notebook runs what its image says, a Pod waits by Python.
        port: ready once the container accepts connections there. None: ready once it runs.
        cpu: quantity that is asked for, and the limit.
        memory: quantity that is asked for, and the limit.
        user: numeric user; None is the image's own.

    Raises:
        InvalidConfiguration: something in it is not usable; it has every fault.
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
        *_range_faults("timeout_pod_ready", asked.timeout_pod_ready, *POD_READY_SECONDS, "seconds"),
        *_range_faults("timeout_command", asked.timeout_command, *COMMAND_SECONDS, "seconds"),
        *_annotation_faults(asked),
        *(() if asked.port is None else _range_faults("port", asked.port, 1, 65535, "as port")),
        *(() if asked.user is None else _range_faults("user", asked.user, 0, MAX_USER_ID, "as user ID")),
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
                reason='it is not "test-" followed by lower-case letters, digits and hyphens, 63 characters at most',
                remedy="Name a namespace that is kept for tests, such as test-images",
            )
        )
    if not _NAME.fullmatch(asked.notebook_name) or len(asked.notebook_name) > _MAX_LABEL:
        faults.append(
            ConfigurationFault(
                path="notebook_name",
                value=shown(asked.notebook_name),
                reason="it is not 1 to 63 lower-case letters, digits and hyphens with a letter first and no hyphen last",
                remedy="Write a name such as lab-image",
            )
        )
    return faults


def _image_faults(image: str) -> Sequence[ConfigurationFault]:
    remedy = "Write REGISTRY/REPOSITORY:TAG, such as registry.example.com/team/lab:1.2, or @sha256:… instead of the tag"
    # What may hold a password is shown redacted, what looks like an image as it is.
    value = shown(image) if "://" in image else clean(image)[:_MAX_SHOWN]
    return [
        ConfigurationFault(path="custom_image", value=value, reason=reason, remedy=remedy)
        for reason in explain_image(image)
    ]


def _module_faults(modules: object) -> Sequence[ConfigurationFault]:
    path = "packages_to_verify"
    if isinstance(modules, str):
        reason = "it is one text, whose letters would count as modules"
        return [ConfigurationFault(path=path, value=shown(modules), reason=reason, remedy="Write a list of modules")]
    if not isinstance(modules, Sequence):
        reason = f"it is a {type(modules).__name__} and no list"
        return [ConfigurationFault(path=path, value=None, reason=reason, remedy="Write a list of modules")]
    if not modules:
        return [ConfigurationFault(path=path, value=None, reason="it is empty", remedy="Name a module at least")]
    if len(modules) > MAX_MODULES:
        reason = f"{len(modules)} modules are more than {MAX_MODULES}"
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


def _range_faults(path: str, value: object, least: int, most: int, what: str) -> Sequence[ConfigurationFault]:
    if isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most:
        return []
    reason = f"it is no number between {least} and {most}"
    remedy = f"Give a number from {least} to {most} {what}"
    return [ConfigurationFault(path=path, value=shown(value), reason=reason, remedy=remedy)]


def _annotation_faults(asked: CustomImageTestConfiguration) -> Sequence[ConfigurationFault]:
    if asked.auth_annotations and not asked.as_notebook:
        return [
            ConfigurationFault(
                path="auth_annotations",
                value=None,
                reason="only a Notebook gets an authentication sidecar",
                remedy="Ask for a Notebook, or leave the annotations out",
            )
        ]
    faults: list[ConfigurationFault] = []
    for key, value in asked.auth_annotations.items():
        path = f"auth_annotations[{shown(key)}]"
        if not key.startswith(AUTH_PREFIX) or not _ANNOTATION_NAME.fullmatch(key.removeprefix(AUTH_PREFIX)):
            reason = f"it is no annotation {AUTH_PREFIX}NAME"
            remedy = f"Write {AUTH_PREFIX}inject-auth, or {_SIDECAR_PREFIX}cpu-request and its kin"
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
    return [ConfigurationFault(path=path, value=shown(value), reason="it is not more than nothing", remedy=remedy)]
