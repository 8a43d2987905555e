"""Gathers the evidence of who installs, and takes back what we made as the owner where the evidence came late."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from controller.claim_controller import ClaimKeeper
from controller.install_owner import Evidence, View, decide_owner, observed_generation, wrote_packages_status
from controller.refusals import STATUS, Refusals, is_refusal
from controller.rollout import Edit, follow_edit
from controller.state import Key, PodState, Template, read_template
from wheelwarden.api.errors import Forbidden, KubeError, NotFound
from wheelwarden.api.install_owner import InstallOwner
from wheelwarden.api.objects import Object
from wheelwarden.api.request import Request
from wheelwarden.api.volumes import is_ours
from wheelwarden.kube import STATEFUL_SETS, Cluster, resource_for
from wheelwarden.kube.events import Recorder

LOGGER = logging.getLogger(__name__)
CORRECTED: Final = "InstallOwnerCorrected"  # the event's reason
_TARGET: Final = "status.pythonPackages, which is its operator's now"  # of the clearing, in the words of `Refusals`


class OwnerKeeper:
    """Tells who installs the packages of an object.

    Args:
        cluster: the client.
        claims: reads the claim, and takes it back.
        recorder: writes events.
        refusals: remembers what the API server refused.
        monotonic: a clock in seconds.
    """

    def __init__(
        self,
        cluster: Cluster,
        claims: ClaimKeeper,
        recorder: Recorder,
        refusals: Refusals,
        *,
        monotonic: Callable[[], float],
    ) -> None:
        self._cluster = cluster
        self._claims = claims
        self._recorder = recorder
        self._refusals = refusals
        self._monotonic = monotonic
        self._unreadable: set[Key] = set()
        self._edits: dict[Key, Edit] = {}

    def forget(self, key: Key) -> None:
        """The object is gone."""
        self._unreadable.discard(key)
        self._edits.pop(key, None)

    async def look(self, key: Key, request: Request, obj: Object, pods: Sequence[PodState], replicas: int) -> View:
        """Gathers what else there is of an object, and decides who installs its packages."""
        claim = await self._claims.read(request)
        template, readable = await self._read_template(key, request)
        evidence = Evidence(
            pods=pods, template=template, readable=readable, claim=claim, app=obj,
            acted=self._has_acted(key, request, template, obj),
        )  # fmt: skip
        view = View(
            key=key, request=request, obj=obj, pods=pods, replicas=replicas, claim=claim, template=template,
            ownership=decide_owner(request, evidence), acted=evidence.acted,
        )  # fmt: skip
        if view.ownership.owner is InstallOwner.FOREIGN:
            return await self._take_back(view)
        self._refusals.accepted(key, _TARGET)
        return view

    def _has_acted(self, key: Key, request: Request, template: Template | None, obj: Object) -> bool:
        """Whether the operator has acted on the last change of the packages, or had its time to."""
        if not request.kind.operator_installs:
            return True
        self._edits[key] = follow_edit(
            self._edits.get(key), request, template, observed_generation(obj), self._monotonic()
        )
        return self._edits[key].since is None

    async def _read_template(self, key: Key, request: Request) -> tuple[Template | None, bool]:
        """(the template of the object's StatefulSet, whether StatefulSets may be read)."""
        if not request.kind.operator_installs or request.packages is None:
            return None, True
        try:
            stateful = await self._cluster.get(
                STATEFUL_SETS, request.kind.stateful_set_name(request.name), request.namespace
            )
        except NotFound:
            return None, True
        except Forbidden as error:
            if key not in self._unreadable:
                self._unreadable.add(key)
                text = "%s/%s: its StatefulSet may not be read, so who installs is decided by other evidence: %s"
                LOGGER.warning(text, key.namespace, key.name, error)
            return None, False
        return read_template(stateful), True

    async def _take_back(self, view: View) -> View:
        """Takes back what we made and wrote as the owner before there was evidence of another."""
        key, request, obj, claim = view.key, view.request, view.obj, view.claim
        done = []
        if view.ownership.installer and claim is not None and is_ours(request, claim):
            name = request.kind.claim_name(request.name)
            needed = view.template is not None and name in view.template.claims
            needed = needed or any(name in pod.claims for pod in view.pods)
            if text := await self._claims.take_back(request, claim, needed=needed):
                done.append(text)
                claim = await self._claims.read(request)
        if request.kind.conditions is not None and wrote_packages_status(request, obj):
            if after := await self._clear_status(view):
                obj = {**obj, **after}
                done.append("status.pythonPackages is cleared")
        else:
            self._refusals.accepted(key, _TARGET)
        if done:
            text = (
                f"Wheelwarden leaves the installation to its owner, since {view.ownership.reason}: {', '.join(done)}."
            )
            LOGGER.info("%s/%s: %s", key.namespace, key.name, text)
            await self._recorder.record(request.reference, key.namespace, "Normal", CORRECTED, text)
        return replace(view, obj=obj, claim=claim)

    async def _clear_status(self, view: View) -> Object | None:
        """The object without what we wrote into `status.pythonPackages`; None where that was refused, or it is gone."""
        key, request = view.key, view.request
        if self._refusals.must_wait(key, _TARGET, request.packages_hash):
            return None
        version = {"resourceVersion": view.obj["metadata"]["resourceVersion"]}
        patch = {"metadata": version, "status": {"pythonPackages": None}}
        resource = resource_for(request.kind)
        try:
            after = await self._cluster.patch(resource, key.name, patch, key.namespace, subresource="status")
        except NotFound:
            return None
        except KubeError as error:
            if not is_refusal(error):
                raise
            await self._refusals.refused(
                key, _TARGET, request.packages_hash, what=STATUS, about=request.reference, error=error
            )
            return None
        self._refusals.accepted(key, _TARGET)
        return after
