"""The controller's settings: environment variables, as the chart sets them, parsed once."""

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from wheelwarden.api.kinds import WorkloadKind
from wheelwarden.logs import FORMATS, LEVELS
from wheelwarden.settings import Address, Reader


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Everything that the controller is told from outside. `namespaces` empty: all of them."""

    health_listen: Address
    namespace: str
    identity: str
    lease: str
    kinds: tuple[WorkloadKind, ...]
    namespaces: tuple[str, ...]
    workers: int
    resync_seconds: int
    probe_concurrency: int
    probes_per_node: int
    probes_per_namespace: int
    policy_file: Path | None
    kubeconfig: Path | None
    log_level: str
    log_format: str


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Reads the WHEELWARDEN_* variables. Raises UnusableInput, naming each that is missing or not understood."""
    reader = Reader(environment)
    settings = Settings(
        health_listen=reader.address("WHEELWARDEN_HEALTH_LISTEN", "0.0.0.0:8081"),
        namespace=reader.needed("WHEELWARDEN_NAMESPACE"),
        identity=reader.text("WHEELWARDEN_POD_NAME", socket.gethostname()),
        lease=reader.needed("WHEELWARDEN_LEASE"),
        kinds=reader.kinds("WHEELWARDEN_KINDS"),
        namespaces=reader.words("WHEELWARDEN_WATCH_NAMESPACES"),
        workers=reader.number("WHEELWARDEN_WORKERS", 16),
        resync_seconds=reader.number("WHEELWARDEN_RESYNC_SECONDS", 600),
        probe_concurrency=reader.number("WHEELWARDEN_PROBE_CONCURRENCY", 8),
        probes_per_node=reader.number("WHEELWARDEN_PROBES_PER_NODE", 2),
        probes_per_namespace=reader.number("WHEELWARDEN_PROBES_PER_NAMESPACE", 4),
        policy_file=reader.path("WHEELWARDEN_POLICY_FILE"),
        kubeconfig=reader.path("WHEELWARDEN_KUBECONFIG"),
        log_level=reader.choice("WHEELWARDEN_LOG_LEVEL", LEVELS, "info"),
        log_format=reader.choice("WHEELWARDEN_LOG_FORMAT", FORMATS, "text"),
    )
    reader.check()
    return settings
