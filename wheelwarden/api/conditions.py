"""Conditions: the reasons that Wheelwarden writes, and how conditions are compared and written. Pure.

Shapes: a Pod condition has lastProbeTime (https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-conditions);
a condition of a KasprApp is a metav1.Condition with observedGeneration, which its CRD requires in every entry.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

MESSAGE_LIMIT: Final = 1000  # characters: about a screen in `kubectl describe`

TRUE: Final = "True"
FALSE: Final = "False"
UNKNOWN: Final = "Unknown"


class Reason:
    """Every reason and its meaning. Reasons are part of the interface: users define alerts on them."""

    # PackagesInstalled, Unknown
    WAITING_FOR_POD: Final = "WaitingForPod"  # no pod yet, or its installer has not started
    INSTALLING: Final = "Installing"  # the installer runs
    OBSERVED: Final = "Observed"  # another owner installs, we only check; if True, all requested packages are installed
    # PackagesInstalled and ImportsVerified, Unknown
    ROLLOUT_PENDING: Final = "RolloutPending"  # the pod has an older spec and is about to be replaced: it is not judged
    # PackagesInstalled, True
    INSTALLED: Final = "Installed"
    # PackagesInstalled, False
    NOT_INJECTED: Final = "NotInjected"  # the pod was created while the webhook could not add the installer
    RESTART_REQUIRED: Final = "RestartRequired"  # the packages changed after the pod was created
    CLAIM_CONFLICT: Final = "ClaimConflict"  # a claim with the required name belongs to another owner
    CLAIM_PENDING: Final = "ClaimPending"  # the claim is not bound yet, and the cause is known
    CLAIM_REFUSED: Final = "ClaimRefused"  # the API server does not let us create the claim: a quota, a storage class
    INVALID_SPEC: Final = "InvalidSpec"  # the request violates a rule; the object bypassed the webhook
    CONFIG_ERROR: Final = "ConfigError"  # the kubelet could not start the installer
    INSTALL_FAILED: Final = "InstallFailed"  # the installation failed with an error that has no reason below
    NETWORK_ERROR: Final = "NetworkError"
    PACKAGE_NOT_FOUND: Final = "PackageNotFound"
    HASH_MISMATCH: Final = "HashMismatch"
    AUTHENTICATION_FAILED: Final = "AuthenticationFailed"
    INSTALL_TIMEOUT: Final = "InstallTimeout"
    DISK_FULL: Final = "DiskFull"
    BUILD_FAILED: Final = "BuildFailed"
    PYTHON_INCOMPATIBLE: Final = "PythonIncompatible"
    GIT_MISSING: Final = "GitMissing"  # a git+ requirement, and the image has no git
    # PackagesInstalled, False, if another owner installs
    PACKAGE_MISSING: Final = "PackageMissing"  # the package is missing although the installer succeeded
    VERSION_MISMATCH: Final = "VersionMismatch"  # the installed version is not the requested one
    FILES_DAMAGED: Final = "FilesDamaged"  # the files are not those that the package was installed with
    # Events only
    CACHE_NEARLY_FULL: Final = "CacheNearlyFull"  # the package volume is more than 80 % full
    WRITE_REFUSED: Final = "WriteRefused"  # the API server refuses one of our writes
    # ImportsVerified, Unknown
    WAITING_FOR_PACKAGES: Final = "WaitingForPackages"  # the packages are not installed yet
    PROBING: Final = "Probing"
    PROBE_FAILED: Final = "ProbeFailed"  # the probe could not run; it is retried
    OUT_OF_MEMORY: Final = "OutOfMemory"  # an import was stopped before it used the container's last memory
    # ImportsVerified, True
    IMPORTS_SUCCEEDED: Final = "ImportsSucceeded"
    NOTHING_TO_VERIFY: Final = "NothingToVerify"  # the installed packages have no importable modules
    # ImportsVerified, False: the probe returns these reasons (payload/probe)
    IMPORT_FAILED: Final = "ImportFailed"
    MODULE_NOT_FOUND: Final = "ModuleNotFound"
    ATTRIBUTE_NOT_FOUND: Final = "AttributeNotFound"
    MISSING_SHARED_LIBRARY: Final = "MissingSharedLibrary"
    INCOMPATIBLE_BINARY: Final = "IncompatibleBinary"
    CIRCULAR_IMPORT: Final = "CircularImport"
    SHADOWED: Final = "Shadowed"
    PROBE_TIMEOUT: Final = "ProbeTimeout"


# The reason for each error class of the installer (docs/architecture.md).
REASON_OF_ERROR: Final = {
    "network": Reason.NETWORK_ERROR,
    "package_not_found": Reason.PACKAGE_NOT_FOUND,
    "hash_mismatch": Reason.HASH_MISMATCH,
    "authentication": Reason.AUTHENTICATION_FAILED,
    "timeout": Reason.INSTALL_TIMEOUT,
    "disk_full": Reason.DISK_FULL,
    "build_failed": Reason.BUILD_FAILED,
    "python_incompatible": Reason.PYTHON_INCOMPATIBLE,
    "git_missing": Reason.GIT_MISSING,
}

# What to do about a failed import, by its reason.
REMEDY_OF_IMPORT: Final = {
    Reason.IMPORT_FAILED: "Pin a working version of the package, or fix the module",
    Reason.MODULE_NOT_FOUND: "Add the package that provides this module, or correct verify-imports",
    Reason.ATTRIBUTE_NOT_FOUND: "Pin a version that has this attribute, or correct verify-imports",
    Reason.MISSING_SHARED_LIBRARY: "Use an image that has this system library, or a package that bundles it",
    Reason.INCOMPATIBLE_BINARY: "Pin a version built for the image's Python and platform",
    Reason.CIRCULAR_IMPORT: "Pin another version of the package, or break the import cycle in the module",
    Reason.SHADOWED: "Rename or remove the file that hides the package",
    Reason.PROBE_TIMEOUT: "Import the module by hand in the pod to see what it waits for",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Condition:
    """One condition without its times."""

    type: str
    status: str
    reason: str
    message: str


def shortened(message: str, limit: int = MESSAGE_LIMIT) -> str:
    """Shorten a message to `limit` characters: after a sentence if at least half of the limit is used, else after a word."""
    if len(message) <= limit:
        return message
    head = message[: limit - 2]
    for mark, kept in ((". ", 1), (" ", 0)):
        end = head.rfind(mark)
        if end >= limit // 2:
            return f"{head[: end + kept]} …"
    return f"{head} …"


def find(conditions: Iterable[Mapping[str, Any]], type_: str) -> Condition | None:
    """Return the condition of a type from an object's status, None if there is none."""
    for entry in conditions:
        if entry.get("type") == type_:
            return Condition(
                type=type_,
                status=str(entry.get("status", "")),
                reason=str(entry.get("reason", "")),
                message=str(entry.get("message", "")),
            )
    return None


