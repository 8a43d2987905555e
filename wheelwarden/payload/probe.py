"""Tries imports in a running container: runs there by exec, with the container's own interpreter (Python 3.8 or later).

Standard library only, passed on the command line, writes nothing. Each module is imported by a fresh interpreter with the
container's environment, off the working directory, under a deadline of its own that holds even when whoever asked is
gone. The request and the answer are in docs/architecture.md.
"""

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time

from wheelwarden.payload.children import end_in_time, end_interpreter, start_interpreter

OUTPUT_LIMIT = 4000  # characters kept of a module's stdout and stderr, from the end, where the request does not say
ERROR_LIMIT = 300
CHILD_LIMIT_BYTES = 1 << 20
DRAIN_SECONDS = 1.0
CGROUP = "/sys/fs/cgroup"
POLL_SECONDS = 0.03
RESERVE_SHARE = 20  # an import is ended when less than this part of the container's memory is left: 1/20
RESERVE_BYTES = 8 << 20
UNLIMITED_BYTES = 1 << 60
INSPECTED_FILES = 500  # of one distribution: enough to tell versions apart, and no long read

# What the fresh interpreter runs around the statements that are asked for. It drops the working directory from sys.path
# before it imports anything, and reports on a descriptor of its own, since the module may print what it likes: without json,
# so that it imports no more than it has to.
CHILD = r"""
import sys
try:
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")  # if memory runs out, this goes and not the user's process
except OSError:
    pass
sys.path[:] = [p for p in sys.path if p not in ("", "/")]
import time
start = time.perf_counter()
def main(statements, descriptor):
    module = statements.partition(";")[0][len("import "):]
    report = {"ok": False, "file": None, "reason": None, "error": None}
    try:
        exec(compile(statements, "<string>", "exec"), {"__name__": "__main__"})
        report["ok"] = True
    except BaseException as error:
        import traceback
        report["seconds"] = time.perf_counter() - start
        text = traceback.format_exception_only(type(error), error)[-1].strip()
        report["error"] = text[:1000]  # a pipe holds only so much
        report["reason"] = reason(error, text, module)
        traceback.print_exception(type(error), error, error.__traceback__.tb_next)
    report.setdefault("seconds", time.perf_counter() - start)
    try:
        report["file"] = str(sys.modules[module].__file__ or "")
    except Exception:
        pass  # it is not there, or has no file
    import os
    sys.stdout.flush()
    fields = ["1" if report["ok"] else "", repr(report["seconds"])]
    fields += [report[name] or "" for name in ("file", "reason", "error")]
    os.write(descriptor, "\0".join(fields).encode("utf-8", "backslashreplace"))
    os._exit(0 if report["ok"] else 1)
def reason(error, text, module):
    if "partially initialized module" in text or "circular import" in text:
        return "CircularImport"
    if isinstance(error, AttributeError) and module in sys.modules:
        return "AttributeNotFound"
    if isinstance(error, ModuleNotFoundError):
        return "IncompatibleBinary" if other_builds(error.name) else "ModuleNotFound"
    if isinstance(error, ImportError):
        if "cannot open shared object file" in text or "Error loading shared library" in text:
            return "MissingSharedLibrary"
        if any(sign in text for sign in ("undefined symbol", "wrong ELF class", "invalid ELF header", "Error relocating",
                                         "version `GLIBC", "Module use of python", "numpy.core.multiarray failed")):
            return "IncompatibleBinary"
        if other_builds(error.name):
            return "IncompatibleBinary"
    return "ImportFailed"
def other_builds(name):
    # an extension module that is there, but only for another interpreter
    import glob, importlib.machinery, os
    if not name:
        return False
    place = name.replace(".", os.sep)
    for entry in sys.path:
        for path in glob.glob(os.path.join(glob.escape(entry), place + ".*.so")):
            if path[len(os.path.join(entry, place)):] not in importlib.machinery.EXTENSION_SUFFIXES:
                return True
    return False
main(sys.argv[1], int(sys.argv[2]))
"""


