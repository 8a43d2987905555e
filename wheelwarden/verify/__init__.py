"""Import verification: the verification contract, the probe's results, and image tests.

The controller only decides when to verify. `wheelwarden.verify.image_test.run` is not exported here, because importing it
loads the Kubernetes client.
"""

from wheelwarden.verify.contract import PodReference, verify_package_import, verify_package_import_async
from wheelwarden.verify.image_test.configuration import CustomImageTestConfiguration, InvalidConfiguration
from wheelwarden.verify.image_test.diagnosis import ContainerStatus, PodDiagnosticInfo, PodFailureCategory
from wheelwarden.verify.image_test.states import (
    ContainerCrashError,
    ImagePullError,
    NotebookResource,
    NotebookStatus,
    PodFailure,
    PodReadinessTimeout,
)
from wheelwarden.verify.results import ModuleResult, PackageVerificationResult, ProbeReport, parse_report

__all__ = [
    "ContainerCrashError",
    "ContainerStatus",
    "CustomImageTestConfiguration",
    "ImagePullError",
    "InvalidConfiguration",
    "ModuleResult",
    "NotebookResource",
    "NotebookStatus",
    "PackageVerificationResult",
    "PodDiagnosticInfo",
    "PodFailure",
    "PodFailureCategory",
    "PodReadinessTimeout",
    "PodReference",
    "ProbeReport",
    "parse_report",
    "verify_package_import",
    "verify_package_import_async",
]
