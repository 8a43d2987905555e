"""Another owner's installer in a pod: the Kaspr operator (0.14 and later) adds its own `install-packages` container.

The location of its packages is read from the pod, so it does not depend on the operator's version: it is the volume that
the installer can write and that the main container mounts at the same path. Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from wheelwarden.api import names

PYTHON_PATH: Final = "PYTHONPATH"
# The operator's hash of its packages. It checks for a marker file with this hash, and for the variable on the container.
HASH_VARIABLE: Final = "PACKAGES_HASH"
# Read by the operator's install script only; our installer has the same data in its request (kaspr-operator 0.18.51).
SCRIPT_VARIABLES: Final = frozenset({"INDEX_URL", "EXTRA_INDEX_URLS", "TRUSTED_HOSTS", "GCS_BUCKET", "GCS_OBJECT_KEY"})
SCRIPT_VOLUMES: Final = frozenset({"gcs-sa-key"})


@dataclass(frozen=True, kw_only=True, slots=True)
class ForeignInstaller:
    """Another owner's installer in a pod.

    Attributes:
        position: its index among the init containers.
        mount: its mount of the package volume (core/v1 VolumeMount).
        main_position: index of the mount of the same volume among the main container's mounts.
        packages_hash: the owner's hash of this set of packages; empty if it has none.
        container: the whole container (core/v1 Container).
    """

    position: int
    mount: Mapping[str, Any]
    main_position: int
    packages_hash: str
    container: Mapping[str, Any]

    @property
    def path(self) -> str:
        """Where the main container finds the packages."""
        return str(self.mount["mountPath"])

    @property
    def variables(self) -> list[Mapping[str, Any]]:
        """Its environment variables for installing: proxies, pip configuration, keys for git."""
        return [
            variable
            for variable in self.container.get("env") or []
            if variable.get("name") != PYTHON_PATH and variable.get("name") not in SCRIPT_VARIABLES
        ]

    @property
    def mounts(self) -> list[Mapping[str, Any]]:
        """Its mounts besides the package volume: deploy keys, certificates, pip configuration."""
        return [
            mount
            for mount in self.container.get("volumeMounts") or []
            if mount != self.mount and mount.get("name") not in SCRIPT_VOLUMES
        ]


def has_own_size(spec: Mapping[str, Any], volume: Any) -> bool:
    """Whether the pod's volume of that name has a size of its own. An emptyDir and a hostPath share the node's disk."""
    found = [one for one in spec.get("volumes") or [] if one.get("name") == volume]
    return not any("emptyDir" in one or "hostPath" in one for one in found)


def find_installer(main: Mapping[str, Any], init_containers: Sequence[Mapping[str, Any]]) -> ForeignInstaller | None:
    """Return another owner's installer, None if there is none or if the location of its packages is ambiguous.

    Args:
        main: the container that uses the packages.
        init_containers: the init containers of a pod without our installer.
    """
    for position, installer in enumerate(init_containers):
        if installer.get("name") != names.INSTALL_CONTAINER:
            continue
        shared = [
            (mount, index)
            for mount in installer.get("volumeMounts") or []
            if not mount.get("readOnly")
            for index, other in enumerate(main.get("volumeMounts") or [])
            if (other.get("name"), other.get("mountPath")) == (mount.get("name"), mount.get("mountPath"))
        ]
        if len(shared) > 1:
            path = next((one.get("value") for one in main.get("env") or [] if one.get("name") == PYTHON_PATH), None)
            named = str(path or "").split(":")
            shared = [entry for entry in shared if entry[0].get("mountPath") in named]
        if len(shared) == 1:
            mount, index = shared[0]
            return ForeignInstaller(
                position=position,
                mount=mount,
                main_position=index,
                packages_hash=owners_hash([installer]),
                container=installer,
            )
    return None


def owners_hash(containers: Sequence[Mapping[str, Any]]) -> str:
    """The owner's hash of its set of packages, from the first container that has one; empty if none has."""
    for container in containers:
        for variable in container.get("env") or []:
            if variable.get("name") == HASH_VARIABLE and variable.get("value"):
                return str(variable["value"])
    return ""