def main():
    request = json.loads(sys.argv[1])
    end = time.monotonic() + request["totalSeconds"]
    end_in_time(request, signal.SIGTERM)
    modules = request["modules"]
    derived = not modules
    if derived:
        try:
            modules = derive(request["distributions"], request["searchPath"])
        except OSError as error:
            sys.exit("the installed packages cannot be read: {}".format(error))
    if is_short_of_memory():
        limit, used = memory()
        sys.exit("the container uses %d MiB of its limit of %d MiB, so no import is tried" % (used >> 20, limit >> 20))
    Attempts(request, end).try_all(modules)
    answer = {
        "version": 1, "python": "%d.%d.%d" % sys.version_info[:3], "executable": sys.executable, "derived": derived,
        "count": len(modules), "usage": usage_of(request["searchPath"]),
        "distributions": [inspect(name, request["searchPath"]) for name in request.get("inspect", ())],
    }  # fmt: skip
    print(json.dumps(answer))


class Attempts:
    """Tries modules and prints each result as soon as it is there: what is done survives a connection that is cut."""

    def __init__(self, request, end):
        self.seconds = request["deadlineSeconds"]
        self.search_path = request["searchPath"]
        self.output_limit = request.get("outputLimit", OUTPUT_LIMIT)
        self.end = end
        self.printing = threading.Lock()

    def try_all(self, modules):
        """Two at a time where there are two processors. What two at once had no memory for is tried again alone."""
        waiting = list(enumerate(modules))
        again = []
        faults = []
        width = min(2, len(os.sched_getaffinity(0)))

        def work():
            while True:
                try:
                    index, name = waiting.pop(0)
                except IndexError:
                    return
                try:
                    result = self.try_one(name)
                    if width > 1 and result["reason"] == "OutOfMemory":
                        again.append((index, name, result))
                    else:
                        self.tell(index, result)
                except Exception as fault:
                    faults.append(fault)
                    return

        threads = [threading.Thread(target=work, daemon=True) for _ in range(width)]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                # Looked at now and then: a signal that comes just before we sleep is seen at the next look.
                thread.join(1)
        if faults:
            raise faults[0]
        for index, name, result in again:
            self.tell(index, result if is_short_of_memory() else self.try_one(name))

    def try_one(self, name):
        return try_import(name, min(self.seconds, self.end - time.monotonic()), self.output_limit)

    def tell(self, index, result):
        if self.search_path:
            mark_shadowed(result, self.search_path)
        with self.printing:
            print(json.dumps({"index": index, "result": result}), flush=True)


def statements_of(name):
    module, _, attribute = name.partition(":")
    return "import " + module + ("; " + module + "." + attribute if attribute else "")


def try_import(name, seconds, output_limit):
    """The result of one module, as docs/architecture.md has it."""
    statements = statements_of(name)
    result = {
        "module": name, "ok": False, "seconds": 0.0, "file": None, "exitCode": None, "stdout": "", "stderr": "",
        "argv": [sys.executable, "-c", statements], "reason": "ProbeTimeout",
        "error": "no time was left for this module",
    }  # fmt: skip
    if seconds <= 0:
        return result
    reader, writer = os.pipe()
    started = time.monotonic()
    child = start_interpreter([sys.executable, "-c", CHILD, statements], writer, subprocess.PIPE)
    os.close(writer)
    stdout, stderr = Drain(child.stdout, output_limit), Drain(child.stderr, output_limit)
    stopped = wait_for(child, started + seconds)
    took = time.monotonic() - started
    end_interpreter(child)
    report = None if stopped else read_report(reader)
    os.close(reader)
    result.update(stdout=stdout.text(), stderr=stderr.text(), exitCode=child.returncode)
    if report is not None and (child.returncode == 0 or not report["ok"]):
        result.update(ok=report["ok"], file=report["file"], reason=report["reason"])
        result["error"] = report["error"] and report["error"][:ERROR_LIMIT]
        result["seconds"] = report["seconds"] if 0 <= report["seconds"] <= took else took
    elif stopped == "OutOfMemory":
        result.update(seconds=took, reason="OutOfMemory")
        result["error"] = "it needs more memory than the container has left of its limit of %d MiB" % (
            memory()[0] >> 20
        )
    elif stopped:
        result["seconds"] = max(0.0, seconds - 0.001)  # just below the deadline, as the contract promises
        result["error"] = "the import did not end within %g s" % seconds
    else:
        result.update(seconds=took, reason="ImportFailed", error=ended(child.returncode))
    return result


