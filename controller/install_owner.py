"""Who installs the packages of an object: Wheelwarden, or the workload's own operator. Pure: facts in, a decision out.

Evidence decides, never a timer. The pods of a KasprApp come from its StatefulSet only, and an operator that installs
packages puts its installer into the very first template (Kaspr 0.14 and later: claim first, then the StatefulSet). So while
there is no StatefulSet, nobody needs the claim, and nothing is made or written that would have to be taken back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from controller.state import Key, PodState, Template
from wheelwarden.api import names
from wheelwarden.api.install_owner import InstallOwner
from wheelwarden.api.objects import Object, mapping_in
from wheelwarden.api.request import Request
from wheelwarden.api.volumes import is_ours

# Conditions of a KasprApp that its operator writes. Those of others say nothing about what the operator has acted on.
OPERATOR_CONDITIONS: Final = frozenset({"Ready", "Progressing", "PythonPackagesReady"})
FIELD_MANAGER: Final = "wheelwarden-controller"  # under which the API server keeps what we wrote


@dataclass(frozen=True, kw_only=True, slots=True)
class Ownership:
    """The decision.

    Attributes:
        owner: who installs.
        reason: the evidence, as the end of a sentence.
        installer: whether another owner's installer was seen, so that what we made as the owner is in its way.
    """

    owner: InstallOwner
    reason: str
    installer: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """What the decision is made from.

    Attributes:
        pods: of the object.
        template: of its StatefulSet; None where there is none, or it cannot be read.
        readable: whether StatefulSets may be read.
        claim: of the wanted name; None where there is none.
        app: the object itself: its status and who wrote it.
        acted: the operator has acted on these packages or had its time to, so what it says of generations holds nothing up.
    """

    pods: Sequence[PodState]
    template: Template | None
    readable: bool
    claim: Mapping[str, Any] | None
    app: Mapping[str, Any]
    acted: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """All that one round knows of an object.

    Attributes:
        claim: of the wanted name, None where there is none.
        template: of its StatefulSet, None where there is none or nobody looked.
        acted: whether its operator has acted on the last change of the packages, or had its time to.
    """

    key: Key
    request: Request
    obj: Object
    pods: Sequence[PodState]
    replicas: int
    claim: Object | None
    template: Template | None
    ownership: Ownership
    acted: bool = True


def decide_owner(request: Request, evidence: Evidence) -> Ownership:
    """Who installs the packages of an object, the strongest evidence first."""
    for pod in evidence.pods:
        if pod.foreign_installer or pod.taken_over:
            return _foreign(f"pod {pod.name} comes with an installer of its operator")
    if request.install == "observe":
        return Ownership(owner=InstallOwner.FOREIGN, reason="it is to be observed only")
    if not request.kind.operator_installs:
        return _ours("the controller of its kind installs nothing")
    if request.packages is None:
        return _ours("no packages are asked for")
    if evidence.template is not None:
        return _by_template(request, evidence, evidence.template)
    if injected := _injected(evidence.pods):
        return _ours(f"pod {injected} has our installer")
    if evidence.readable:
        return Ownership(owner=InstallOwner.UNKNOWN, reason="its operator has not made a StatefulSet yet")
    return _without_statefulset(request, evidence)


def _by_template(request: Request, evidence: Evidence, template: Template) -> Ownership:
    if template.installs:
        return _foreign(f"its StatefulSet has an init container {names.INSTALL_CONTAINER}")
    if injected := _injected(evidence.pods):
        return _ours(f"its StatefulSet installs nothing, and pod {injected} has our installer")
    if evidence.claim is not None and is_ours(request, evidence.claim):
        return _ours("its StatefulSet installs nothing, and the claim is ours")
    if _is_operators(request, evidence.claim):
        # The operator makes the claim before it changes its StatefulSet.
        return _foreign("its operator made a claim for packages")
    seen = observed_generation(evidence.app)
    behind = seen is not None and request.generation is not None and seen < request.generation
    if behind and not evidence.acted:
        text = f"its operator has not acted on generation {request.generation} yet, it is at {seen}"
        return Ownership(owner=InstallOwner.UNKNOWN, reason=text)
    return _ours("its StatefulSet installs nothing")


def _without_statefulset(request: Request, evidence: Evidence) -> Ownership:
    """Where StatefulSets may not be read: what else tells of an operator that installs."""
    if evidence.claim is not None and is_ours(request, evidence.claim):
        return _ours("the claim is ours")
    if _is_operators(request, evidence.claim):
        return _foreign("its operator made a claim for packages")
    packages = mapping_in(mapping_in(evidence.app, "status"), "pythonPackages")
    if packages and not wrote_packages_status(request, evidence.app):
        return _foreign("its operator tells of packages in status.pythonPackages")
    if evidence.pods:
        return _ours("its pods come without an installer")
    return Ownership(owner=InstallOwner.UNKNOWN, reason="it has no pods, and its StatefulSet may not be read")


def observed_generation(app: Mapping[str, Any]) -> int | None:
    """The generation that an app's operator has acted on; None where it does not say.

    The highest of `status.observedGeneration` and what the operator's own conditions say: a condition that did not change
    may keep an older one.
    """
    status = mapping_in(app, "status")
    own = [entry for entry in status.get("conditions") or [] if entry.get("type") in OPERATOR_CONDITIONS]
    told = [one.get("observedGeneration") for one in (status, *own)]
    return max((generation for generation in told if isinstance(generation, int)), default=None)


def wrote_packages_status(request: Request, app: Mapping[str, Any]) -> bool:
    """Whether what stands in `status.pythonPackages` is our writing: it has our hash, or the API server says so."""
    packages = mapping_in(mapping_in(app, "status"), "pythonPackages")
    if not packages:
        return False
    if packages.get("hash") == request.packages_hash:
        return True
    for entry in mapping_in(app, "metadata").get("managedFields") or []:
        status = mapping_in(mapping_in(entry, "fieldsV1"), "f:status")
        if "f:hash" in mapping_in(status, "f:pythonPackages"):
            return bool(entry.get("manager") == FIELD_MANAGER)
    return False


def _is_operators(request: Request, claim: Mapping[str, Any] | None) -> bool:
    if request.kind.operators_claim_label is None:
        return False
    label, value = request.kind.operators_claim_label
    labels = mapping_in(mapping_in(claim or {}, "metadata"), "labels")
    return labels.get(label) == value and labels.get(names.MANAGED_BY_LABEL) != names.MANAGED_BY


def _injected(pods: Sequence[PodState]) -> str:
    return next((pod.name for pod in pods if pod.injected), "")


def _ours(reason: str) -> Ownership:
    return Ownership(owner=InstallOwner.OURS, reason=reason)


def _foreign(reason: str) -> Ownership:
    return Ownership(owner=InstallOwner.FOREIGN, reason=reason, installer=True)
