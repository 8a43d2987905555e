"""What the interpreters of the reliability profile run, as text: a prelude and one of the tasks, each of which ends by `tell`.

Part of the payload `reliability.py`: `wheelwarden.payload.read` puts it there.
"""

# What each interpreter has before its task: the search path as asked for, a way to import with or without an attribute, and
# a descriptor to report on, since modules may print what they like. A report must fit into a pipe: 64 KiB.
PRELUDE = r"""
import sys
sys.path[:] = [p for p in sys.path if p not in ("", "/")]
import json, os
write, dumps, leave = os.write, json.dumps, os._exit  # as they are, whatever the modules do to them
task = json.loads(sys.argv[1])
sys.path[:0] = task["path"]
def bring(name, call=False):
    module, _, attribute = name.partition(":")
    __import__(module)
    found = sys.modules[module]
    for part in filter(None, attribute.split(".")):
        found = getattr(found, part)
    if call and attribute:
        found()
    return found
def text(error):
    import traceback
    return traceback.format_exception_only(type(error), error)[-1].strip()[:1000]
def told(error):
    import traceback
    traceback.print_exc()
    return text(error)
def advice(error, name):
    # which advice fits better than the general one
    module = name.partition(":")[0]
    if isinstance(error, ModuleNotFoundError) and error.name:
        return None if (module + ".").startswith(error.name + ".") else "dependency"
    return "attribute" if isinstance(error, AttributeError) and ":" in name and module in sys.modules else None
def forget(name):
    # compiled modules cannot be loaded twice: with one of them, all stay
    top = name.partition(":")[0].split(".")[0]
    mine = [key for key in sys.modules if key == top or key.startswith(top + ".")]
    if any((getattr(sys.modules[key], "__file__", None) or ".so").endswith((".so", ".pyd")) for key in mine):
        return False
    for key in mine:
        del sys.modules[key]
    return True
def tell(report):
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BaseException:
            pass
    write(int(sys.argv[2]), dumps(report).encode())
    leave(1 if report.get("error") or report.get("errors") else 0)
"""

TASKS = {
    "import": r"""
import time, resource
start = time.perf_counter()
error = hint = None
try:
    bring(task["modules"][0], task["call"])
except BaseException as raised:
    error, hint = told(raised), advice(raised, task["modules"][0])
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
tell({"error": error, "advice": hint, "seconds": seconds, "peakBytes": peak})
""",
    "order": r"""
error, found, classes = None, [], False
try:
    for name in task["modules"]:
        found.append(bring(name, task["call"]))
    classes = all(isinstance(one, type) for one in found)
except BaseException as raised:
    error = told(raised)
tell({"error": error, "same": error is None and found[0] is found[1], "classes": classes})
""",
    "cycles": r"""
import builtins
from importlib.util import resolve_name
asked, cycles, real = [], [], builtins.__import__
def traced(name, globals=None, locals=None, fromlist=(), level=0):
    package = (globals or {}).get("__package__") or ""
    try:
        wanted = resolve_name("." * level + name, package) if level else name
    except (ImportError, ValueError):
        wanted = name
    names = [wanted] + [wanted + "." + part for part in fromlist or () if wanted + "." + part in asked]
    for one in names:
        if one in asked and getattr(getattr(sys.modules.get(one), "__spec__", None), "_initializing", False):
            cycle = asked[asked.index(one):] + [one]
            if len(cycle) > 2 and cycle not in cycles:
                cycles.append(cycle)
    new = wanted not in sys.modules
    if new:
        asked.append(wanted)
    try:
        return real(name, globals, locals, fromlist, level)
    finally:
        if new:
            asked.remove(wanted)
builtins.__import__ = traced
try:
    bring(task["modules"][0])
    error = None
except BaseException as raised:
    error = text(raised)
builtins.__import__ = real
shown = [" → ".join(cycle)[:1000] for cycle in cycles]
tell({"error": error, "cycles": shown[:task["shown"]], "last": shown[-1] if shown else None})
""",
    "threads": r"""
import threading
errors, ready = [], threading.Barrier(task["workers"])
def work(worker):
    ready.wait()
    try:
        bring(task["modules"][0])
    except BaseException as raised:
        errors.append({"worker": worker, "error": told(raised)})
threads = [threading.Thread(target=work, args=(number + 1,), daemon=True) for number in range(task["workers"])]
for thread in threads: thread.start()
for thread in threads: thread.join()
tell({"failed": len(errors), "errors": errors[:task["shown"]]})
""",
    "load": r"""
import threading
def busy():
    while True:  # until the import has ended, and with it this interpreter
        for _ in range(task["turns"]):
            pass
threads = [threading.Thread(target=busy, daemon=True) for _ in range(task["threads"])]
for thread in threads: thread.start()
try:
    bring(task["modules"][0])
    error = None
except BaseException as raised:
    error = told(raised)
tell({"error": error})
""",
    "stress": r"""
from time import monotonic, sleep
done, failed, errors, again = 0, 0, [], True
for number in range(task["each"]):
    try:
        bring(task["modules"][0])
        done += 1
    except BaseException as raised:
        failed += 1
        if len(errors) < task["shown"]:
            errors.append({"iteration": number + 1, "at": monotonic(), "error": told(raised)})
    again = forget(task["modules"][0]) and again
    sleep(0.001)
tell({"done": done, "failed": failed, "errors": errors, "loadedAgain": again})
""",
    "memory": r"""
import gc
def used():
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
name, error, growth, again = task["modules"][0], None, None, False
try:
    for number in range(task["warm"] + task["repeats"]):
        if number == task["warm"]:
            before = used()
        bring(name)
        again = forget(name)
    growth = used() - before
except BaseException as raised:
    error = text(raised)
tell({"error": error, "growthBytes": growth, "loadedAgain": again})
""",
    # Every place of the module, without an import as far as that goes. Where that finds none, or a package further up wins
    # that lacks it, the import decides: packages make modules by themselves, and lengthen their own search path.
    "paths": r"""
from importlib.machinery import BuiltinImporter, FrozenImporter, PathFinder
module = task["modules"][0].partition(":")[0]
parts = module.split(".")
names = [".".join(parts[:length]) for length in range(1, len(parts) + 1)]
def find(finder, name, path):
    try:
        return finder.find_spec(name, path)
    except BaseException:
        return None
def looks(name, path):
    # each finder in its turn (an editable install may bring its own), the search path entry by entry
    for finder in list(sys.meta_path):
        if finder is PathFinder:
            for entry in sys.path if path is None else path:
                yield str(entry), find(finder, name, [entry])
        elif finder not in (BuiltinImporter, FrozenImporter):
            yield getattr(finder, "__name__", None) or type(finder).__name__, find(finder, name, path)
def descend(spec):
    for name in names[1:]:
        if spec is None or spec.submodule_search_locations is None:
            return None
        spec = next((one for _, one in looks(name, list(spec.submodule_search_locations)) if one is not None), None)
    return spec
def is_namespace(spec):
    return spec.origin in (None, "namespace") and spec.submodule_search_locations is not None
def place(entry, spec):
    # of a namespace package the first folder
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
for name in listed[:task["listed"]]:
    try:
        files.append({"name": name, "modified": os.stat(os.path.join(folder, name)).st_mtime})
    except OSError:
        pass
tell({"sysPath": sys.path, "places": places[:task["listed"]], "builtin": builtin, "package": package, "missing": missing,
      "importError": error, "folder": folder, "files": files, "more": max(0, len(listed) - len(files))})
""",
}
