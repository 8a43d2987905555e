"""The available installers and their interface. To add one, write a module and add a line here."""

from __future__ import annotations

from typing import Mapping, Protocol, Sequence

from wheelwarden.payload.install.changes import Changes
from wheelwarden.payload.install.errors import InstallError
from wheelwarden.payload.install.pip import Pip
from wheelwarden.payload.install.uv import Uv
from wheelwarden.payload.install.workplace import Workplace


class Installer(Protocol):
    """An installer, used for all attempts of one installation. All methods raise InstallError."""

    def __init__(self, workplace: Workplace) -> None: ...

    def version(self) -> str:
        """Name and version, for the result. Called first in each attempt."""

    def changes(self, packages: Sequence[str], deadline: float) -> Changes | None:
        """The changes it would make to the image's environment; None if unknown, so that everything is installed."""

    def install(
        self, requirements: Sequence[str], options: Sequence[str], ahead: str, changes: Changes | None, deadline: float
    ) -> None:
        """Installs the requirements.

        Args:
            requirements: at least one.
            options: `--target FOLDER`, and `--no-deps` if the requirements are those of `changes`.
            ahead: a folder for bytecode that is compiled meanwhile, with one folder for each metadata folder.
            changes: the result of `changes`.
            deadline: in seconds of `time.monotonic`.
        """


INSTALLERS: Mapping[str, type[Installer]] = {
    "pip": Pip,
    "uv": Uv,
}


def make_installer(workplace: Workplace) -> Installer:
    """Creates the requested installer. Raises InstallError."""
    name = workplace.request.installer
    if name not in INSTALLERS:
        text = f"The request names the installer {name}, but this release only has {' and '.join(INSTALLERS)}."
        raise InstallError("unknown", text)
    return INSTALLERS[name](workplace)
