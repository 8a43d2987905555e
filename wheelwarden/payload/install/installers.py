"""The installers that there are, and what each has to be able to do: another one is a module and a line here."""

from __future__ import annotations

from typing import Mapping, Protocol, Sequence

from wheelwarden.payload.install.changes import Changes
from wheelwarden.payload.install.errors import InstallError
from wheelwarden.payload.install.pip import Pip
from wheelwarden.payload.install.uv import Uv
from wheelwarden.payload.install.workplace import Workplace


class Installer(Protocol):
    """One installer, for all attempts of one installation. All of its methods raise InstallError."""

    def __init__(self, workplace: Workplace) -> None: ...

    def version(self) -> str:
        """Name and version, as the result tells them; asked first in each attempt."""

    def changes(self, packages: Sequence[str], deadline: float) -> Changes | None:
        """What it would do to the image's own environment; None where it cannot tell, so that everything is installed."""

    def install(
        self, requirements: Sequence[str], options: Sequence[str], ahead: str, changes: Changes | None, deadline: float
    ) -> None:
        """Installs.

        Args:
            requirements: at least one.
            options: that all installers know: `--target FOLDER`, and `--no-deps` where the requirements are those of `changes`.
            ahead: a folder for bytecode that is made meanwhile, by metadata folder.
            changes: what it said; None where it could not tell.
            deadline: of `time.monotonic`.
        """


INSTALLERS: Mapping[str, type[Installer]] = {
    "pip": Pip,
    "uv": Uv,
}


def make_installer(workplace: Workplace) -> Installer:
    """The installer that is asked for. Raises InstallError."""
    name = workplace.request.installer
    if name not in INSTALLERS:
        text = f"The request asks for the installer {name}, and this release has {' and '.join(INSTALLERS)}."
        raise InstallError("unknown", text)
    return INSTALLERS[name](workplace)
