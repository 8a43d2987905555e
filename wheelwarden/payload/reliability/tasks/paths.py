"""Every place of the module, without an import as far as that goes.

Where that finds none, or a package further up wins that lacks it, the import decides: packages make modules by themselves, and
lengthen their own search path.
"""

import os
import sys
from importlib.machinery import BuiltinImporter, FrozenImporter, PathFinder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator

    from wheelwarden.payload.reliability.tasks.prelude import task, tell, text


module = task["modules"][0].partition(":")[0]
parts = module.split(".")
names = [".".join(parts[:length]) for length in range(1, len(parts) + 1)]


def find(finder: "Any", name: str, path: "Any") -> "Any":
    """The spec that a finder has; None also where it fails."""
    try:
        return finder.find_spec(name, path)
    except BaseException:
        return None


def looks(name: str, path: "list[str] | None") -> "Iterator[tuple[str, Any]]":
    """Each finder in its turn (an editable install may bring its own), the search path entry by entry."""
    for finder in list(sys.meta_path):
        if finder is PathFinder:
            for entry in sys.path if path is None else path:
                yield str(entry), find(finder, name, [entry])
        elif finder not in (BuiltinImporter, FrozenImporter):
            yield getattr(finder, "__name__", None) or type(finder).__name__, find(finder, name, path)


def descend(spec: "Any") -> "Any":
    """The spec of the module, from that of its outermost package; None where it is not in there."""
    for name in names[1:]:
        if spec is None or spec.submodule_search_locations is None:
            return None
        spec = next((one for _, one in looks(name, list(spec.submodule_search_locations)) if one is not None), None)
    return spec


def is_namespace(spec: "Any") -> bool:
    """Whether it is a package without a file."""
    return spec.origin in (None, "namespace") and spec.submodule_search_locations is not None


def place(entry: str, spec: "Any") -> "dict[str, Any]":
    """Of a namespace package the first folder."""
    inner = list(spec.submodule_search_locations or []) if is_namespace(spec) else []
    return {"entry": entry, "file": str(inner[0]) if inner else spec.origin, "namespace": is_namespace(spec)}


tops = [(entry, spec) for entry, spec in looks(names[0], None) if spec is not None]
tops.sort(key=lambda top: is_namespace(top[1]))  # a regular package wins, wherever it stands
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
        error = text(raised)
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
    try:  # noqa: SIM105 - loads no more than it has to
        files.append({"name": name, "modified": os.stat(os.path.join(folder, name)).st_mtime})
    except OSError:  # noqa: PERF203 - each file may be gone by now
        pass
tell(
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
