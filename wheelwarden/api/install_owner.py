"""Who installs the packages of an object. `controller.install_owner` decides it."""

from enum import Enum


class InstallOwner(Enum):
    """Who installs: Wheelwarden, another owner (also after a takeover), or not known yet."""

    OURS = "ours"
    FOREIGN = "foreign"
    UNKNOWN = "unknown"
