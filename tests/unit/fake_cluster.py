"""A stand-in for our own client wrapper: objects in memory, with resource versions, and a list of all writes."""

import copy
from collections.abc import Sequence
from typing import Any

from wheelwarden.api.errors import AlreadyExists, Blocked, Conflict, Forbidden, NotFound
from wheelwarden.kube import CLAIMS, EVENTS, PODS, Listing, Resource

Object = dict[str, Any]


class FakeCluster:
    """`writes` has (verb, plural, name) of all writes except events. `events` has (kind, reason), `messages` the texts."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], Object] = {}
        self.writes: list[tuple[str, str, str]] = []
        self.events: list[tuple[str, str]] = []
        self.messages: list[str] = []
        self.blocked = False
        self.unreadable: set[str] = set()  # plurals whose reads the API server forbids
        self.refused: set[str] = set()  # plurals whose patches the API server forbids
        self.claim_uids: list[str] = []  # the uids in patches of claims
        self.lists: list[str] = []  # plurals that were listed
        self._version = 0

    def put(self, resource: Resource, obj: Object) -> Object:
        """Set an object, without recording a write."""
        self._version += 1
        obj["metadata"]["resourceVersion"] = str(self._version)
        self.objects[resource.plural, obj["metadata"]["name"]] = obj
        return obj

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object:
        if resource.plural in self.unreadable:
            raise Forbidden(403, "Forbidden", f"cannot get {resource.plural}")
        try:
            return copy.deepcopy(self.objects[resource.plural, name])
        except KeyError:
            raise NotFound(404, "NotFound", name) from None

    async def list(
        self, resource: Resource, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> Listing:
        self.lists.append(resource.plural)
        label, _, value = labels.partition("=")
        found = [obj for (plural, _), obj in self.objects.items() if plural == resource.plural]
        chosen = [obj for obj in found if not labels or (obj["metadata"].get("labels") or {}).get(label) == value]
        return Listing(items=copy.deepcopy(chosen), resource_version=str(self._version))

    async def create(self, resource: Resource, body: Object, namespace: str | None = None) -> Object:
        if resource is EVENTS:
            self.events.append((body["involvedObject"]["kind"], body["reason"]))
            self.messages.append(body["message"])
            return body
        if (resource.plural, body["metadata"]["name"]) in self.objects:
            raise AlreadyExists(409, "AlreadyExists", body["metadata"]["name"])
        self.writes.append(("create", resource.plural, body["metadata"]["name"]))
        body["metadata"] |= {"uid": f"uid-{body['metadata']['name']}", "creationTimestamp": "2026-01-31T10:00:00Z"}
        return self.put(resource, body)

    async def patch(
        self, resource: Resource, name: str, patch: Object, namespace: str | None = None, *, subresource: str = "",
        style: str = "merge",
    ) -> Object:  # fmt: skip
        obj = await self.get(resource, name)
        for field in ("uid", "resourceVersion"):
            if patch.get("metadata", {}).get(field, obj["metadata"].get(field)) != obj["metadata"].get(field):
                raise Conflict(409, "Conflict", f"{field} differs")
        self.writes.append(("patch", resource.plural, name))
        if resource is CLAIMS:
            self.claim_uids.append(patch["metadata"]["uid"])
        if resource.plural in self.refused:
            raise Forbidden(403, "Forbidden", "only dynamically provisioned pvc can be resized")
        if style == "strategic":
            merged = {entry["type"]: entry for entry in obj.setdefault("status", {}).get("conditions", [])}
            merged |= {entry["type"]: entry for entry in patch.get("status", {}).get("conditions", [])}
            obj["status"]["conditions"] = list(merged.values())
            patch = {"metadata": {"annotations": patch.get("metadata", {}).get("annotations", {})}}
        return self.put(resource, merge(obj, patch))

    async def delete(
        self, resource: Resource, name: str, namespace: str | None = None, *, uid: str | None = None
    ) -> None:
        await self.get(resource, name)
        self.writes.append(("delete", resource.plural, name))
        del self.objects[resource.plural, name]

    async def evict(self, pod: str, namespace: str, *, uid: str) -> None:
        if self.blocked:
            raise Blocked(429, "TooManyRequests", "a budget forbids it")
        self.writes.append(("evict", PODS.plural, pod))
        del self.objects[PODS.plural, pod]

    def claims(self) -> Sequence[str]:
        return [name for plural, name in self.objects if plural == CLAIMS.plural]


def merge(obj: Object, patch: Object) -> Object:
    """RFC 7386."""
    for key, value in patch.items():
        if value is None:
            obj.pop(key, None)
        elif isinstance(value, dict):
            obj[key] = merge(obj.get(key) or {}, value)
        else:
            obj[key] = value
    return obj