def wait_for(child, end):
    """Why the child has failed already: its time is up, or the container's memory nearly is; None where it ended in time.

    A container that runs out of memory may be killed as a whole: proving must never do that.
    """
    while not has_ended(child, max(0.0, min(POLL_SECONDS, end - time.monotonic()))):
        if time.monotonic() >= end:
            return "ProbeTimeout"
        if is_short_of_memory():
            return "OutOfMemory"
    return "ProbeTimeout" if time.monotonic() >= end else None


def has_ended(child, seconds):
    """Whether it ends within so many seconds. Told by the kernel where it can: Popen.wait looks now and then."""
    try:
        descriptor = os.pidfd_open(child.pid)
    except (AttributeError, OSError):  # Python 3.8, or a kernel or sandbox without it
        try:
            child.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True
    try:
        return bool(select.select([descriptor], [], [], seconds)[0])
    finally:
        os.close(descriptor)


def is_short_of_memory():
    limit, used = memory()
    return limit is not None and limit - used < max(limit // RESERVE_SHARE, RESERVE_BYTES)


def memory():
    """(limit, used) of the container in bytes, without what the kernel can take back at once; (None, 0) without a limit."""
    for folder, limit, usage, prefix in (
        (CGROUP, "memory.max", "memory.current", ""),
        (CGROUP + "/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_"),
    ):
        try:
            most = read_text(folder, limit)
            if not most.isdigit() or int(most) >= UNLIMITED_BYTES:
                return None, 0
            cached = 0
            for line in read_text(folder, "memory.stat").splitlines():
                name, _, value = line.partition(" ")
                if name in (prefix + "inactive_file", prefix + "active_file"):
                    cached += int(value)
            return int(most), int(read_text(folder, usage)) - cached
        except (OSError, ValueError):
            continue
    return None, 0


def read_text(folder, name):
    with open(os.path.join(folder, name)) as file:
        return file.read().strip()


class Drain(threading.Thread):
    """Reads one output to its end and keeps the last of it, so that a chatty module neither blocks nor fills the memory."""

    def __init__(self, stream, limit):
        super().__init__(daemon=True)
        self.stream = stream
        self.limit = limit
        self.kept = b""
        self.total = 0
        self.start()

    def run(self):
        while True:
            chunk = os.read(self.stream.fileno(), 65536)
            if not chunk:
                return
            self.total += len(chunk)
            self.kept = (self.kept + chunk)[-4 * self.limit :]

    def text(self):
        """What came; a process that left our group may hold the pipe, and is not waited for."""
        self.join(DRAIN_SECONDS)
        text = self.kept.decode("utf-8", "replace")
        if len(self.kept) == self.total and len(text) <= self.limit:
            return text
        text = text[-self.limit :]
        return "[the first %d bytes are left out]\n%s" % (max(0, self.total - len(text.encode())), text)


def read_report(reader):
    """What the interpreter reported, None where it ended without a word."""
    os.set_blocking(reader, False)
    try:
        ok, seconds, file, reason, error = os.read(reader, CHILD_LIMIT_BYTES).decode().split("\0", 4)
        return {
            "ok": ok == "1", "seconds": float(seconds), "file": file or None, "reason": reason or None,
            "error": None if ok else error,
        }  # fmt: skip
    except (ValueError, BlockingIOError):
        return None


def ended(code):
    """How an interpreter ended that gave no report."""
    if code < 0:
        return "the import ended the interpreter by signal %d (%s)" % (-code, signal.Signals(-code).name)
    return "the import ended the interpreter with exit code %d" % code


def mark_shadowed(result, search_path):
    """A failed module that the search path has too, while another place was tried first, is shadowed by that place."""
    module = result["module"].partition(":")[0].split(".")[0]
    own = os.path.join(search_path, module)
    if result["reason"] != "ImportFailed" and result["reason"] != "AttributeNotFound":
        return
    used = result["file"]
    if used and not used.startswith(search_path + os.sep) and (os.path.isdir(own) or os.path.exists(own + ".py")):
        result["reason"] = "Shadowed"
        result["error"] = "%s (imported from %s, which hides the one in %s)" % (result["error"], used, search_path)


def usage_of(path):
    try:
        facts = os.statvfs(path)
    except OSError:
        return None
    total, free = facts.f_blocks * facts.f_frsize, facts.f_bfree * facts.f_frsize
    return {"totalBytes": total, "usedBytes": total - free, "availableBytes": facts.f_bavail * facts.f_frsize}


def derive(distributions, search_path):
    """The modules that the distributions bring, from their metadata: top_level.txt, else what RECORD lists.

    A search path that cannot be read is no path without modules: nothing could be proven, and that is an error.
    """
    wanted = set(normalised(name) for name in distributions)
    found = []
    for folder in folders(search_path):
        for distribution, _version, metadata in metadata_in(folder, search_path):
            if distribution in wanted:
                wanted.discard(distribution)
                for module in modules_of(metadata):
                    if module not in found:
                        found.append(module)
    return found


def folders(search_path):
    """Where packages are looked for: what the image had in a fitting version already was not installed again."""
    image = [entry for entry in sys.path if entry != search_path and os.path.isdir(entry)]
    return [search_path] + image if search_path else image


def metadata_in(folder, search_path):
    """(normal name, version, path) of each distribution in a folder."""
    try:
        listed = sorted(os.listdir(folder))
    except OSError:
        if folder == search_path:
            raise
        listed = []
    found = []
    for name in listed:
        stem, extension = os.path.splitext(name)
        distribution, _, version = stem.partition("-")
        if extension in (".dist-info", ".egg-info"):
            found.append((normalised(distribution), version.partition("-")[0], os.path.join(folder, name)))
    return found


def inspect(name, search_path):
    """Which versions of a distribution the first folder that has it claims to hold, and whether the files are theirs.

    An installer that does not clean up leaves the metadata of several versions beside the files of one.
    """
    for folder in folders(search_path):
        try:
            found = [entry for entry in metadata_in(folder, search_path) if entry[0] == normalised(name)]
        except OSError:
            found = []
        if found:
            return {"name": name, "found": [{"version": v, "intact": is_intact(path, folder)} for _, v, path in found]}
    return {"name": name, "found": []}


def is_intact(metadata, folder):
    """Whether the files are those that were installed, by their digests (RECORD); None where nothing tells."""
    import base64
    import csv
    import hashlib

    checked = 0
    for row in csv.reader(lines_of(os.path.join(metadata, "RECORD"))):
        if len(row) < 2 or not row[1].startswith("sha256=") or row[0].startswith(("..", "/")):
            continue
        if checked >= INSPECTED_FILES or row[0].split("/")[0] == os.path.basename(metadata):
            continue
        checked += 1
        try:
            with open(os.path.join(folder, row[0]), "rb") as file:
                digest = hashlib.sha256(file.read()).digest()
        except OSError:
            return False
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != row[1][len("sha256=") :]:
            return False
    return True if checked else None


def normalised(name):
    """PEP 503."""
    import re

    return re.sub(r"[-_.]+", "-", name).lower()


def modules_of(metadata):
    """The importable top-level modules of one distribution; private ones only where it has no others."""
    from keyword import iskeyword

    modules = lines_of(os.path.join(metadata, "top_level.txt")) or modules_of_record(metadata)
    usable = [name for name in modules if all(part.isidentifier() and not iskeyword(part) for part in name.split("."))]
    return [name for name in usable if not name.startswith("_")] or usable


def modules_of_record(metadata):
    import csv

    files = [row[0] for row in csv.reader(lines_of(os.path.join(metadata, "RECORD"))) if row]
    modules = []
    for path in files:
        parts = path.split("/")
        if (
            path.endswith((".py", ".so"))
            and not parts[0].endswith((".dist-info", ".data"))
            and parts[0] not in ("..", "bin")
        ):
            stem = parts[-1].split(".")[0]
            if len(parts) == 1:
                modules.append(stem)
            elif stem == "__init__" and not any(other in modules for other in prefixes(parts[:-1])):
                modules.append(".".join(parts[:-1]))
    # a package inside another one is covered by it; inside a namespace package it stands for itself
    packages = set(modules)
    return [name for name in dict.fromkeys(modules) if not any(p in packages for p in prefixes(name.split("."))[:-1])]


def prefixes(parts):
    return [".".join(parts[: index + 1]) for index in range(len(parts))]


def lines_of(path):
    try:
        with open(path, encoding="utf-8") as file:
            return [line.strip() for line in file if line.strip()]
    except (OSError, UnicodeDecodeError):
        return []


if __name__ == "__main__":
    main()
