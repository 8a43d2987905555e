"""Wheelwarden: guards Python packages on Kubernetes.

The public API, loaded name by name at first use, so that `import wheelwarden` loads neither the Kubernetes client nor
anything else that a program did not ask for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wheelwarden.hashing import compute_packages_hash
    from wheelwarden.requirements import parse_package_string, validate_package_name
    from wheelwarden.rules.validation import validate_packages_spec
    from wheelwarden.verify import PackageVerificationResult, PodReference, verify_package_import

__version__ = "0.1.0"

__all__ = [
    "PackageVerificationResult",
    "PodReference",
    "__version__",
    "compute_packages_hash",
    "parse_package_string",
    "validate_package_name",
    "validate_packages_spec",
    "verify_package_import",
]

_HOMES = {
    "PackageVerificationResult": "wheelwarden.verify",
    "PodReference": "wheelwarden.verify",
    "compute_packages_hash": "wheelwarden.hashing",
    "parse_package_string": "wheelwarden.requirements",
    "validate_package_name": "wheelwarden.requirements",
    "validate_packages_spec": "wheelwarden.rules.validation",
    "verify_package_import": "wheelwarden.verify",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)
