"""Settings from environment variables. All problems are collected, so that an admin sees them in one message."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wheelwarden.api.errors import UnusableInput
from wheelwarden.api.kinds import WorkloadKind, all_kinds

_BOOLEANS: Final = ("true", "false")


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    """Where to listen; with port 0 the system chooses a port."""

    host: str
    port: int


class Reader:
    """Reads values and collects problems; `check` raises them when all values are read."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._problems: list[str] = []

    def check(self) -> None:
        """Raise UnusableInput that names every missing or invalid value."""
        if self._problems:
            raise UnusableInput("settings in the environment: " + "; ".join(self._problems))

    def text(self, name: str, default: str = "") -> str:
        """Any text, without surrounding spaces."""
        return self._environment.get(name, "").strip() or default

    def needed(self, name: str) -> str:
        """A required text."""
        value = self.text(name)
        if not value:
            self._problems.append(f"{name} is required")
        return value

    def choice(self, name: str, allowed: tuple[str, ...], default: str) -> str:
        """One of the allowed words."""
        value = self.text(name, default)
        if value in allowed:
            return value
        self._problems.append(f'{name} is "{value}" but must be one of {", ".join(allowed)}')
        return default

    def flag(self, name: str, *, default: bool) -> bool:
        """`true` or `false`."""
        return self.choice(name, _BOOLEANS, "true" if default else "false") == "true"

    def number(self, name: str, default: int) -> int:
        """A whole number of at least 1."""
        value = self.text(name, str(default))
        if value.isascii() and value.isdigit() and int(value) >= 1:
            return int(value)
        self._problems.append(f'{name} is "{value}" but must be a whole number of at least 1')
        return default

    def words(self, name: str) -> tuple[str, ...]:
        """A comma-separated list; empty if the variable is not set."""
        return tuple(part.strip() for part in self.text(name).split(",") if part.strip())

    def path(self, name: str) -> Path | None:
        """A path; None if the variable is not set."""
        value = self.text(name)
        return Path(value) if value else None

    def kinds(self, name: str) -> tuple[WorkloadKind, ...]:
        """Guarded kinds by name; all kinds if the variable is not set."""
        wanted = self.words(name)
        kinds = all_kinds()
        known = {kind.name for kind in kinds}
        self._problems += [f'{name}: there is no kind "{kind}"' for kind in wanted if kind not in known]
        return tuple(kind for kind in kinds if kind.name in wanted) if wanted else kinds

    def address(self, name: str, default: str) -> Address:
        """`HOST:PORT`, as in `0.0.0.0:9443` or `[::]:9443`."""
        value = self.text(name, default)
        host, _, port = value.rpartition(":")
        if host and port.isascii() and port.isdigit() and int(port) <= 65535:
            return Address(host=host.removeprefix("[").removesuffix("]"), port=int(port))
        self._problems.append(f'{name} is "{value}" but must be HOST:PORT')
        return Address(host="", port=0)
