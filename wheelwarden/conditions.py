"""Conditions: the types and reasons that Wheelwarden writes, and when a condition counts as changed.

Shape: metav1.Condition without observedGeneration, which the Notebook CRD prunes, and with lastProbeTime, which Pod
conditions have (https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-conditions). Pure.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from wheelwarden import names

MESSAGE_LIMIT: Final = 1000  # characters: about a screen in `kubectl describe`

TRUE: Final = "True"
FALSE: Final = "False"
UNKNOWN: Final = "Unknown"


class Reason:
    """Every reason, with what it means. They are part of the interface: people alert on them."""

    # PackagesInstalled, Unknown
    WAITING_FOR_POD: Final = "WaitingForPod"  # no pod yet, or its installer has not started
    INSTALLING: Final = "Installing"  # the installer runs
    OBSERVED: Final = "Observed"  # another owner's installer does it; we only look. True: what is asked for is there
    # PackagesInstalled and ImportsVerified, Unknown
    ROLLOUT_PENDING: Final = "RolloutPending"  # the pod is of an older spec and about to be replaced: it is not judged
    # PackagesInstalled, True
    INSTALLED: Final = "Installed"
    # PackagesInstalled, False
    NOT_INJECTED: Final = "NotInjected"  # the pod was made while the webhook could not add the installer
    RESTART_REQUIRED: Final = "RestartRequired"  # the packages changed after the pod was made
    CLAIM_CONFLICT: Final = "ClaimConflict"  # a claim of the wanted name belongs to somebody else
    CLAIM_PENDING: Final = "ClaimPending"  # the claim is not bound yet, and somebody said why
    CLAIM_REFUSED: Final = "ClaimRefused"  # the API server does not let us make the claim: a quota, a storage class
    INVALID_SPEC: Final = "InvalidSpec"  # the request breaks a rule; it came in past the webhook
    CONFIG_ERROR: Final = "ConfigError"  # the kubelet could not start the installer
    INSTALL_FAILED: Final = "InstallFailed"  # failed, and none of the reasons below
    NETWORK_ERROR: Final = "NetworkError"
    PACKAGE_NOT_FOUND: Final = "PackageNotFound"
    HASH_MISMATCH: Final = "HashMismatch"
    AUTHENTICATION_FAILED: Final = "AuthenticationFailed"
    INSTALL_TIMEOUT: Final = "InstallTimeout"
    DISK_FULL: Final = "DiskFull"
    BUILD_FAILED: Final = "BuildFailed"
    PYTHON_INCOMPATIBLE: Final = "PythonIncompatible"
    # PackagesInstalled, False, where another owner's installer did it
    PACKAGE_MISSING: Final = "PackageMissing"  # it is not there, though that installer ended well
    VERSION_MISMATCH: Final = "VersionMismatch"  # another version is there than is asked for
    FILES_DAMAGED: Final = "FilesDamaged"  # the files are not those that the package was installed with
    # ImportsVerified, Unknown
    WAITING_FOR_PACKAGES: Final = "WaitingForPackages"  # nothing is installed to be proven
    PROBING: Final = "Probing"
    PROBE_FAILED: Final = "ProbeFailed"  # the probe could not run; it is tried again
    OUT_OF_MEMORY: Final = "OutOfMemory"  # an import was ended before it took the container's last memory
    # ImportsVerified, True
    IMPORTS_SUCCEEDED: Final = "ImportsSucceeded"
    NOTHING_TO_VERIFY: Final = "NothingToVerify"  # what was installed has no importable modules
    # ImportsVerified, False: MODULE_NOT_FOUND and the others that the probe gives (payload/probe.py)
    IMPORT_FAILED: Final = "ImportFailed"
    MODULE_NOT_FOUND: Final = "ModuleNotFound"
    ATTRIBUTE_NOT_FOUND: Final = "AttributeNotFound"
    MISSING_SHARED_LIBRARY: Final = "MissingSharedLibrary"
    INCOMPATIBLE_BINARY: Final = "IncompatibleBinary"
    CIRCULAR_IMPORT: Final = "CircularImport"
    SHADOWED: Final = "Shadowed"
    PROBE_TIMEOUT: Final = "ProbeTimeout"


# The installer's error classes (docs/architecture.md) as reasons.
REASON_OF_ERROR: Final = {
    "network": Reason.NETWORK_ERROR,
    "package_not_found": Reason.PACKAGE_NOT_FOUND,
    "hash_mismatch": Reason.HASH_MISMATCH,
    "authentication": Reason.AUTHENTICATION_FAILED,
    "timeout": Reason.INSTALL_TIMEOUT,
    "disk_full": Reason.DISK_FULL,
    "build_failed": Reason.BUILD_FAILED,
    "python_incompatible": Reason.PYTHON_INCOMPATIBLE,
}

# What to do about a failed import, by its reason.
REMEDY_OF_IMPORT: Final = {
    Reason.IMPORT_FAILED: "Pin a version of the package that works, or mend the module",
    Reason.MODULE_NOT_FOUND: "Add the package that has this module, or correct verify-imports",
    Reason.ATTRIBUTE_NOT_FOUND: "Pin a version that has this attribute, or correct verify-imports",
    Reason.MISSING_SHARED_LIBRARY: "Use an image that has this system library, or a package that bundles it",
    Reason.INCOMPATIBLE_BINARY: "Pin a version built for the image's Python and platform",
    Reason.CIRCULAR_IMPORT: "Pin another version of the package, or break the cycle in the module",
    Reason.SHADOWED: "Rename or remove the file that hides the package",
    Reason.PROBE_TIMEOUT: "Import it by hand in the pod to see what it waits for",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Condition:
    """One condition as we want it: what it says, without times."""

    type: str
    status: str
    reason: str
    message: str


def shortened(message: str) -> str:
    """A message that stays on a screen."""
    return message if len(message) <= MESSAGE_LIMIT else message[: MESSAGE_LIMIT - 1] + "…"


def find(conditions: Iterable[Mapping[str, Any]], type_: str) -> Condition | None:
    """The condition of a type in an object's status, None where it has none."""
    for entry in conditions:
        if entry.get("type") == type_:
            return Condition(
                type=type_,
                status=str(entry.get("status", "")),
                reason=str(entry.get("reason", "")),
                message=str(entry.get("message", "")),
            )
    return None


