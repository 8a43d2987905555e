"""What one Notebook or KasprApp asks for, as everybody here speaks of it. `wheelwarden.parsing.request` reads it."""

from dataclasses import dataclass
from typing import Final

from wheelwarden.api.kinds import WorkloadKind
from wheelwarden.api.types import PackagesSpec

ROLLOUTS: Final = ("auto", "manual")
INSTALLS: Final = ("managed", "observe")


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What one object asks of us.

    Attributes:
        kind: Notebook or KasprApp.
        namespace: empty where a file names none.
        name: of the object.
        uid: empty before the API server gave one.
        generation: of the object; None before the API server gave one.
        packages: None where no packages are asked for.
        packages_hash: see `wheelwarden.parsing.packages_hash`; empty where no packages are asked for.
        verify_imports: as written, each once; empty where the modules are to be derived. Not yet judged: a module name
            may be nonsense where an object came in past the webhook.
        rollout: `auto` or `manual`; the kind's default where left out or not understood.
        install: `managed`, `observe`, or None where left out or not understood.
        verify_now: any text; a new one asks for a new probe.
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
        """Whether there is anything to do: packages to install or imports to prove."""
        return self.packages is not None or bool(self.verify_imports)

    @property
    def reference(self) -> dict[str, str]:
        """The object as its events and its claim name it (the common part of core/v1 ObjectReference and OwnerReference)."""
        return {"apiVersion": self.kind.api_version, "kind": self.kind.name, "name": self.name, "uid": self.uid}
