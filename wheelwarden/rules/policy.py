"""What the admin allows, as everybody here holds it; `wheelwarden.rules.policy_file` reads it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any, Final

from wheelwarden.api.objects import mapping_in
from wheelwarden.api.request import Request
from wheelwarden.api.violations import Action
from wheelwarden.parsing.request import LocatedRequest

DEFAULT_MAX_PACKAGES: Final = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """What the admin allows.

    Attributes:
        actions: the action of a rule where it is not the rule's own, by rule id.
        allowed_index_hosts: hosts that packages may come from, `*.` before a name for all below it; empty: any.
        public_index_hosts: hosts of indexes that anybody can publish to, for the warning about their order.
        allowed_variables: names that may stand as `${NAME}` in direct references.
        allowed_packages: patterns of names (PEP 503, `*` for anything) that may be asked for; empty: any.
        denied_packages: patterns of names that may not.
        max_packages: entries in one `packages`.
        install: what `wheelwarden.dev/install` is for objects that do not say: `managed` also takes another owner's
            installer over; None: managed, but another owner's installer is only observed.
        overrides: what is different for some objects, the later one winning.
    """

    actions: Mapping[str, Action] = field(default_factory=lambda: MappingProxyType({}))
    allowed_index_hosts: tuple[str, ...] = ()
    public_index_hosts: tuple[str, ...] = ()
    allowed_variables: frozenset[str] = frozenset()
    allowed_packages: tuple[str, ...] = ()
    denied_packages: tuple[str, ...] = ()
    max_packages: int = DEFAULT_MAX_PACKAGES
    install: str | None = None
    overrides: "tuple[Override, ...]" = ()

    def __hash__(self) -> int:
        """Cheap, and equal for equal policies: mappings have no hash of their own, and there are few policies."""
        return hash((self.max_packages, len(self.actions)))

    def applied_to(self, obj: Mapping[str, Any]) -> "Policy":
        """The policy for one object, without overrides."""
        if not self.overrides:
            return self
        metadata = mapping_in(obj, "metadata")
        namespace, labels = metadata.get("namespace"), mapping_in(metadata, "labels")
        policy = self
        for override in self.overrides:
            if override.fits(namespace if isinstance(namespace, str) else "", labels):
                actions = MappingProxyType({**policy.actions, **override.actions})
                policy = replace(policy, **{**override.settings, "actions": actions})
        return replace(policy, overrides=())

    def may_be_on(self, rule: str) -> bool:
        """Whether a rule that is off by default is on for some objects."""
        return any(
            actions.get(rule, Action.OFF) is not Action.OFF
            for actions in (self.actions, *(override.actions for override in self.overrides))
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Override:
    """What is different for some objects.

    Attributes:
        namespaces: patterns of names; empty: all.
        labels: that the object must have; empty: none.
        actions: as in `Policy`.
        settings: other attributes of `Policy`, those that are given.
    """

    namespaces: tuple[str, ...]
    labels: Mapping[str, str]
    actions: Mapping[str, Action]
    settings: Mapping[str, Any]

    def fits(self, namespace: str, labels: Mapping[str, Any]) -> bool:
        """Whether it is meant for objects of that namespace with those labels."""
        here = not self.namespaces or any(fnmatchcase(namespace, pattern) for pattern in self.namespaces)
        return here and all(labels.get(name) == value for name, value in self.labels.items())


DEFAULT: Final = Policy()


def request_under(policy: Policy, located: LocatedRequest) -> Request:
    """What one object asks for, with the admin's word where the object itself says nothing."""
    request = located.request()
    if request.install is not None:
        return request
    return replace(request, install=policy.applied_to(located.obj).install)