def is_written(condition: Condition, conditions: Iterable[Mapping[str, Any]], generation: int) -> bool:
    """Whether an object's status has this condition already, for the current generation.

    An entry without observedGeneration has a CRD that does not keep it: writing the entry again would change nothing.
    """
    for entry in conditions:
        if entry.get("type") == condition.type:
            return find([entry], condition.type) == condition and (
                entry.get("observedGeneration", generation) == generation
            )
    return False


@dataclass(frozen=True, kw_only=True, slots=True)
class ConditionShape:
    """Which fields a condition has besides type, status, reason, message and lastTransitionTime: those its CRD keeps."""

    observed_generation: bool
    last_probe_time: bool


POD_CONDITIONS: Final = ConditionShape(observed_generation=False, last_probe_time=True)


def written(
    condition: Condition,
    conditions: Iterable[Mapping[str, Any]],
    now: str,
    *,
    shape: ConditionShape = POD_CONDITIONS,
    generation: int = 0,
) -> dict[str, str | int]:
    """Return the condition as a status entry with its times (RFC 3339). lastTransitionTime changes only with the status.

    Args:
        condition: the condition to write.
        conditions: the previous entries, from the object's status or from our last write.
        now: the current time.
        shape: the fields that the entry has.
        generation: `metadata.generation` of the object, for observedGeneration.
    """
    transition = now
    for entry in conditions:
        if entry.get("type") == condition.type and entry.get("status") == condition.status:
            transition = str(entry.get("lastTransitionTime") or now)
    return {
        "type": condition.type,
        "status": condition.status,
        "reason": condition.reason,
        "message": condition.message,
        "lastTransitionTime": transition,
        **({"lastProbeTime": now} if shape.last_probe_time else {}),
        **({"observedGeneration": generation} if shape.observed_generation else {}),
    }
