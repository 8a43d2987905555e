"""The webhook's settings, read once from the environment; the contract with the chart."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from webhook.install_containers import Tools
from wheelwarden.api.kinds import WorkloadKind
from wheelwarden.logs import FORMATS, LEVELS
from wheelwarden.settings import Address, Reader

PULL_POLICIES: Final = ("Always", "IfNotPresent", "Never")


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Everything that the environment says; `policy_file`, `kubeconfig` and what names our pod may be left out."""

    log_level: str
    log_format: str
    namespace: str
    pod_name: str
    pod_uid: str
    kinds: tuple[WorkloadKind, ...]
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
    reader = Reader(environment)
    enabled = reader.flag("WHEELWARDEN_TOOLS_ENABLED", default=True)
    settings = Settings(
        log_level=reader.choice("WHEELWARDEN_LOG_LEVEL", LEVELS, "info"),
        log_format=reader.choice("WHEELWARDEN_LOG_FORMAT", FORMATS, "text"),
        namespace=reader.needed("WHEELWARDEN_NAMESPACE"),
        pod_name=reader.text("WHEELWARDEN_POD_NAME"),
        pod_uid=reader.text("WHEELWARDEN_POD_UID"),
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
    reader.check()
    return settings
