"""The controller's settings: environment variables, as the chart sets them, parsed once."""

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from wheelwarden.environment import Address, listen_address, number, one_of, required, words
from wheelwarden.errors import UnusableInput
from wheelwarden.logs import FORMATS, LEVELS
from wheelwarden.targets import KINDS, Kind


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Everything that the controller is told from outside. `namespaces` empty: all of them."""

    health_listen: Address
    namespace: str
    identity: str
    lease: str
    kinds: tuple[Kind, ...]
    namespaces: tuple[str, ...]
    workers: int
    resync_seconds: int
    probe_concurrency: int
    policy_file: Path | None
    kubeconfig: Path | None
    log_level: str
    log_format: str


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Reads the WHEELWARDEN_* variables. Raises UnusableInput, naming the variable and what it should be."""
    by_name = {kind.name: kind for kind in KINDS}
    wanted = words(environment, "WHEELWARDEN_KINDS") or tuple(by_name)
    for name in wanted:
        if name not in by_name:
            raise UnusableInput(f"WHEELWARDEN_KINDS names {name!r}, it should name some of {', '.join(by_name)}")
    policy_file = environment.get("WHEELWARDEN_POLICY_FILE")
    kubeconfig = environment.get("WHEELWARDEN_KUBECONFIG")
    return Settings(
        health_listen=listen_address(environment, "WHEELWARDEN_HEALTH_LISTEN", default="0.0.0.0:8081"),
        namespace=required(environment, "WHEELWARDEN_NAMESPACE"),
        identity=environment.get("WHEELWARDEN_POD_NAME") or socket.gethostname(),
        lease=required(environment, "WHEELWARDEN_LEASE"),
        kinds=tuple(by_name[name] for name in wanted),
        namespaces=words(environment, "WHEELWARDEN_WATCH_NAMESPACES"),
        workers=number(environment, "WHEELWARDEN_WORKERS", default=4),
        resync_seconds=number(environment, "WHEELWARDEN_RESYNC_SECONDS", default=600),
        probe_concurrency=number(environment, "WHEELWARDEN_PROBE_CONCURRENCY", default=4),
        policy_file=Path(policy_file) if policy_file else None,
        kubeconfig=Path(kubeconfig) if kubeconfig else None,
        log_level=one_of(environment, "WHEELWARDEN_LOG_LEVEL", LEVELS, default="info"),
        log_format=one_of(environment, "WHEELWARDEN_LOG_FORMAT", FORMATS, default="text"),
    )
