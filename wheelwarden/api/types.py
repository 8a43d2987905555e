"""The model of `pythonPackages`: fields, types and defaults of what a user requests.

`wheelwarden.parsing.packages_spec` parses plain data (a KasprApp's `spec.pythonPackages` or a Notebook's annotation) into
this model and reports every error in its shape. `wheelwarden.rules` decides which values are allowed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

DEFAULT_PYPI_USERNAME_KEY: Final = "username"
DEFAULT_PYPI_PASSWORD_KEY: Final = "password"  # noqa: S105 - the name of a key in a Secret
DEFAULT_PACKAGES_PVC_SIZE: Final = "256Mi"
DEFAULT_PACKAGES_ACCESS_MODE: Final = "ReadWriteMany"
DEFAULT_GCS_PREFIX: Final = "kaspr-packages/"  # the default of the Kaspr operator's CRD
DEFAULT_GCS_MAX_ARCHIVE_SIZE: Final = "1Gi"
DEFAULT_GCS_SECRET_KEY: Final = "sa.json"  # noqa: S105 - the name of a key in a Secret
DEFAULT_INSTALL_RETRIES: Final = 3
DEFAULT_INSTALL_TIMEOUT: Final = 600  # seconds, for one attempt
DEFAULT_INSTALL_ON_FAILURE: Final = "block"


@dataclass(frozen=True, kw_only=True, slots=True)
class SecretRef:
    """`credentials.secretRef`: a Secret in the workload's namespace, and the keys to read from it."""

    name: str
    username_key: str = DEFAULT_PYPI_USERNAME_KEY
    password_key: str = DEFAULT_PYPI_PASSWORD_KEY


@dataclass(frozen=True, kw_only=True, slots=True)
class Bucket:
    """`cache.gcs`: the bucket for the Kaspr operator's `cache.type: gcs`. Wheelwarden validates it and does not use it."""

    bucket: str = ""
    prefix: str = DEFAULT_GCS_PREFIX
    max_archive_size: str = DEFAULT_GCS_MAX_ARCHIVE_SIZE
    secret_name: str = ""
    secret_key: str = DEFAULT_GCS_SECRET_KEY


@dataclass(frozen=True, kw_only=True, slots=True)
class Cache:
    """`cache`: the volume that shares the packages; with `enabled` false each pod has an emptyDir of its own."""

    type: str = "pvc"
    gcs: Bucket | None = None
    enabled: bool = True
    storage_class: str | None = None
    size: str = DEFAULT_PACKAGES_PVC_SIZE
    access_mode: str = DEFAULT_PACKAGES_ACCESS_MODE
    delete_claim: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class InstallPolicy:
    """`installPolicy`: at most `retries` attempts (never fewer than one) of `timeout` seconds each."""

    retries: int = DEFAULT_INSTALL_RETRIES
    timeout: int = DEFAULT_INSTALL_TIMEOUT
    on_failure: str = DEFAULT_INSTALL_ON_FAILURE


@dataclass(frozen=True, kw_only=True, slots=True)
class Resources:
    """`resources` of the install container, as Kubernetes quantities."""

    requests: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class PackagesSpec:
    """One parsed `pythonPackages`. `packages` keeps the user's order and spelling."""

    packages: tuple[str, ...] = ()
    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    trusted_hosts: tuple[str, ...] = ()
    credentials: SecretRef | None = None
    cache: Cache = Cache()
    install_policy: InstallPolicy = InstallPolicy()
    resources: Resources | None = None
