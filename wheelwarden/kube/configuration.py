"""Where the API server is and who we are: by the pod's service account or a kubeconfig."""

import os
from pathlib import Path
from typing import Final

import yaml
from kubernetes_asyncio import client as kubernetes_client
from kubernetes_asyncio import config as kubernetes_config

from wheelwarden.api.errors import UnusableInput

# What the client's loader raises for a kubeconfig that it cannot read or understand.
UNUSABLE_CONFIGURATION: Final = (
    kubernetes_config.ConfigException, yaml.YAMLError, OSError, ValueError, TypeError, KeyError,
)  # fmt: skip


def default_namespace(kubeconfig: Path | None = None, context: str | None = None) -> str:
    """The namespace that kubectl would use: the context's, else `default`; also where there is no configuration."""
    if _missing_configuration(kubeconfig):
        return "default"
    try:
        contexts, active = kubernetes_config.list_kube_config_contexts(
            config_file=str(kubeconfig) if kubeconfig else None
        )
    except UNUSABLE_CONFIGURATION:
        return "default"
    found = next((one for one in contexts if one["name"] == context), None) if context else active
    return str(((found or {}).get("context") or {}).get("namespace") or "default")


def _missing_configuration(kubeconfig: Path | None) -> str:
    """Where no kubeconfig is, and what to do; empty where there is one. The client's loader would talk of other things."""
    if kubeconfig is not None:
        there = os.path.isfile(kubeconfig)  # noqa: PTH113 - never raises
        return "" if there else f"{kubeconfig}: there is no such file"
    named = os.environ.get("KUBECONFIG") or "~/.kube/config"
    if any(os.path.exists(os.path.expanduser(path)) for path in named.split(os.pathsep) if path):  # noqa: PTH110, PTH111
        return ""
    return f"{named}: there is no such file; name one by KUBECONFIG or --kubeconfig"


def _problem_of(error: Exception) -> str:
    """What is wrong with a kubeconfig, on one line."""
    if isinstance(error, OSError) and error.strerror:
        return f"it cannot be read: {error.strerror}"
    if isinstance(error, TypeError | KeyError):
        return "it holds no configuration"
    return " ".join(str(error).split())


async def load_configuration(kubeconfig: Path | None, context: str | None) -> kubernetes_client.Configuration:
    """The service account's configuration where there is one and no kubeconfig is named, else a kubeconfig's.

    Raises:
        UnusableInput: no configuration was found, or it cannot be used.
    """
    configuration = kubernetes_client.Configuration()
    in_cluster = kubeconfig is None and context is None and "KUBERNETES_SERVICE_HOST" in os.environ
    if not in_cluster and (problem := _missing_configuration(kubeconfig)):
        raise UnusableInput(f"no usable Kubernetes configuration in {problem}")
    try:
        if in_cluster:
            kubernetes_config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        else:
            await kubernetes_config.load_kube_config(
                config_file=str(kubeconfig) if kubeconfig else None,
                context=context,
                client_configuration=configuration,
            )
    except UNUSABLE_CONFIGURATION as error:
        where = "the pod's service account" if in_cluster else str(kubeconfig or "KUBECONFIG or ~/.kube/config")
        raise UnusableInput(f"no usable Kubernetes configuration in {where}: {_problem_of(error)}") from error
    return configuration
