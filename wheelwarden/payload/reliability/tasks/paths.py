"""Lists every location of a module on sys.path, if possible without importing it.

If there is none, or the package that wins does not contain the module, the import decides: packages may create modules at run
time and extend their own search path.
"""

import os
import sys
from importlib.machinery import BuiltinImporter, FrozenImporter, PathFinder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator

    from wheelwarden.payload.reliability.tasks.prelude import error_text, report, task


module = task["modules"][0].partition(":")[0]
parts = module.split(".")
names = [".".join(parts[:length]) for length in range(1, len(parts) + 1)]


def find(finder: "Any", name: str, path: "Any") -> "Any":
    """The spec that a finder returns; None if it finds nothing or fails."""
    try:
        return finder.find_spec(name, path)
    except BaseException:
        return None


def candidates(name: str, path: "list[str] | None") -> "Iterator[tuple[str, Any]]":
    """Yields (entry, spec or None) of each finder, and of each sys.path entry. Editable installs may add finders."""
    for finder in list(sys.meta_path):
        if finder is PathFinder:
            for entry in sys.path if path is None else path:
                yield str(entry), find(finder, name, [entry])
        elif finder not in (BuiltinImporter, FrozenImporter):
            yield getattr(finder, "__name__", None) or type(finder).__name__, find(finder, name, path)


def descend(spec: "Any") -> "Any":
    """The spec of the module, starting from that of its top-level package; None if the package does not contain it."""
    for name in names[1:]:
        if spec is None or spec.submodule_search_locations is None:
            return None
        spec = next(
            (one for _, one in candidates(name, list(spec.submodule_search_locations)) if one is not None), None
        )
    return spec


def is_namespace(spec: "Any") -> bool:
    """Whether the spec is of a namespace package, which has no file."""
    return spec.origin in (None, "namespace") and spec.submodule_search_locations is not None


def place(entry: str, spec: "Any") -> "dict[str, Any]":
    """The location as the answer lists it. `file` of a namespace package is its first folder."""
    inner = list(spec.submodule_search_locations or []) if is_namespace(spec) else []
    return {"entry": entry, "file": str(inner[0]) if inner else spec.origin, "namespace": is_namespace(spec)}


tops = [(entry, spec) for entry, spec in candidates(names[0], None) if spec is not None]
tops.sort(key=lambda top: is_namespace(top[1]))  # a regular package wins over a namespace package at any position
below = [(entry, descend(spec)) for entry, spec in tops]
places = [place(entry, spec) for entry, spec in below if spec is not None]
builtin = names[0] in sys.builtin_module_names or find(FrozenImporter, names[0], None) is not None
if module in sys.builtin_module_names:
    places.insert(0, {"entry": "built-in", "file": None, "namespace": False})
package = place(*tops[0]) if tops else None
missing, error = False, None
if not places or (package and not package["namespace"] and below[0][1] is None):
    try:
        __import__(module)
    except BaseException as raised:
        error = error_text(raised)
        missing = isinstance(raised, ModuleNotFoundError) and raised.name in names
    if module in sys.modules:
        file = getattr(sys.modules[module], "__file__", None)
        places.insert(0, {"entry": "its own package", "file": file, "namespace": False})
seen = places[0] if places and not missing else package
folder = (seen["file"] if seen["namespace"] else os.path.dirname(seen["file"])) if seen and seen["file"] else ""
try:
    listed = sorted(os.listdir(folder), key=lambda name: (parts[-1] not in name, name)) if folder else []
except OSError:
    listed = []
files = []
for name in listed[: task["listed"]]:
    try:  # noqa: SIM105 - does not load contextlib
        files.append({"name": name, "modified": os.stat(os.path.join(folder, name)).st_mtime})
    except OSError:  # noqa: PERF203 - any file may have been removed
        pass
report(
    {
        "sysPath": sys.path,
        "places": places[: task["listed"]],
        "builtin": builtin,
        "package": package,
        "missing": missing,
        "importError": error,
        "folder": folder,
        "files": files,
        "more": max(0, len(listed) - len(files)),
    }
)
