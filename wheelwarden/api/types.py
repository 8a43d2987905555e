"""What a user asks for: the frozen model of `pythonPackages`, with the defaults of the seeds.

One place for field names, types and defaults. Parsing is in `parse`: it turns plain data (from a KasprApp's
`spec.pythonPackages` or a Notebook's annotation) into the model and says everything that is wrong with its shape. What
values are allowed is the business of `wheelwarden.rules`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

DEFAULT_PYPI_USERNAME_KEY: Final = "username"
DEFAULT_PYPI_PASSWORD_KEY: Final = "password"  # noqa: S105 - the name of a key in a Secret
DEFAULT_PACKAGES_PVC_SIZE: Final = "256Mi"
DEFAULT_PACKAGES_ACCESS_MODE: Final = "ReadWriteMany"
DEFAULT_GCS_PREFIX: Final = "kaspr-packages/"  # as upstream's CRD has it
DEFAULT_GCS_MAX_ARCHIVE_SIZE: Final = "1Gi"
DEFAULT_GCS_SECRET_KEY: Final = "sa.json"  # noqa: S105 - the name of a key in a Secret
DEFAULT_INSTALL_RETRIES: Final = 3
DEFAULT_INSTALL_TIMEOUT: Final = 600  # seconds, for one attempt
DEFAULT_INSTALL_ON_FAILURE: Final = "block"


@dataclass(frozen=True, kw_only=True, slots=True)
class SecretRef:
    """`credentials.secretRef`: a Secret of the workload's own namespace and the keys to read from it."""

    name: str
    username_key: str = DEFAULT_PYPI_USERNAME_KEY
    password_key: str = DEFAULT_PYPI_PASSWORD_KEY


@dataclass(frozen=True, kw_only=True, slots=True)
class Bucket:
    """`cache.gcs`: the bucket of the Kaspr operator's `cache.type: gcs`; read and checked, never used by us."""

    bucket: str = ""
    prefix: str = DEFAULT_GCS_PREFIX
    max_archive_size: str = DEFAULT_GCS_MAX_ARCHIVE_SIZE
    secret_name: str = ""
    secret_key: str = DEFAULT_GCS_SECRET_KEY


@dataclass(frozen=True, kw_only=True, slots=True)
class Cache:
    """`cache`: the volume on which the packages are shared; `enabled` false means one emptyDir for each pod."""

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
    """`resources` of the install container, quantities as Kubernetes writes them."""

    requests: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class PackagesSpec:
    """One `pythonPackages`, parsed. `packages` keeps the user's order and writing."""

    packages: tuple[str, ...] = ()
    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    trusted_hosts: tuple[str, ...] = ()
    credentials: SecretRef | None = None
    cache: Cache = Cache()
    install_policy: InstallPolicy = InstallPolicy()
    resources: Resources | None = None
