"""Who installs the packages of an object. Who that is, `controller.install_owner` decides."""

from enum import Enum


class InstallOwner(Enum):
    """Who installs: Wheelwarden, another owner (also where it was taken over), or nobody can tell yet."""

    OURS = "ours"
    FOREIGN = "foreign"
    UNKNOWN = "unknown"