def written(condition: Condition, conditions: Iterable[Mapping[str, Any]], now: str) -> dict[str, str]:
    """The condition with its times (RFC 3339); lastTransitionTime stays where the status is unchanged."""
    transition = now
    for entry in conditions:
        if entry.get("type") == condition.type and entry.get("status") == condition.status:
            transition = str(entry.get("lastTransitionTime") or now)
    return {
        "type": condition.type,
        "status": condition.status,
        "reason": condition.reason,
        "message": condition.message,
        "lastProbeTime": now,
        "lastTransitionTime": transition,
    }


def sum_up(type_: str, pods: Sequence[tuple[str, Condition]]) -> Condition:
    """One condition for an object, from those of its pods: False where one is, else Unknown, else True.

    Args:
        type_: the condition type.
        pods: (pod name, its condition of that type), in the order in which they are to be named.
    """
    if not pods:
        return Condition(type=type_, status=UNKNOWN, reason=Reason.WAITING_FOR_POD, message="There is no pod yet.")
    good = [pod for pod, condition in pods if condition.status == TRUE]
    rest = [(pod, condition) for pod, condition in pods if condition.status != TRUE]
    worst = sorted(rest, key=lambda entry: entry[1].status != FALSE)  # stable: failures first
    word = "have their packages" if type_ == names.PACKAGES_INSTALLED else "import everything"
    head = f"{len(good)} of {len(pods)} pods {word}"
    if not worst:
        return Condition(type=type_, status=TRUE, reason=pods[0][1].reason, message=f"{head}. {pods[0][1].message}")
    told = "; ".join(f"{pod}: {condition.message}" for pod, condition in worst)
    first = worst[0][1]
    return Condition(type=type_, status=first.status, reason=first.reason, message=shortened(f"{head}. {told}"))
