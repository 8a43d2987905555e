"""Wheelwarden: guards Python packages on Kubernetes.

The public API. Each name is imported at its first use, so `import wheelwarden` loads neither the Kubernetes client nor any
other module that a program does not use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wheelwarden.api.errors import (
        CommandTimeoutError,
        ContainerNotFoundError,
        Forbidden,
        KubeError,
        PodNotReadyError,
        ResourceNotFoundError,
        Unreachable,
        UnusableInput,
        WheelwardenError,
    )
    from wheelwarden.parsing.packages_hash import compute_packages_hash
    from wheelwarden.parsing.requirement import parse_package_string, validate_package_name
    from wheelwarden.rules.validation import validate_packages_spec
    from wheelwarden.verify import (
        ContainerCrashError,
        ContainerStatus,
        CustomImageTestConfiguration,
        ImagePullError,
        NotebookResource,
        NotebookStatus,
        PackageVerificationResult,
        PodDiagnosticInfo,
        PodFailure,
        PodFailureCategory,
        PodReadinessTimeout,
        PodReference,
        verify_package_import,
        verify_package_import_async,
    )

__version__ = "0.1.0"

_MODULES = {
    "CommandTimeoutError": "wheelwarden.api.errors",
    "ContainerCrashError": "wheelwarden.verify",
    "ContainerNotFoundError": "wheelwarden.api.errors",
    "ContainerStatus": "wheelwarden.verify",
    "CustomImageTestConfiguration": "wheelwarden.verify",
    "Forbidden": "wheelwarden.api.errors",
    "ImagePullError": "wheelwarden.verify",
    "KubeError": "wheelwarden.api.errors",
    "NotebookResource": "wheelwarden.verify",
    "NotebookStatus": "wheelwarden.verify",
    "PackageVerificationResult": "wheelwarden.verify",
    "PodDiagnosticInfo": "wheelwarden.verify",
    "PodFailure": "wheelwarden.verify",
    "PodFailureCategory": "wheelwarden.verify",
    "PodNotReadyError": "wheelwarden.api.errors",
    "PodReadinessTimeout": "wheelwarden.verify",
    "PodReference": "wheelwarden.verify",
    "ResourceNotFoundError": "wheelwarden.api.errors",
    "Unreachable": "wheelwarden.api.errors",
    "UnusableInput": "wheelwarden.api.errors",
    "WheelwardenError": "wheelwarden.api.errors",
    "compute_packages_hash": "wheelwarden.parsing.packages_hash",
    "parse_package_string": "wheelwarden.parsing.requirement",
    "validate_package_name": "wheelwarden.parsing.requirement",
    "validate_packages_spec": "wheelwarden.rules.validation",
    "verify_package_import": "wheelwarden.verify",
    "verify_package_import_async": "wheelwarden.verify",
}

__all__ = [
    "CommandTimeoutError",
    "ContainerCrashError",
    "ContainerNotFoundError",
    "ContainerStatus",
    "CustomImageTestConfiguration",
    "Forbidden",
    "ImagePullError",
    "KubeError",
    "NotebookResource",
    "NotebookStatus",
    "PackageVerificationResult",
    "PodDiagnosticInfo",
    "PodFailure",
    "PodFailureCategory",
    "PodNotReadyError",
    "PodReadinessTimeout",
    "PodReference",
    "ResourceNotFoundError",
    "Unreachable",
    "UnusableInput",
    "WheelwardenError",
    "__version__",
    "compute_packages_hash",
    "parse_package_string",
    "validate_package_name",
    "validate_packages_spec",
    "verify_package_import",
    "verify_package_import_async",
]


def __getattr__(name: str) -> Any:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(module), name)


def __dir__() -> list[str]:
    return sorted(__all__)
