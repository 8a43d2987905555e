"""The webhook's settings, read once from the environment; the contract with the chart."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from webhook.installer import Tools
from wheelwarden.errors import UnusableInput
from wheelwarden.logs import FORMATS, LEVELS
from wheelwarden.targets import KINDS, Kind

PULL_POLICIES: Final = ("Always", "IfNotPresent", "Never")
_BOOLEANS: Final = {"true": True, "false": False}


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    """Where to listen; port 0 lets the system choose."""

    host: str
    port: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Everything that the environment says; `policy_file` and `kubeconfig` may be left out."""

    log_level: str
    log_format: str
    namespace: str
    kinds: tuple[Kind, ...]
    policy_file: Path | None
    kubeconfig: Path | None
    listen: Address
    health_listen: Address
    service: str
    certificate_secret: str
    registration: str
    tools: Tools


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Reads the settings.

    Raises:
        UnusableInput: something is missing or not understood; all of it is named.
    """
    reader = _Reader(environment)
    enabled = reader.choice("WHEELWARDEN_TOOLS_ENABLED", _BOOLEANS, "true") == "true"
    settings = Settings(
        log_level=reader.choice("WHEELWARDEN_LOG_LEVEL", LEVELS, "info"),
        log_format=reader.choice("WHEELWARDEN_LOG_FORMAT", FORMATS, "text"),
        namespace=reader.needed("WHEELWARDEN_NAMESPACE"),
        kinds=reader.kinds("WHEELWARDEN_KINDS"),
        policy_file=reader.path("WHEELWARDEN_POLICY_FILE"),
        kubeconfig=reader.path("WHEELWARDEN_KUBECONFIG"),
        listen=reader.address("WHEELWARDEN_LISTEN", "0.0.0.0:9443"),
        health_listen=reader.address("WHEELWARDEN_HEALTH_LISTEN", "0.0.0.0:8080"),
        service=reader.needed("WHEELWARDEN_SERVICE"),
        certificate_secret=reader.needed("WHEELWARDEN_CERTIFICATE_SECRET"),
        registration=reader.needed("WHEELWARDEN_WEBHOOK_CONFIGURATION"),
        tools=Tools(
            enabled=enabled,
            image=reader.needed("WHEELWARDEN_TOOLS_IMAGE") if enabled else "",
            pull_policy=reader.choice("WHEELWARDEN_TOOLS_PULL_POLICY", PULL_POLICIES, "IfNotPresent"),
        ),
    )
    if reader.problems:
        raise UnusableInput("settings in the environment: " + "; ".join(reader.problems))
    return settings


class _Reader:
    """Reads values, and keeps what is wrong with them in `problems`."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.problems: list[str] = []

    def needed(self, name: str) -> str:
        value = self._text(name)
        if not value:
            self.problems.append(f"{name} is needed")
        return value

    def choice(self, name: str, allowed: Mapping[str, object] | tuple[str, ...], default: str) -> str:
        value = self._text(name) or default
        if value in allowed:
            return value
        self.problems.append(f'{name} is "{value}", it must be one of {", ".join(allowed)}')
        return default

    def path(self, name: str) -> Path | None:
        value = self._text(name)
        return Path(value) if value else None

    def kinds(self, name: str) -> tuple[Kind, ...]:
        wanted = [part.strip() for part in self._text(name).split(",") if part.strip()]
        known = {kind.name: kind for kind in KINDS}
        self.problems += [f'{name}: there is no kind "{kind}"' for kind in wanted if kind not in known]
        return tuple(kind for kind in KINDS if kind.name in wanted) if wanted else KINDS

    def address(self, name: str, default: str) -> Address:
        value = self._text(name) or default
        host, _, port = value.rpartition(":")
        if host and port.isascii() and port.isdigit() and int(port) <= 65535:
            return Address(host=host.removeprefix("[").removesuffix("]"), port=int(port))
        self.problems.append(f'{name} is "{value}", it must be HOST:PORT')
        return Address(host="", port=0)

    def _text(self, name: str) -> str:
        return self._environment.get(name, "").strip()
