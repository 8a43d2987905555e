"""Files and folders on a volume that pods of several users share."""

from __future__ import annotations

import contextlib
import os

from wheelwarden.payload.install.errors import InstallError, kind_of


def write_atomically(path: str, text: str) -> None:
    """Readers find the old content or the new one, never a part."""
    temporary = f"{path}.{os.getpid()}"
    with open(temporary, "w") as file:
        file.write(text)
    os.replace(temporary, path)


def replace_link(target: str, path: str) -> None:
    """Makes a symbolic link, in the place of another one."""
    temporary = f"{path}.{os.getpid()}"
    os.symlink(target, temporary)
    os.replace(temporary, path)


def make_shared_folder(path: str, mode: int) -> None:
    """A folder that pods of other uids can use too. Raises InstallError."""
    try:
        os.mkdir(path)
        os.chmod(path, mode)
    except FileExistsError:
        pass
    except OSError as error:
        raise unwritable(error) from error


def unwritable(error: OSError) -> InstallError:
    """What is to be raised where the store cannot be written to."""
    return InstallError(kind_of(error), f"Cannot write to the package volume: {error}.")


def link_or_copy(source: str, target: str) -> bool:
    """Whether the file is there afterwards; linked where the volume and the file's owner let us."""
    import shutil

    os.makedirs(os.path.dirname(target), exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        try:
            shutil.copyfile(source, target)
        except OSError:
            remove_file(target)  # half of it would be worse than none
            return False
    return True


def sync_folder(path: str) -> None:
    """A quota may count what was removed until the file system's next commit (btrfs: half a minute later)."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError:
        pass


def remove_file(path: str) -> None:
    """Removes it where it is there and can be removed."""
    with contextlib.suppress(OSError):
        os.unlink(path)


def remove_tree(path: str) -> None:
    """Removes what of it is there and can be removed."""
    import shutil

    shutil.rmtree(path, ignore_errors=True)


def read_text(path: str) -> str:
    """The content without white space around it; empty where it cannot be read."""
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError:
        return ""
