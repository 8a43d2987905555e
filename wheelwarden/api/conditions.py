"""Conditions: the types and reasons that Wheelwarden writes, and when a condition counts as changed.

Shapes: a Pod condition has lastProbeTime (https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-conditions);
a condition of a KasprApp is a metav1.Condition with observedGeneration, which its CRD requires in every entry. Pure.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

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
    GIT_MISSING: Final = "GitMissing"  # a git+ requirement, and the image has no git
    # PackagesInstalled, False, where another owner's installer did it
    PACKAGE_MISSING: Final = "PackageMissing"  # it is not there, though that installer ended well
    VERSION_MISMATCH: Final = "VersionMismatch"  # another version is there than is asked for
    FILES_DAMAGED: Final = "FilesDamaged"  # the files are not those that the package was installed with
    # Events only
    CACHE_NEARLY_FULL: Final = "CacheNearlyFull"  # the volume of packages is more than 80 % full
    WRITE_REFUSED: Final = "WriteRefused"  # the API server does not take what we want to write
    # ImportsVerified, Unknown
    WAITING_FOR_PACKAGES: Final = "WaitingForPackages"  # nothing is installed to be proven
    PROBING: Final = "Probing"
    PROBE_FAILED: Final = "ProbeFailed"  # the probe could not run; it is tried again
    OUT_OF_MEMORY: Final = "OutOfMemory"  # an import was ended before it took the container's last memory
    # ImportsVerified, True
    IMPORTS_SUCCEEDED: Final = "ImportsSucceeded"
    NOTHING_TO_VERIFY: Final = "NothingToVerify"  # what was installed has no importable modules
    # ImportsVerified, False: MODULE_NOT_FOUND and the others that the probe gives (payload/probe)
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
    "git_missing": Reason.GIT_MISSING,
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


def shortened(message: str, limit: int = MESSAGE_LIMIT) -> str:
    """A message of at most `limit` characters: whole sentences where that keeps at least half of it, else whole words."""
    if len(message) <= limit:
        return message
    head = message[: limit - 2]
    for mark, kept in ((". ", 1), (" ", 0)):
        end = head.rfind(mark)
        if end >= limit // 2:
            return f"{head[: end + kept]} …"
    return f"{head} …"


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


def is_written(condition: Condition, conditions: Iterable[Mapping[str, Any]], generation: int) -> bool:
    """Whether an object's status says just this, and of its present generation.

    An entry without observedGeneration is one whose CRD does not keep it: writing it again would change nothing.
    """
    for entry in conditions:
        if entry.get("type") == condition.type:
            return find([entry], condition.type) == condition and (
                entry.get("observedGeneration", generation) == generation
            )
    return False


@dataclass(frozen=True, kw_only=True, slots=True)
class ConditionShape:
    """Which fields a condition has beside type, status, reason, message and lastTransitionTime: what its CRD keeps."""

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
    """The condition with its times (RFC 3339); lastTransitionTime stays where the status is unchanged.

    Args:
        condition: what it is to say.
        conditions: the entries of before, in the object's status or as we wrote them last.
        now: the time.
        shape: which fields it is to have.
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
