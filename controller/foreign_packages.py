"""Packages that another owner's installer put there: are they what is asked for? Pure.

That installer's own word is not enough: it ends without an error where it was told to let a failure pass, and one that
does not clean up leaves the old files under the metadata of a new version.
"""

from collections.abc import Sequence
from typing import Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion, Version

from controller.state import Installer, PodState, ProbeOutcome
from wheelwarden.api import names
from wheelwarden.api.conditions import FALSE, TRUE, UNKNOWN, Condition, Reason, find, shortened
from wheelwarden.api.request import Request
from wheelwarden.verify.results import Distribution, ProbeReport

SHOWN_PACKAGES: Final = 5


def is_observed(request: Request, pod: PodState) -> bool:
    """Whether the packages of a pod are somebody else's work."""
    return not pod.injected and (pod.foreign_installer or request.install == "observe")


def observed_condition(request: Request, pod: PodState, outcome: ProbeOutcome | None, digest: str) -> Condition:
    """PackagesInstalled of a pod whose packages are observed.

    Args:
        request: what the owner asks for now; with packages.
        pod: the pod.
        outcome: of a probe; None while there is none.
        digest: that a probe of now has.
    """
    if pod.foreign_installer:
        installer = pod.installer or Installer(phase="waiting")
        if installer.exit_code:
            return _condition(
                FALSE, Reason.INSTALL_FAILED,
                f"The pod's own installer failed with exit code {installer.exit_code}; Wheelwarden only observes it. "
                f"See `kubectl logs {pod.name} -c {names.INSTALL_CONTAINER}`, or set {names.INSTALL_ANNOTATION}: managed.",
            )  # fmt: skip
        if installer.phase != "ended":
            return _condition(
                UNKNOWN, Reason.OBSERVED, "The pod's own installer is at work; Wheelwarden only observes it."
            )
    if outcome is not None and outcome.digest == digest and outcome.report is not None:
        return _judge(request, pod, outcome.report)
    known = find(pod.conditions, names.PACKAGES_INSTALLED)
    if known is not None and pod.probed == digest and known.status != UNKNOWN:
        return known
    return _condition(
        UNKNOWN, Reason.OBSERVED, "The packages are observed only; what is there is looked at when the pod is ready."
    )


def installed_versions(report: ProbeReport) -> list[str]:
    """`name==version` of what was found of the packages that are asked for."""
    return sorted(f"{one.name}=={one.versions[0]}" for one in report.distributions if one.found)


def _judge(request: Request, pod: PodState, report: ProbeReport) -> Condition:
    assert request.packages is not None
    found = {one.name: one for one in report.distributions}
    faults = [fault for package in request.packages.packages if (fault := _fault(package, found))]
    if not faults:
        there = ", ".join(installed_versions(report)) or "nothing has a name to look for"
        return _condition(
            TRUE, Reason.OBSERVED, f"What is asked for is there, by the pod's own installer or image: {there}"
        )
    told = " ".join(f"{text}." for _, text in faults[:SHOWN_PACKAGES])
    more = f" And {len(faults) - SHOWN_PACKAGES} more." if len(faults) > SHOWN_PACKAGES else ""
    return _condition(FALSE, faults[0][0], f"{told}{more} {_remedy(faults[0][0], pod)}")


def _remedy(reason: str, pod: PodState) -> str:
    managed = f"set {names.INSTALL_ANNOTATION}: managed to have Wheelwarden install"
    if not pod.foreign_installer:
        return f"Nothing installs packages into this pod: use an image that has them, or {managed}."
    if reason == Reason.PACKAGE_MISSING:
        return (
            "The pod's own installer ended without an error and did not install it. Check that name and version exist on the "
            f"index, and see `kubectl logs {pod.name} -c {names.INSTALL_CONTAINER}`; or {managed} and tell what fails."
        )
    return f"The pod's own installer ended without an error. Empty its volume and restart the pods, or {managed}."


def _fault(package: str, found: dict[str, Distribution]) -> tuple[str, str] | None:
    """(reason, what is wrong) with one requirement; None where it is met or cannot be told."""
    try:
        requirement = Requirement(package)
    except InvalidRequirement:
        return None
    distribution = found.get(requirement.name)
    if distribution is None:
        return None
    if not distribution.found:
        # Whether a marker holds is for the pod's own Python to say.
        return None if requirement.marker else (Reason.PACKAGE_MISSING, f"{requirement.name} is not there")
    if distribution.damaged:
        versions = " and ".join(version for version, _ in distribution.found)
        return (
            Reason.FILES_DAMAGED,
            f"{requirement.name} {versions} is there, but not with the files it was installed with",
        )
    if requirement.url is None and not any(_fits(version, requirement) for version in distribution.versions):
        claimed = [version for version, intact in distribution.found if intact is False]
        also = f" (the metadata of {', '.join(claimed)} lies beside it)" if claimed else ""
        text = (
            f"{requirement.name} is {', '.join(distribution.versions)}{also}, and {requirement.specifier} is asked for"
        )
        return Reason.VERSION_MISMATCH, text
    return None


def _fits(version: str, requirement: Requirement) -> bool:
    try:
        return requirement.specifier.contains(Version(version), prereleases=True)
    except InvalidVersion:
        return True  # no version of PEP 440: nothing to compare


def missing(report: ProbeReport) -> Sequence[str]:
    """Names of what is asked for and not there."""
    return [one.name for one in report.distributions if not one.found]


def _condition(status: str, reason: str, message: str) -> Condition:
    return Condition(type=names.PACKAGES_INSTALLED, status=status, reason=reason, message=shortened(message))
