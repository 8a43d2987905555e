"""The request of one Notebook or KasprApp. `wheelwarden.parsing.request` parses it."""

from dataclasses import dataclass
from typing import Final

from wheelwarden.api.kinds import WorkloadKind
from wheelwarden.api.types import PackagesSpec

ROLLOUTS: Final = ("auto", "manual")
INSTALLS: Final = ("managed", "observe")


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """The packages and settings that one object requests.

    Attributes:
        kind: Notebook or KasprApp.
        namespace: empty if a file does not set it.
        name: name of the object.
        uid: empty until the API server assigns one.
        generation: generation of the object; None until the API server assigns one.
        packages: None if no packages are requested.
        packages_hash: see `wheelwarden.parsing.packages_hash`; empty if no packages are requested.
        verify_imports: the entries as written, without duplicates; empty if the modules are derived from the installed
            packages. Not validated: an object that bypassed the webhook may have invalid names.
        rollout: `auto` or `manual`; the kind's default if left out or not valid.
        install: `managed`, `observe`, or None if left out or not valid.
        verify_now: any text; a new value requests a new probe.
    """

    kind: WorkloadKind
    namespace: str
    name: str
    uid: str
    generation: int | None
    packages: PackagesSpec | None
    packages_hash: str
    verify_imports: tuple[str, ...]
    rollout: str
    install: str | None
    verify_now: str

    @property
    def wanted(self) -> bool:
        """Whether there is anything to do: packages to install or imports to verify."""
        return self.packages is not None or bool(self.verify_imports)

    @property
    def reference(self) -> dict[str, str]:
        """The object's reference for events and its claim: the fields that ObjectReference and OwnerReference share."""
        return {"apiVersion": self.kind.api_version, "kind": self.kind.name, "name": self.name, "uid": self.uid}
