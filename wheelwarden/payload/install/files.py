"""Files and folders on a volume that pods with different uids share."""

from __future__ import annotations

import contextlib
import os

from wheelwarden.payload.install.errors import InstallError, kind_of


def write_atomically(path: str, text: str) -> None:
    """Writes a file. Readers see the old or the new content, never a part."""
    temporary = f"{path}.{os.getpid()}"
    with open(temporary, "w") as file:
        file.write(text)
    os.replace(temporary, path)


def replace_link(target: str, path: str) -> None:
    """Creates or replaces a symbolic link."""
    temporary = f"{path}.{os.getpid()}"
    os.symlink(target, temporary)
    os.replace(temporary, path)


def make_shared_folder(path: str, mode: int) -> None:
    """Creates a folder that pods with other uids can use. Raises InstallError."""
    try:
        os.mkdir(path)
        os.chmod(path, mode)
    except FileExistsError:
        pass
    except OSError as error:
        raise unwritable(error) from error


def unwritable(error: OSError) -> InstallError:
    """The error to raise if the store is not writable."""
    return InstallError(kind_of(error), f"Cannot write to the package volume: {error}.")


def link_or_copy(source: str, target: str) -> bool:
    """Links a file, or copies it if links are not possible. Returns whether that succeeded."""
    import shutil

    os.makedirs(os.path.dirname(target), exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        try:
            shutil.copyfile(source, target)
        except OSError:
            remove_file(target)  # no partial file
            return False
    return True


def sync_folder(path: str) -> None:
    """Syncs a folder. A quota may count removed files until the next commit of the file system (btrfs: 30 s)."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError:
        pass


def remove_file(path: str) -> None:
    """Removes a file. Ignores errors."""
    with contextlib.suppress(OSError):
        os.unlink(path)


def remove_tree(path: str) -> None:
    """Removes a folder and its content. Ignores errors."""
    import shutil

    shutil.rmtree(path, ignore_errors=True)


def read_text(path: str) -> str:
    """The content without surrounding white space; an empty string if the file cannot be read."""
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError:
        return ""
