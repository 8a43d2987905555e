"""Tries how reliably modules import: runs in a container by exec, with its own interpreter (Python 3.8 or later).

Standard library only, passed on the command line, writes nothing. Whatever is tried runs in interpreters of its own, off the
working directory, under deadlines that hold even when whoever asked is gone. The request and the answer are in
docs/architecture.md.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time

from wheelwarden.payload.children import end_in_time, end_interpreter, start_interpreter

READ_LIMIT_BYTES = 1 << 20
ERROR_LIMIT = 300
SHOWN = 10  # of failures, cycles and files
LISTED = 50  # names of a folder
BUSY_THREADS, BUSY_TURNS = 3, 1000000
DISCOVERY_TRIES, DISCOVERY_SECONDS = 10, 0.1

# What each interpreter has before its task: the search path as asked for, a way to import with or without an attribute, and
# a descriptor to report on, since modules may print what they like.
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
    return sys.modules[module]
def text(error):
    import traceback
    return traceback.format_exception_only(type(error), error)[-1].strip()
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
    sys.stdout.flush()
    write(int(sys.argv[2]), dumps(report).encode())
    leave(0)
"""

# Each task: what is run after the prelude, which ends by `tell`.
TASKS = {
    "import": r"""
import time, resource
start = time.perf_counter()
try:
    for name in task["modules"]:
        bring(name, task["call"])
    error = None
except BaseException as raised:
    error = text(raised)
seconds = time.perf_counter() - start
tell({"error": error, "seconds": seconds, "peakBytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024})
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
tell({"error": error, "cycles": cycles})
""",
    "threads": r"""
import threading
errors, ready = [], threading.Barrier(task["workers"])
def work():
    ready.wait()
    try:
        bring(task["modules"][0])
    except BaseException as raised:
        errors.append(text(raised))
threads = [threading.Thread(target=work, daemon=True) for _ in range(task["workers"])]
for thread in threads: thread.start()
for thread in threads: thread.join()
tell({"errors": errors})
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
    error = text(raised)
tell({"error": error})
""",
    "stress": r"""
import time
done, errors = 0, []
for _ in range(task["each"]):
    try:
        bring(task["modules"][0])
        done += 1
    except BaseException as raised:
        errors.append(text(raised)[:300])
    forget(task["modules"][0])
    time.sleep(0.001)
tell({"done": done, "errors": errors})
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
    "paths": r"""
import importlib.machinery, importlib.util
module = task["modules"][0].partition(":")[0]
top = module.split(".")[0]
def place(spec):
    if spec is None:
        return None
    return spec.origin if spec.origin not in (None, "namespace") else list(spec.submodule_search_locations or [None])[0]
places = []
for entry in sys.path:
    try:
        found = importlib.machinery.PathFinder.find_spec(top, [entry])
    except BaseException:
        found = None
    if found is not None:
        places.append({"entry": entry, "file": place(found)})
builtin = top in sys.builtin_module_names
folder = os.path.dirname(places[0]["file"] or "") if places else ""
try:
    names = sorted(os.listdir(folder)) if folder else []
except OSError:
    names = []
files = []
for name in names[:task["listed"]]:
    try:
        files.append({"name": name, "modified": os.stat(os.path.join(folder, name)).st_mtime})
    except OSError:
        pass
more = max(0, len(names) - len(files))
tell({"sysPath": sys.path, "places": places, "builtin": builtin, "folder": folder, "files": files, "more": more})
""",
}


def main():
    request = json.loads(sys.argv[1])
    end_in_time(request, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE)
    profile = Profile(request)
    for check in request["checks"]:
        profile.run(check)
    print(json.dumps({"version": 1, "python": "%d.%d.%d" % sys.version_info[:3], "checks": profile.checks}))


class Profile:
    """The checks of one request; `checks` holds what came of them: `{check, subject, ok, error, measured}`."""

    def __init__(self, request):
        self.request = request
        self.modules = request["modules"]
        self.end = time.monotonic() + request["totalSeconds"]
        self.checks = []  # type: list[dict[str, object]]

    def run(self, check):
        """Runs one check for each subject it has; what there is no time left for is told and not tried."""
        subjects = [[name] for name in self.modules]
        if check == "order":
            subjects = [[a, b] for a in self.modules for b in self.modules if a != b][: self.request["pairs"]]
        for subject in subjects:
            if time.monotonic() >= self.end:
                self.add(check, subject, False, "no time was left for it", {})
            else:
                getattr(self, "check_" + check)(subject)

    def add(self, check, subject, ok, error, measured):
        self.checks.append(
            {"check": check, "subject": " then ".join(subject), "ok": ok, "error": error and error[:ERROR_LIMIT],
             "measured": measured}
        )  # fmt: skip

    def start(self, task, modules, **more):
        """An interpreter that is at work on a task."""
        given = dict(more, modules=modules, path=self.request["path"], call=self.request["call"])
        reader, writer = os.pipe()
        argv = [sys.executable, "-c", PRELUDE + TASKS[task], json.dumps(given)]
        child = start_interpreter(argv, writer, subprocess.DEVNULL)
        os.close(writer)
        return Interpreter(child, reader, min(self.request["deadlineSeconds"], max(0.1, self.end - time.monotonic())))

    def ask(self, task, modules, **more):
        return self.start(task, modules, **more).answer()

    def check_fresh(self, subject):
        """A fresh interpreter, several times: that it imports, how long it takes at best, and how much memory."""
        answers = [self.ask("import", subject) for _ in range(self.request["rounds"])]
        errors = [answer["error"] for answer in answers if answer["error"]]
        measured = {}
        if len(errors) < len(answers):
            best = min(answer["seconds"] for answer in answers if not answer["error"])
            measured = {"seconds": round(best, 4), "peakBytes": max(one.get("peakBytes", 0) for one in answers)}
            within = best * 1000 <= self.request["budgetMs"]
            slow = None if within else "it takes %d ms, more than %g ms" % (best * 1000, self.request["budgetMs"])
            self.add("time", subject, within, slow, {"seconds": round(best, 4)})
        self.add("fresh", subject, not errors, errors[0] if errors else None, measured)

    def check_order(self, subject):
        """Two modules one after the other in one interpreter; a fault that each has alone is none of the order."""
        error = self.ask("import", subject)["error"]
        alone = {one["subject"] for one in self.checks if one["check"] == "fresh" and not one["ok"]}
        if error and alone.intersection(subject):
            return
        self.add("order", subject, not error, error, {})

    def check_cycles(self, subject):
        """Modules that ask for one that is still being imported; only where that makes the import fail, it is a fault."""
        answer = self.ask("cycles", subject)
        cycles = [" → ".join(cycle) for cycle in answer.get("cycles", [])]
        error = answer["error"]
        circular = bool(error) and ("partially initialized" in error or "circular import" in error or "cycle" in error)
        if circular and cycles:
            error = "%s: %s" % (cycles[-1], error)
        self.add("cycles", subject, not circular, error if circular else None, {"cycles": cycles[:SHOWN]})

    def check_threads(self, subject):
        """All threads of one interpreter at once, several times."""
        errors = []  # type: list[str]
        for _ in range(self.request["rounds"]):
            answer = self.ask("threads", subject, workers=self.request["workers"])
            errors += answer.get("errors") or ([answer["error"]] if answer.get("error") else [])
        self.add("threads", subject, not errors, errors[0] if errors else None, {"failures": len(errors)})

    def check_processes(self, subject):
        """Several interpreters at once."""
        running = [self.start("import", subject) for _ in range(self.request["processes"])]
        errors = [error for error in (one.answer()["error"] for one in running) if error]
        self.add("processes", subject, not errors, errors[0] if errors else None, {"failures": len(errors)})

    def check_load(self, subject):
        """Beside busy threads of the same interpreter."""
        error = self.ask("load", subject, threads=BUSY_THREADS, turns=BUSY_TURNS)["error"]
        self.add("load", subject, not error, error, {})

    def check_stress(self, subject):
        """Again and again in several interpreters at once: less than one in a hundred may fail."""
        running = [self.start("stress", subject, each=self.request["each"]) for _ in range(self.request["workers"])]
        done, errors = 0, []  # type: tuple[int, list[str]]
        for answer in (one.answer() for one in running):
            done += answer.get("done", 0)
            errors += answer.get("errors") or ([answer["error"]] if answer.get("error") else [])
        ok = done > 0 and len(errors) * 100 < done
        self.add(
            "stress", subject, ok, None if ok else "%d of %d imports failed: %s" % (
                len(errors), done + len(errors), errors[0] if errors else "none was tried"),
            {"done": done, "failures": len(errors), "errors": sorted(set(errors))[:SHOWN]},
        )  # fmt: skip

    def check_memory(self, subject):
        """How much more memory there is in use after many imports of the module; None where it cannot be imported twice.

        Counted after as many imports before: interpreter and allocator keep what the first ones needed, and no leak it is.
        """
        repeats = self.request["repeats"]
        answer = self.ask("memory", subject, warm=repeats, repeats=repeats)
        growth = answer.get("growthBytes")
        ok = growth is None or growth <= self.request["growthLimitBytes"]
        error = None if ok else "%d KiB more after %d imports" % (growth // 1024, repeats)
        measured = {"growthBytes": growth, "loadedAgain": answer.get("loadedAgain", False)}
        if growth is None:
            measured["cause"] = answer["error"]
        self.add("memory", subject, ok, error, measured)

    def check_paths(self, subject):
        """Where it is found, after how many looks, and what else has its name further on."""
        attempts, answer = 0, {}
        while attempts < DISCOVERY_TRIES:
            attempts += 1
            answer = self.ask("paths", subject, listed=LISTED)
            if answer.get("places") or answer.get("builtin") or answer.get("error"):
                break
            time.sleep(DISCOVERY_SECONDS)
        places = answer.get("places", [])
        error = answer.get("error")
        preferred = [one for one in places if one["entry"] == self.request["searchPath"]]
        if not error and not places and not answer.get("builtin"):
            error = "it is on no entry of sys.path"
        elif preferred and places[0]["entry"] != self.request["searchPath"]:
            error = "%s hides the one in %s" % (places[0]["file"], self.request["searchPath"])
        self.add("paths", subject, not error, error, dict(answer, attempts=attempts))


class Interpreter:
    """One that is at work."""

    def __init__(self, child, reader, seconds):
        self.child = child
        self.reader = reader
        self.seconds = seconds
        self.printed = []  # type: list[bytes]
        # Read as it comes, so that a chatty module does not block; the end of it is kept.
        self.drain = threading.Thread(target=self.read_stderr, daemon=True)
        self.drain.start()

    def read_stderr(self):
        for line in self.child.stderr:
            self.printed.append(line)
            del self.printed[:-5]

    def answer(self):
        """What it reported; where it did not, `error` says how it ended."""
        timed_out = False
        try:
            self.child.wait(self.seconds)
        except subprocess.TimeoutExpired:
            timed_out = True
        end_interpreter(self.child)
        self.drain.join(1)
        os.set_blocking(self.reader, False)
        try:
            return json.loads(os.read(self.reader, READ_LIMIT_BYTES).decode())
        except (ValueError, BlockingIOError):
            pass
        finally:
            os.close(self.reader)
        if timed_out:
            return {"error": "it did not end within %g s" % self.seconds}
        last = b"".join(self.printed[-1:]).decode("utf-8", "replace").strip()
        return {"error": "the interpreter ended with code %d %s" % (self.child.returncode, last)}


if __name__ == "__main__":
    main()
