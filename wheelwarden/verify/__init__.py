"""Import verification: the contract, its results, and the probe's report. The controller only decides when."""

from wheelwarden.verify.contract import PodReference, verify_package_import, verify_package_import_async
from wheelwarden.verify.results import ModuleResult, PackageVerificationResult, ProbeReport, parse_report

__all__ = [
    "ModuleResult",
    "PackageVerificationResult",
    "PodReference",
    "ProbeReport",
    "parse_report",
    "verify_package_import",
    "verify_package_import_async",
]
