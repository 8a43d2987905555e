"""Installs the packages of one pod: runs in the workload's own image, with its own interpreter (Python 3.8 or later).

Standard library only, one file, no import of ours: it is copied or passed inline into images we know nothing of. The
request, the result and the store's layout are in docs/architecture.md. What holds at any moment, also after a crash:

- a directory of the store is complete from the moment its name exists: it is made in staging and renamed in one step;
- it never changes afterwards, so running pods never see a change;
- the lock only saves double work: without it, or with a dead holder, two installers race and the loser uses the winner's;
- no credential reaches an argument, the output, the store or the result.
"""

import json
import os
import sys
import time

TERMINATION_LOG = "/dev/termination-log"
MESSAGE_BYTES = 4096  # the kubelet keeps no more of one container (core/v1 Container.terminationMessagePath)
SMALLEST_MESSAGE_BYTES = 1024  # for the sentence and the facts; a pod with very many containers gets no lists
SENTENCE_BYTES = 1000  # about what a condition shows
WARNING_BYTES = 400
FACT_BYTES = 253  # the longest that a pod's name can be
FACTS = ("version", "outcome", "hash", "key", "installer", "python", "attempts", "durationSeconds", "installSeconds",
         "installedAt", "installedBy", "usage")  # fmt: skip
LISTS = ("installed", "provided", "warnings")
HEARTBEAT_SECONDS = 2.0
HOLDER_DEAD_SECONDS = 20.0
POLL_SECONDS = 0.2
STALE_STAGING_SECONDS = 86400
RECENT_SECONDS = 3600  # what was claimed within the last hour is left alone, whatever else holds
SHARED_CACHE_BYTES = 2 << 30  # a store of at least this size also keeps uv's cache
ROOM_BYTES = 10 << 30  # with so much free a store is not short: some are a node's whole disk
LONGEST_PAUSE_SECONDS = 15
COMPILER_MEBIBYTES = 48  # of one compiling process at most, as measured with the largest modules of pandas and scipy
OWN_MEBIBYTES = 64  # and we with uv beside them
IMAGE_ENTRIES = 10
CAUSE_BYTES = 500
CAUSE_LINES = 5
SECRET_VARIABLES = ("PYPI_USERNAME", "PYPI_PASSWORD", "PYPI_NETRC")
RETRIED = ("network", "timeout", "unknown")

# The first six and the last are the texts of the interface (docs/guide.md); what went wrong follows them.
ADVICE = {
    "network": "Cannot reach package index. Check network connectivity and firewall rules.",
    "package_not_found": "Package not found in index. Verify package name and version.",
    "hash_mismatch": "Package integrity check failed. Package may be corrupted.",
    "authentication": "Authentication failed. Check credentials in referenced Secret.",
    "timeout": "Installation timed out. Consider increasing installPolicy.timeout.",
    "disk_full": "The package volume is full. Increase cache.size.",
    "build_failed": "A package could not be built from source. Choose a version that has a wheel, or an image with "
    "the build tools it needs.",
    "python_incompatible": "No version of a package fits the image's Python or platform. Choose another version or image.",
    "git_missing": "The image has no git, which a git+ requirement needs. Use an image that has git, or a package from an "
    "index.",
    "unknown": "See pod logs for details",
}

# What uv, pip and git say, looked for in this order: the first class that matches wins. A 403 may stand only in a hint
# under "was not found", so authentication comes before package_not_found; a file that is not there is no network fault.
SIGNS = (
    ("git_missing", ("Git executable not found", "Cannot find command 'git'", "No such file or directory: 'git'")),
    ("disk_full", ("No space left on device", "Disk quota exceeded", "os error 28", "os error 122")),
    ("hash_mismatch", ("Hash mismatch", "DO NOT MATCH THE HASHES")),
    ("authentication", ("401 Unauthorized", "403 Forbidden", "401 Client Error", "403 Client Error", "ERROR: HTTP error 401",
                        "ERROR: HTTP error 403", "valid authentication credentials", "User for ",
                        "returned error: 401", "returned error: 403", "Authentication failed for",
                        "could not read Username", "Permission denied (publickey", "Host key verification failed")),
    ("package_not_found", ("HTTP status client error (404", "HTTP error 404", "returned error: 404", "repository not found",
                           "Repository not found", "not appear to be a git repository", "couldn't find remote ref",
                           "did not match any file(s) known to git", "Remote branch")),
    ("network", ("error sending request", "dns error", "failed to lookup address", "Connection refused", "tcp connect",
                 "connection error", "NewConnectionError", "Name or service not known", "ConnectTimeout", "timed out",
                 "invalid peer certificate", "CERTIFICATE_VERIFY_FAILED", "SSLError", "Failed to fetch", "502 Bad Gateway",
                 "503 Service Unavailable", "Network is unreachable", "Could not connect", "Failed to connect to",
                 "Could not resolve host")),
    ("build_failed", ("Failed to build", "failed to build", "The build backend returned an error",
                      "Failed building wheel", "did not run successfully", "subprocess-exited-with-error",
                      "Command errored out with exit status")),
    ("python_incompatible", ("no wheels with a matching", "does not satisfy Python", "requires Python",
                             "requires a different Python", "is not a supported wheel on this platform", "Requires-Python")),
    ("package_not_found", ("was not found in the package registry", "there is no version of", "there are no versions of",
                           "conflicting dependencies", "No solution found", "No matching distribution",
                           "Could not find a version", "is not a valid requirement", "ResolutionImpossible")),
)  # fmt: skip

# How lines of uv and pip begin that say nothing about the cause.
NOISE = (
    "No solution found", "THESE PACKAGES DO NOT MATCH", "ResolutionImpossible", "subprocess-exited-with-error", "exit code:",
    "Looking in indexes", "Retrying (", "note:", "Build failures usually", "See above", "To fix this you could",
    "1. loosen", "2. remove", "Could not install requirement", "[end of output]", "INFO:",
)  # fmt: skip


class InstallError(Exception):
    """An installation that failed: `kind` is one of ADVICE's."""

    def __init__(self, kind, cause):
        super().__init__(cause)
        self.kind = kind
        self.cause = cause


def main():
    started = time.monotonic()
    request = json.loads(os.environ["WHEELWARDEN_REQUEST"])
    os.umask(0o022)
    key = "{}-{}-{}".format(request["hash"], interpreter_tag(), image_digest())
    result = {
        "version": 1, "outcome": "failed", "hash": request["hash"], "key": key, "installer": request["installer"],
        "python": "%d.%d.%d" % sys.version_info[:3], "attempts": 0, "durationSeconds": 0.0, "installSeconds": 0.0,
        "installedAt": None, "installedBy": os.environ.get("WHEELWARDEN_POD", ""), "installed": [],
        "provided": [], "warnings": [], "error": None, "usage": None,
    }  # fmt: skip
    stop_on_signal()
    # A locale that cannot print what uv says must not end us.
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    code = 0
    try:
        record = claim_record(request, key)
        if record is None:
            record = Installation(request, key, result).obtain(started)
        if record is not result:
            print("Packages already installed by {} at {}".format(record["installedBy"], record["installedAt"]))
            result = dict(record, outcome="reused", durationSeconds=round(time.monotonic() - started, 3))
        result["warnings"] = result["warnings"] + link_view(request, key)
    except InstallError as error:
        fail(result, error.kind, "{}. {}".format(ADVICE[error.kind].rstrip("."), error.cause).strip())
        print("FAILED ({}): {}".format(error.kind, result["error"]["message"]))
        code = 0 if request["onFailure"] == "allow" else 1
        if code == 0:
            print("onFailure is allow: the pod starts without these packages")
    except Stopped:
        fail(result, "unknown", "The installer was stopped by SIGTERM or SIGINT before it finished.")
        code = 143
    except Exception as error:
        import traceback

        traceback.print_exc(file=sys.stdout)
        fail(result, "unknown", "The installer itself failed: {}: {}".format(type(error).__name__, error))
        code = 0 if request["onFailure"] == "allow" else 1
    # An emptyDir has no size of its own: the figures would be those of the node's disk.
    result["usage"] = usage_of(request["store"]) if request.get("reportUsage", True) else None
    if result["outcome"] != "reused":
        result["durationSeconds"] = round(time.monotonic() - started, 3)
    if result["error"] is None:
        write_atomically(os.path.join(request["view"], ".installed-" + request["hash"]), json.dumps(result))
        if request.get("ownersMarker"):
            write_atomically(request["ownersMarker"], json.dumps(owners_marker(result)))
    report(result, request.get("messageBytes", MESSAGE_BYTES))
    sys.stdout.flush()
    return code


def fail(result, kind, message):
    result["outcome"] = "failed"
    result["error"] = {"class": kind, "message": message}


class Stopped(BaseException):
    """SIGTERM or SIGINT came."""


def stop_on_signal():
    import signal

    def stop(_number, _frame):
        raise Stopped

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)


def interpreter_tag():
    """What a compiled package depends on: interpreter, platform and C library, as in `cp311-linux_x86_64-glibc`."""
    implementation = "cp" if sys.implementation.name == "cpython" else sys.implementation.name
    try:
        libc = "glibc" if os.confstr("CS_GNU_LIBC_VERSION") else "musl"
    except (OSError, ValueError):  # musl knows the name, and refuses the question
        libc = "musl"
    machine = os.uname().machine
    return "%s%d%d-%s_%s-%s" % ((implementation,) + sys.version_info[:2] + (sys.platform, machine, libc))


def owners_marker(result):
    """The result as the Kaspr operator reads it from the marker of its own installer."""
    return {
        "packages": sorted(set(result["installed"] + result["provided"])),
        "install_time": result["installedAt"],
        "duration": "%ds" % max(1, round(result["installSeconds"])),
        "pod_name": result["installedBy"],
    }


def read_record(request, key):
    """The record of a directory that is there, else None."""
    try:
        with open(os.path.join(request["store"], key, "record.json")) as file:
            return json.load(file)
    except (OSError, ValueError):
        return None


def claim_record(request, key):
    """The record of a directory that is there, marked as in use: collectors leave alone what was used lately."""
    path = os.path.join(request["store"], key, "record.json")
    try:
        os.utime(path)
    except PermissionError:
        pass  # another uid's: its age has to do
    except OSError:
        return None
    return read_record(request, key)


def image_distributions():
    """`{normal name: version}` of what the image has, by the names of the metadata folders on sys.path."""
    found = {}
    for folder in reversed(sys.path):
        try:
            listed = os.listdir(folder)
        except OSError:
            continue  # a zip file, nothing, or not ours to read: the interpreter passes over it too
        for name in listed:
            stem, extension = os.path.splitext(name)
            distribution, _, version = stem.partition("-")
            if extension in (".dist-info", ".egg-info") and version:
                found[normalised(distribution)] = version.partition("-")[0]
    return found


def image_digest():
    """Eight hex digits of what the image has: with another image, something else may have to be installed."""
    import hashlib

    text = "\n".join("%s==%s" % entry for entry in sorted(image_distributions().items()))
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def normalised(name):
    """PEP 503."""
    import re

    return re.sub(r"[-_.]+", "-", name).lower()


def usage_of(store):
    """Size of the store's filesystem in bytes (statvfs), or None where it cannot be told."""
    try:
        facts = os.statvfs(store)
    except OSError:
        return None
    total, free = facts.f_blocks * facts.f_frsize, facts.f_bfree * facts.f_frsize
    return {"totalBytes": total, "usedBytes": total - free, "availableBytes": facts.f_bavail * facts.f_frsize}


def link_view(request, key):
    """Points the pod's view at the store's directory, and keeps the image's own PYTHONPATH reachable; returns warnings."""
    view = request["view"]
    replace_link(os.path.join(request["store"], key, "site-packages"), os.path.join(view, "site-packages"))
    entries = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if os.path.isabs(entry)]
    for index, entry in enumerate(entries[:IMAGE_ENTRIES]):
        replace_link(entry, os.path.join(view, "image-%d" % index))
    if len(entries) > IMAGE_ENTRIES:
        return ["PYTHONPATH of the image has %d entries, the first %d are kept" % (len(entries), IMAGE_ENTRIES)]
    return []


def replace_link(target, path):
    temporary = "%s.%d" % (path, os.getpid())
    os.symlink(target, temporary)
    os.replace(temporary, path)


def write_atomically(path, text):
    temporary = "%s.%d" % (path, os.getpid())
    with open(temporary, "w") as file:
        file.write(text)
    os.replace(temporary, path)


def report(result, limit):
    """Writes the termination message, of at most so many bytes."""
    try:
        with open(os.environ.get("WHEELWARDEN_TERMINATION_LOG", TERMINATION_LOG), "wb") as file:
            file.write(message_of(result, max(SMALLEST_MESSAGE_BYTES, min(limit, MESSAGE_BYTES))).encode())
    except OSError as error:
        print("cannot write the termination message: {}".format(error))


def message_of(result, limit):
    """The result in at most `limit` bytes of UTF-8: a sentence, a line of facts and, unless it failed, a line of lists.

    The facts of a failure are in words: another owner of the pod may quote the whole message to people. The kubelet may
    still cut the end (it shares 12 KiB among the containers of a pod): the lists, so that the facts survive. What is left
    out of a list is the difference to its count among the facts.
    """
    failed = result["outcome"] == "failed"
    facts_line = facts_of_failure(result) if failed else compact(facts_of_success(result))
    sentence = shortened(sentence_of(result), min(SENTENCE_BYTES, limit - size_of(facts_line) - 1))
    if failed:
        return sentence + "\n" + facts_line
    lists = {name: [clean(entry) for entry in result[name]] for name in LISTS}
    lists["warnings"] = [shortened(warning, WARNING_BYTES) for warning in lists["warnings"]]
    empty = compact({name: [] for name in lists})
    room = limit - size_of(sentence) - size_of(facts_line) - size_of(empty) - 2
    if room < 0:
        return sentence + "\n" + facts_line
    return "\n".join([sentence, facts_line, compact(share(lists, room))])


def facts_of_failure(result):
    facts = "Error class: {}. Attempts: {}. Packages hash: {}.".format(
        result["error"]["class"], result["attempts"], result["hash"]
    )
    if result["usage"] is not None:
        facts += " Volume: {totalBytes} bytes, {usedBytes} used, {availableBytes} available.".format(**result["usage"])
    return facts


def facts_of_success(result):
    facts = {name: result.get(name) for name in FACTS}
    facts = {name: shortened(value, FACT_BYTES) if isinstance(value, str) else value for name, value in facts.items()}
    facts["counts"] = {name: len(result[name]) for name in LISTS}
    return facts


def sentence_of(result):
    """What happened, and what to do where it failed."""
    if result["outcome"] == "failed":
        return result["error"]["message"]
    count = counted(len(result["installed"]), "package")
    if result["outcome"] == "reused":
        text = "Reused the {} that {} installed at {}.".format(count, result["installedBy"], result["installedAt"])
    elif result["installed"]:
        text = "Installed {} for Python {}.".format(count, result["python"])
    else:
        text = "Nothing had to be installed."
    if result["provided"]:
        text += " The image provides {}.".format(counted(len(result["provided"]), "package"))
    return text


def counted(number, noun):
    return "{} {}{}".format(number, noun, "" if number == 1 else "s")


def share(lists, room):
    """As many first entries of each list as fit into `room` bytes of JSON; what a short list leaves goes to the others."""
    shown = {name: [] for name in lists}  # type: dict[str, list[str]]
    waiting = sorted(lists, key=lambda name: sum(size_of(compact(entry)) + 1 for entry in lists[name]))
    while waiting:
        left = room // len(waiting)
        name = waiting.pop(0)
        for entry in lists[name]:
            size = size_of(compact(entry)) + 1
            if size > left:
                break
            left -= size
            room -= size
            shown[name].append(entry)
    return shown


def clean(text):
    """On one line and encodable: without control characters, line breaks and halves of surrogate pairs."""
    text = str(text).encode("utf-8", "replace").decode("utf-8")
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())


def shortened(text, limit):
    """The text cleaned, in at most `limit` bytes of UTF-8; what is longer ends after a whole word, with an ellipsis."""
    text = clean(text)
    if size_of(text) <= limit:
        return text
    cut = text.encode()[: max(0, limit - 3)].decode("utf-8", "ignore")  # the ellipsis has three bytes
    words = cut.rpartition(" ")[0]
    return (words or cut) + "\u2026"


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def size_of(text):
    return len(text.encode())


class Installation:
    """One installation into the store, or the wait for somebody else's."""

    def __init__(self, request, key, result):
        self.request = request
        self.key = key
        self.result = result
        self.folder = os.path.join(request["store"], ".wheelwarden")
        self.temporary = os.path.join(request["view"], ".tmp")
        self.secrets = []

    def obtain(self, started):
        """The record of the directory, by installing it or by waiting for the pod that does."""
        try:
            lock = self.open_lock()
        except InstallError as error:
            if error.kind != "disk_full" or not self.make_room():
                raise
            lock = self.open_lock()
        held = self.wait_for_lock(lock)
        if held == "made":
            return read_record(self.request, self.key)
        record = claim_record(self.request, self.key)  # made between our first look and the lock
        if record is not None:
            return record
        beat = self.start_heartbeat() if held == "held" else None
        try:
            return self.install(started)
        finally:
            if beat is not None:
                beat.set()
            remove_tree(self.temporary)

    def path_of_lock(self):
        return os.path.join(self.folder, "locks", self.key)

    def open_lock(self):
        # Sticky, so that nobody removes another uid's work; but a lock's heartbeat is rewritten by whoever holds it.
        make_shared_folder(self.request["store"], 0o1777)  # a folder of its own on another owner's volume
        for name, mode in (("", 0o1777), ("staging", 0o1777), ("locks", 0o777)):
            make_shared_folder(os.path.join(self.folder, name), mode)
        try:
            descriptor = os.open(self.path_of_lock(), os.O_CREAT | os.O_RDWR, 0o666)
        except OSError as error:
            if error.errno in (28, 122):
                raise InstallError("disk_full", str(error))
            raise InstallError("unknown", "Cannot write to the package volume: {}.".format(error))
        try:
            os.fchmod(descriptor, 0o666)  # another uid may be the next to lock it
        except OSError:
            pass
        return descriptor

    def wait_for_lock(self, lock):
        """`held`: we hold it; `made`: the directory appeared; `free-for-all`: no locks here, or the holder is dead."""
        import errno
        import fcntl

        beat, seen, told = None, time.monotonic(), False
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno not in (errno.EWOULDBLOCK, errno.EACCES, errno.EAGAIN):
                    return "free-for-all"
            else:
                return "held"
            if read_record(self.request, self.key) is not None:
                return "made"
            if not told:
                print("Another pod is installing these packages: waiting for it")
                sys.stdout.flush()
                told = True
            now = self.read_heartbeat()
            if now != beat:
                beat, seen = now, time.monotonic()
            elif time.monotonic() - seen > HOLDER_DEAD_SECONDS:
                print("The other installer wrote no heartbeat for {:.0f} s: taking over".format(HOLDER_DEAD_SECONDS))
                return "free-for-all"
            time.sleep(POLL_SECONDS)

    def read_heartbeat(self):
        try:
            with open(self.path_of_lock() + ".heartbeat") as file:
                return file.read()
        except OSError:
            return None

    def start_heartbeat(self):
        import threading

        stopped = threading.Event()
        path = self.path_of_lock() + ".heartbeat"

        def beat():
            count = 0
            while not stopped.is_set():
                count += 1
                try:
                    write_atomically(path, "{} {} {}".format(os.environ.get("WHEELWARDEN_POD", ""), os.getpid(), count))
                except OSError:
                    pass  # a full volume is reported by the installation itself
                stopped.wait(HEARTBEAT_SECONDS)

        threading.Thread(target=beat, daemon=True).start()
        return stopped

    def install(self, started):
        import uuid

        packages = self.request["packages"]
        print("Installing {} for Python {}: {}".format(len(packages), self.result["python"], ", ".join(packages)))
        sys.stdout.flush()
        staging = os.path.join(self.folder, "staging", uuid.uuid4().hex)
        try:
            os.makedirs(os.path.join(staging, "site-packages"))
            self.attempt_until_done(os.path.join(staging, "site-packages"))
            self.result["installed"] = installed_in(os.path.join(staging, "site-packages"))
            self.result["installedAt"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            self.result["installSeconds"] = round(time.monotonic() - started, 3)
            self.result["outcome"] = "installed"
            write_atomically(os.path.join(staging, "record.json"), json.dumps(self.result))
            os.chmod(staging, 0o755)
            try:
                os.rename(staging, os.path.join(self.request["store"], self.key))
            except OSError:
                record = read_record(self.request, self.key)
                if record is None:
                    raise
                return record  # somebody was faster; theirs is as good
        except OSError as error:
            self.result["outcome"] = "failed"
            kind = "disk_full" if error.errno in (28, 122) else "unknown"
            raise InstallError(kind, "{}.".format(error))
        finally:
            remove_tree(staging)
        self.remove_stale_staging()
        if is_short(usage_of(self.request["store"])):
            self.remove_dispensable()
        else:
            self.collect(max(RECENT_SECONDS, self.request.get("retentionSeconds", 0)))
        print("Installed {}".format(", ".join(self.result["installed"]) or "nothing: the image has it all"))
        return self.result

    def attempt_until_done(self, target):
        limit = max(1, self.request["retries"])
        environment = self.environment()
        attempt, cleared = 0, False
        while True:
            attempt += 1
            self.result["attempts"] = attempt
            try:
                self.run_once(target, environment)
                return
            except InstallError as error:
                remove_tree(target)
                os.makedirs(target)
                if error.kind == "disk_full" and not cleared and self.make_room():
                    cleared = True
                    continue
                may_pass = error.kind in RETRIED or (cleared and error.kind == "disk_full")  # room can be given late
                if not may_pass or attempt >= limit:
                    raise
                pause = min(2 ** (attempt - 1), LONGEST_PAUSE_SECONDS)
                print("Attempt {} of {} failed ({}), trying again in {} s".format(attempt, limit, error.kind, pause))
                sys.stdout.flush()
                time.sleep(pause)

    def environment(self):
        """The child's environment: the workload's, without what is ours, with indexes and credentials set.

        Indexes go by environment and credentials by a netrc file, so that neither stands on a command line.
        """
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("UV_", "WHEELWARDEN_"))
            and name not in SECRET_VARIABLES + ("PYTHONPATH", "VIRTUAL_ENV")
        }
        os.makedirs(self.temporary, mode=0o700, exist_ok=True)
        environment.update(TMPDIR=self.temporary, HOME=self.temporary, PYTHONDONTWRITEBYTECODE="1")
        for name in (
            "PIP_TARGET",
            "PIP_USER",
            "PIP_PREFIX",
            "PIP_REQUIREMENT",
            "PIP_CONSTRAINT",
            "PIP_NO_INDEX",
            "PIP_LOG",
        ):
            environment.pop(name, None)
        first, extra, trusted = self.indexes(environment)
        netrc = self.write_netrc(first)
        if netrc:
            environment["NETRC"] = netrc
        if self.request["installer"] == "uv":
            self.set_uv(environment, first, extra, trusted)
        else:
            for name, value in (("PIP_INDEX_URL", first), ("PIP_EXTRA_INDEX_URL", " ".join(extra)),
                                ("PIP_TRUSTED_HOST", " ".join(trusted))):  # fmt: skip
                if value:
                    environment[name] = value
                else:
                    environment.pop(name, None)
            environment.update(PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_NO_INPUT="1", PIP_NO_CACHE_DIR="1")
        return environment

    def indexes(self, environment):
        """(first index or None, further indexes, trusted hosts): the request's, else the image's own pip configuration."""
        own = pip_configuration(environment)
        if self.request["indexUrl"]:
            return self.request["indexUrl"], self.request["extraIndexUrls"], self.request["trustedHosts"]
        extra = self.request["extraIndexUrls"] + own["extra-index-url"]
        trusted = self.request["trustedHosts"] + own["trusted-host"]
        return (own["index-url"] or [None])[0], extra, trusted

    def set_uv(self, environment, first, extra, trusted):
        # uv asks `--index` ones before the default one: so the last index is made the default, and order holds.
        ordered = ([first] if first else []) + list(extra)
        if first:
            environment["UV_DEFAULT_INDEX"] = ordered.pop()
        if ordered:
            environment["UV_INDEX"] = " ".join(ordered)
        if trusted:
            environment["UV_INSECURE_HOST"] = " ".join(trusted)
        for name in ("PIP_CERT", "REQUESTS_CA_BUNDLE"):
            if environment.get(name) and not environment.get("SSL_CERT_FILE"):
                environment["SSL_CERT_FILE"] = environment[name]
        if self.has_room_for_caches():
            make_shared_folder(os.path.dirname(self.shared_uv_cache()), 0o1777)
            cache = self.shared_uv_cache()
        else:
            cache = os.path.join(self.temporary, "uv-cache")
            environment["UV_LINK_MODE"] = "copy"  # from another filesystem: nothing can be linked, and nobody is warned
        environment.update(UV_CACHE_DIR=cache, UV_NO_CONFIG="1", UV_INDEX_STRATEGY="first-index", UV_NO_PROGRESS="1",
                           UV_SYSTEM_CERTS="1", UV_PYTHON_DOWNLOADS="never", UV_KEYRING_PROVIDER="disabled")  # fmt: skip

    def shared_uv_cache(self):
        return os.path.join(self.folder, "uv-cache", str(os.getuid()))  # uv cannot use another uid's

    def has_room_for_caches(self):
        """Whether uv's cache and bytecode are kept in the store, for the sets to come."""
        usage = usage_of(self.request["store"])
        return usage is not None and usage["totalBytes"] >= SHARED_CACHE_BYTES

    def write_netrc(self, first):
        """A netrc of mode 0600 with the credentials, bound to the first index's host; None where there are none."""
        wanted = self.request["credentials"]
        if not wanted:
            return None
        content = os.environ.get("PYPI_NETRC")
        username, password = os.environ.get("PYPI_USERNAME"), os.environ.get("PYPI_PASSWORD")
        self.secrets = [value for value in (password, content) if value]
        if not content and not (username and password):
            raise InstallError(
                "authentication",
                "The Secret {secret} does not exist or has neither the keys {usernameKey} and {passwordKey} nor a key netrc; "
                "create it in the namespace of the pod.".format(**wanted),
            )
        if not content:
            from urllib.parse import urlsplit

            host = urlsplit(first or "")
            if host.scheme != "https" or not host.hostname:
                raise InstallError("authentication", "Credentials are only sent over https: give an https indexUrl.")
            content = "machine {}\nlogin {}\npassword {}\n".format(host.hostname, quoted(username), quoted(password))
        path = os.path.join(self.temporary, "netrc")
        descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(content)
        return path

    def run_once(self, target, environment):
        deadline = time.monotonic() + self.request["timeoutSeconds"]
        by_uv = self.request["installer"] == "uv"
        if by_uv:
            self.result["installer"] = tool_version([self.request["uv"], "--version"])
            changes = self.changes_by_uv(environment, deadline)
        else:
            changes = self.changes_by_pip(environment, deadline)
        packages, options = self.request["packages"], ["--target", target]
        if changes is not None:
            packages, options = self.choose(*changes), [*options, "--no-deps"]
        ahead = os.path.join(os.path.dirname(target), "ahead")
        try:
            if packages and by_uv:
                wanted = set(changes[0]) if changes is not None else set()
                self.install_by_uv(self.uv_argv(*options, "--", *packages), environment, deadline, wanted, ahead)
            elif packages:
                options += ["--no-warn-script-location", "--no-compile"]
                self.run(self.pip_argv(*options, "--", *packages), environment, deadline)
            self.compile(target, ahead, deadline)
        finally:
            remove_tree(ahead)

    def install_by_uv(self, argv, environment, deadline, wanted, ahead):
        """Installs; what uv unpacks of the distributions wanted is byte-compiled meanwhile, into `ahead`."""
        import threading

        ended, cache = threading.Event(), environment["UV_CACHE_DIR"]
        compilers = Compilers(unpacked_sources(cache, archives_of(cache), wanted, ahead, ended))
        try:
            self.run(argv, environment, deadline)
            ended.set()
            compilers.finish(deadline)
        finally:
            ended.set()
            compilers.end()

    def choose(self, added, replaced):
        """What is to be installed beside what the image has: exact requirements. Notes what the image provides.

        added: requirements by name. replaced: versions of the image, by name, in whose place another one is.
        """
        image = image_distributions()
        self.result["provided"] = [
            "{}=={}".format(name, image[name]) for name in sorted(self.asked()) if name not in added and name in image
        ]
        self.result["warnings"] += [
            "{} stands in the place of the image's {}=={}: what the image brought may need the other".format(
                added[name], name, version
            )
            for name, version in sorted(replaced.items())
            if name in added
        ]
        return [added[name] for name in sorted(added)]

    def asked(self):
        """`{normal name: requirement}` of what is asked for; the requirement is empty where it names no place."""
        import re

        found = {}
        for package in self.request["packages"]:
            egg = re.search(r"^[a-z]+\+[^#]*#(?:.*&)?egg=([A-Za-z0-9._-]+)", package)  # pip's form without a name
            named = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*(@?)", package)
            if egg:
                found[normalised(egg.group(1))] = package
            elif named:
                found[normalised(named.group(1))] = package if named.group(2) else ""
        return found

    def changes_by_uv(self, environment, deadline):
        """(added, replaced): uv resolves as if it installed into the image's own environment, and tells what it would do.

        What fits is kept; "- name==old" beside "+ name==new" is a version in the place of the image's.
        """
        import re

        would = self.run(
            self.uv_argv("--dry-run", "--break-system-packages", "--", *self.request["packages"]),
            environment, deadline, silent=True,
        )  # fmt: skip
        asked, added, replaced = self.asked(), {}, {}
        for line in would:
            change = re.match(r"\s*([-+~]) ([^\s=]+)(?:==(\S+)(?: \(from (\S+)\))?| @ (\S+))$", line)
            if change:
                sign, name, version, source, url = change.groups()
                url = source or url
                if sign == "-":
                    replaced[name] = version
                elif url:
                    added[name] = asked.get(name) or "{} @ {}".format(name, url)
                else:
                    added[name] = "{}=={}".format(name, version)
        return added, replaced

    def changes_by_pip(self, environment, deadline):
        """(added, replaced) by pip's own report of what it would do (pip 22.2); None where it cannot report yet."""
        version = tool_version([sys.executable, "-I", "-m", "pip", "--version"])
        if not version:
            raise InstallError(
                "python_incompatible", "The image has no pip: use the uv installer, or an image with pip."
            )
        self.result["installer"] = version
        if [int(part) for part in version.split()[1].split(".")[:2] if part.isdigit()] < [22, 2]:
            return None
        path = os.path.join(self.temporary, "report.json")
        words = ["--dry-run", "--report", path, "--", *self.request["packages"]]
        self.run(self.pip_argv(*words), environment, deadline, silent=True)
        with open(path, encoding="utf-8") as file:
            report = json.load(file)
        asked, added = self.asked(), {}
        for item in report["install"]:
            name, place = normalised(item["metadata"]["name"]), item["download_info"]
            if item.get("is_direct"):
                vcs = place.get("vcs_info")
                url = "{}+{}@{}".format(vcs["vcs"], place["url"], vcs["commit_id"]) if vcs else place["url"]
                added[name] = asked.get(name) or "{} @ {}".format(name, url)
            else:
                added[name] = "{}=={}".format(name, item["metadata"]["version"])
        image = image_distributions()
        return added, {name: image[name] for name in added if name in image}

    def compile(self, target, ahead, deadline):
        """Byte-compiles what was installed and is not `ahead`, or takes it from a set that held the very same distribution.

        Nothing in a set ever changes, so the bytecode is not checked against its source at import (PEP 552). It is kept by
        distribution where uv's cache is kept too; a file is linked, so it costs its space once.
        """
        kept = os.path.join(self.folder, "bytecode") if self.has_room_for_caches() else None
        if kept:
            make_shared_folder(kept, 0o1777)
        sources = sources_by_distribution(target)
        nobodys, waiting, fresh = sources.pop("", []), [], []
        for name, files in sorted(sources.items()):
            place = kept and os.path.join(kept, digest_of(target, name, files))
            if place and os.path.isdir(place):
                missing = [
                    path for path in files if not link_or_copy(bytecode_in(place, path), bytecode_of(target, path))
                ]
            else:
                missing = take_bytecode(os.path.join(ahead, name), target, files)
                if place:
                    fresh.append((place, files))
            waiting += missing
        for path in nobodys:
            remove_file(bytecode_of(target, path))  # it may have come with a folder, of another's source
            waiting.append(path)
        compilers = Compilers((os.path.join(target, path), bytecode_of(target, path)) for path in waiting)
        compilers.finish(deadline)
        compilers.end()
        for place, files in fresh:
            keep_bytecode(target, files, place)

    def run(self, argv, environment, deadline, silent=False):
        """Runs an installer to its end and returns its lines; raises InstallError."""
        import signal
        import subprocess

        log = PipLog() if self.request["installer"] != "uv" else None
        child = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=self.temporary,
            env=dict(environment, PIP_LOG=log.path) if log else environment, pass_fds=(log.end,) if log else (),
            start_new_session=True, encoding="utf-8", errors="replace",
        )  # fmt: skip
        lines = []  # type: list[str]
        reader = self.start_reader(child, lines, silent)
        try:
            code = wait_for(child, deadline)
        except subprocess.TimeoutExpired:
            raise InstallError("timeout", "The attempt was ended after {} s.".format(self.request["timeoutSeconds"]))
        finally:
            try:
                os.killpg(child.pid, signal.SIGKILL)  # what a build left running
            except OSError:
                pass
            child.wait()
            reader.join(5)
            failed = log.failed_pages() if log else []
        fault = self.fault_of_index(environment, failed, bool(code))
        if not code and not fault:
            return lines
        if silent:
            print("\n".join(lines))
        kind, cause = classify("\n".join(lines))
        if fault and (not code or kind in ("network", "authentication", "package_not_found", "unknown")):
            raise InstallError(*fault)
        output = [self.redacted(line) for line in log.output_of_build()] if log and kind == "build_failed" else []
        if output:
            print("\n".join(output))
            cause = shortened("{}: {}".format(cause.partition(". ")[0].rstrip("."), output[-1]), CAUSE_BYTES)
        raise InstallError(kind, cause)

    def fault_of_index(self, environment, failed, in_vain):
        """(class, cause) of an index that pip could not ask, else None: pip itself passes over it, to the next one.

        So whoever can block the first index could choose what is installed. Which index a package came from pip does not
        tell; one that cannot be asked is no fault only if it is the last of several and all was found.
        """
        indexes = " ".join([environment.get("PIP_INDEX_URL", ""), environment.get("PIP_EXTRA_INDEX_URL", "")]).split()
        last = without_user(indexes[-1]).rstrip("/") + "/" if indexes else ""
        for url, why in failed:
            if in_vain or not without_user(url).startswith(last):
                kind = "authentication" if why.startswith(("401 ", "403 ", "407 ")) else "network"
                return kind, shortened(self.redacted("{}: {}".format(url, why)), CAUSE_BYTES)
        return None

    def uv_argv(self, *words):
        return [self.request["uv"], "pip", "install", "--python", sys.executable, "--no-progress", *words]

    def pip_argv(self, *words):
        return [sys.executable, "-I", "-m", "pip", "install", *words]

    def start_reader(self, child, lines, silent):
        import threading

        def read():
            for line in child.stdout:
                shown = self.redacted(line.rstrip("\n"))
                lines.append(shown)
                del lines[:-4000]
                if not silent:
                    print(shown)
                    sys.stdout.flush()

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        return reader

    def redacted(self, line):
        import re
        from urllib.parse import quote

        for secret in self.secrets:
            for form in (secret, quote(secret), quote(secret, safe="")):
                line = line.replace(form, "***")
        return re.sub(r"://[^/\s@]+@", "://***@", line)

    def remove_stale_staging(self):
        """Removes what dead installers left, once it is a day old: nobody installs for that long."""
        folder = os.path.join(self.folder, "staging")
        for name in os.listdir(folder):
            path = os.path.join(folder, name)
            try:
                if time.time() - os.stat(path).st_mtime > STALE_STAGING_SECONDS:
                    remove_tree(path)
            except OSError:
                pass

    def make_room(self):
        """After a full volume: whether there may be room now."""
        freed = self.remove_dispensable()
        if freed:
            print("The volume was full; what no pod uses is removed, trying again")
            sys.stdout.flush()
        return freed

    def remove_dispensable(self):
        """Removes what can be had again: the caches, and sets that no pod uses. Returns whether there was any."""
        bytecode = os.path.join(self.folder, "bytecode")
        freed = os.path.isdir(bytecode)
        remove_tree(bytecode)
        freed = self.clean_uv_cache() or freed
        sync_folder(self.folder)  # to rename needs some room too
        freed = self.collect(RECENT_SECONDS) or freed
        sync_folder(self.folder)
        return freed

    def clean_uv_cache(self):
        """Has uv empty its cache, unless another installer is using it; returns whether that gave room."""
        import subprocess

        cache, uv = self.shared_uv_cache(), self.request["uv"]
        environment = {"UV_CACHE_DIR": cache, "UV_NO_CONFIG": "1", "UV_LOCK_TIMEOUT": "5", "HOME": self.temporary}
        try:
            if not uv or not os.listdir(cache):
                return False
            done = subprocess.run([uv, "cache", "clean"], env=environment, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)  # fmt: skip
        except OSError:
            return False  # no such cache
        return done.returncode == 0

    def collect(self, unused_seconds):
        """Removes sets that no live pod uses and nobody used for so long; returns whether there were any.

        Which pods live came with the request; where it did not, nothing is removed.
        """
        in_use = self.request.get("keysInUse")
        if in_use is None:
            return False
        store, removed = self.request["store"], []
        for name in os.listdir(store):
            record = os.path.join(store, name, "record.json")
            if name == self.key or name.startswith(".") or name.partition("-")[0] in in_use:
                continue
            trash = os.path.join(self.folder, "staging", "trash-" + name)
            try:
                if time.time() - os.stat(record).st_mtime < unused_seconds:
                    continue
                os.rename(os.path.join(store, name), trash)
                if time.time() - os.stat(os.path.join(trash, "record.json")).st_mtime < unused_seconds:
                    os.rename(trash, os.path.join(store, name))  # claimed just now
                    continue
            except OSError:
                continue
            remove_tree(trash)
            removed.append(name)
        if removed:
            print("Removed from the volume, since no pod uses it: {}".format(", ".join(sorted(removed))))
        return bool(removed)


class PipLog:
    """What pip says to its log and not to us: pages of an index that it could not get, and the output of builds.

    Read while it is written, and only that is kept: all of it may be large.
    """

    def __init__(self):
        import collections
        import threading

        begin, self.end = os.pipe()
        self.path = "/dev/fd/%d" % self.end
        self.lines = []  # type: list[str]
        self.last = collections.deque(maxlen=500)  # type: collections.deque[str]
        self.reader = threading.Thread(target=self.read, args=(begin,), daemon=True)
        self.reader.start()

    def read(self, begin):
        with open(begin, encoding="utf-8", errors="replace") as log:
            for line in log:
                self.last.append(line.partition(" ")[2].strip())  # without the time
                if "Could not fetch URL " in line and len(self.lines) < 1000:
                    self.lines.append(line)

    def failed_pages(self):
        """[(URL, why)] once pip has ended; without pages that an index just does not have."""
        import re

        os.close(self.end)
        self.reader.join(5)
        found = []
        for url, why in re.findall(r"Could not fetch URL (\S+): (.*) - skipping", "".join(self.lines)):
            if not why.startswith("404 Client Error"):
                inner = re.search(r"\(Caused by \w+\([\"']?(?:<[^>]*>: )?(.*?)[\"']?\)+$", why)
                found.append((url, inner.group(1) if inner else why.partition(" for url: ")[0]))
        return found

    def output_of_build(self):
        """What the last command that pip ran has printed."""
        lines = [line for line in self.last if line]
        start = max((index for index, line in enumerate(lines) if line.startswith("Running command ")), default=-1)
        rest = lines[start + 1 :]
        ends = [line.startswith(("error:", "ERROR:", "WARNING:")) or ": finished with" in line for line in rest]
        return rest[: ends.index(True) if True in ends else len(rest)]


# Byte-compiles what its standard input names: a source and the place for its bytecode, by turns. What this Python cannot
# compile is left to fail when it is imported.
COMPILER = """
import py_compile, sys
for source in iter(sys.stdin.readline, ""):
    place = sys.stdin.readline()[:-1]
    try:
        py_compile.compile(source[:-1], place, doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    except (py_compile.PyCompileError, OSError, ValueError, RecursionError):
        pass
"""


class Compilers:
    """Processes that byte-compile what `jobs` gives, (source, place for its bytecode) each, while it is still giving.

    Few files do not start as many as there may be.
    """

    def __init__(self, jobs):
        import threading

        self.workers = []  # type: list  # type: ignore[type-arg]
        self.ended = False
        self.feeder = threading.Thread(target=self.feed, args=(jobs,), daemon=True)
        self.feeder.start()

    def feed(self, jobs):
        limit = compilers_at_once()
        try:
            for number, job in enumerate(jobs):
                if self.ended:
                    break
                if len(self.workers) < limit and number >= 25 * len(self.workers):
                    self.workers.append(self.start())
                text = "".join(path + "\n" for path in job)
                worker = self.workers[number % len(self.workers)]
                worker.stdin.write(text.encode(sys.getfilesystemencoding(), "surrogateescape"))
        except OSError:
            pass  # no more processes, or they were ended: what is missing is compiled later, or at its import
        finally:
            for worker in self.workers:
                worker.stdin.close()

    def start(self):
        import subprocess

        if self.ended:
            raise BrokenPipeError
        return subprocess.Popen([sys.executable, "-I", "-c", COMPILER], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL, bufsize=0, start_new_session=True)  # fmt: skip

    def finish(self, deadline):
        """Waits until all is compiled; what is not by the deadline is left out."""
        import subprocess

        self.feeder.join(max(0.1, deadline - time.monotonic()))
        try:
            for worker in self.workers:
                wait_for(worker, deadline)
        except subprocess.TimeoutExpired:
            print("Byte-compiling was ended by the attempt's timeout: the first imports of some modules will be slower")

    def end(self):
        self.ended = True
        for worker in self.workers:
            worker.kill()
        self.feeder.join()
        for worker in self.workers:
            worker.kill()
            worker.wait()


def compilers_at_once(cgroup="/sys/fs/cgroup"):
    """One for each processor that we may use, at most eight, and no more than the container's limits carry (cgroup v2)."""
    count = min(len(os.sched_getaffinity(0)), 8)
    quota, _, period = read_text(os.path.join(cgroup, "cpu.max")).partition(" ")
    if quota.isdigit() and period.isdigit():
        count = min(count, -(-int(quota) // int(period)))
    limit = read_text(os.path.join(cgroup, "memory.max"))
    if limit.isdigit():
        count = min(count, ((int(limit) >> 20) - OWN_MEBIBYTES) // COMPILER_MEBIBYTES)
    return max(1, count)


def read_text(path):
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError:
        return ""


def archives_of(cache):
    """The folders of uv's cache that hold an unpacked wheel each; a wheel is whole from the moment that its folder is there."""
    import glob

    return set(glob.glob(os.path.join(glob.escape(cache), "archive-v*", "*")))


def unpacked_sources(cache, known, wanted, ahead, ended):
    """(source, place for its bytecode) of the wheels wanted that come to uv's cache beside the known ones, until `ended`."""
    last = False
    while not last:
        last = ended.is_set()
        found = archives_of(cache) - known
        known = known | found
        for folder in sorted(found):
            names = [name for name in os.listdir(folder) if name.endswith(".dist-info")]
            if len(names) == 1 and normalised(names[0].partition("-")[0]) in wanted:
                for path in sources_below(folder):
                    yield os.path.join(folder, path), bytecode_of(os.path.join(ahead, names[0]), path)
        ended.wait(0.02)


def take_bytecode(ahead, target, files):
    """Moves what was compiled ahead into its place, folder by folder; returns the files that have none yet."""
    taken = set()
    for folder in {os.path.dirname(path) for path in files}:
        try:
            os.rename(os.path.join(ahead, folder, "__pycache__"), os.path.join(target, folder, "__pycache__"))
            taken.add(folder)
        except OSError:
            pass  # nothing ahead, or others' bytecode is there already
    return [
        path for path in files if os.path.dirname(path) not in taken or not os.path.exists(bytecode_of(target, path))
    ]


def sources_by_distribution(target):
    """`{metadata folder: paths}` of the Python sources below target, by who brought them; "" for nobody's, or for several's."""
    import csv

    owners = {}  # type: dict[str, str]
    for name in sorted(os.listdir(target)):
        if name.endswith(".dist-info"):
            try:
                with open(os.path.join(target, name, "RECORD"), encoding="utf-8", newline="") as file:
                    for row in csv.reader(file):
                        if row:
                            owners[row[0]] = name if row[0] not in owners else ""
            except (OSError, ValueError, csv.Error):
                pass
    found = {}  # type: dict[str, list[str]]
    for path in sources_below(target):
        found.setdefault(owners.get(path, ""), []).append(path)
    return found


def sources_below(target):
    """The Python sources below target. Without tests: few import them, and they are half of some packages."""
    for folder, folders, files in os.walk(target):
        folders[:] = sorted(name for name in folders if name not in ("test", "tests", "__pycache__"))
        for name in sorted(files):
            path = os.path.relpath(os.path.join(folder, name), target)
            if name.endswith(".py") and "\n" not in path:
                yield path


def digest_of(target, name, files):
    """What the bytecode of a distribution depends on: its files, as its metadata and their sizes tell, and the interpreter."""
    import hashlib
    import importlib.util

    digest = hashlib.sha256(importlib.util.MAGIC_NUMBER + (sys.implementation.cache_tag or "").encode())
    with open(os.path.join(target, name, "RECORD"), "rb") as file:
        digest.update(file.read())
    for path in files:
        digest.update("{} {}\n".format(path, os.stat(os.path.join(target, path)).st_size).encode())
    return digest.hexdigest()


def bytecode_of(target, path):
    """Where Python looks for the bytecode of a source (PEP 3147)."""
    import importlib.util

    return importlib.util.cache_from_source(os.path.join(target, path))


def bytecode_in(place, path):
    return os.path.join(place, path + "c")


def link_or_copy(source, target):
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


def sync_folder(path):
    """A quota may count what was removed until the file system's next commit (btrfs: half a minute later)."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError:
        pass


def remove_file(path):
    try:
        os.unlink(path)
    except OSError:
        pass


def wait_for(child, deadline):
    """The exit code of a child; raises subprocess.TimeoutExpired. Told by the kernel where it can: Popen.wait polls."""
    import select

    seconds = max(0.1, deadline - time.monotonic())
    try:
        descriptor = os.pidfd_open(child.pid)
    except (AttributeError, OSError):  # Python 3.8, or a kernel or sandbox without it
        return child.wait(seconds)
    try:
        ended = select.select([descriptor], [], [], seconds)[0]
    finally:
        os.close(descriptor)
    return child.wait(None if ended else 0)


def keep_bytecode(target, files, place):
    """Keeps what was compiled for a set to come; where that fails, that set compiles for itself."""
    made = "%s.%d" % (place, os.getpid())
    try:
        for path in files:
            source = bytecode_of(target, path)
            if os.path.exists(source) and not link_or_copy(source, bytecode_in(made, path)):
                return
        os.rename(made, place)
    except OSError:
        pass  # no room, or another installer was faster
    finally:
        remove_tree(made)


def is_short(usage):
    """Whether so little of the volume is free that what can be had again is given up."""
    return usage is not None and usage["availableBytes"] < min(usage["totalBytes"] / 5, ROOM_BYTES)


def quoted(value):
    """A netrc token that uv and pip both read back as it was: in double quotes, with backslashes before special ones."""
    if "\n" in value or "\r" in value:
        raise InstallError("authentication", "The user name or password contains a line break: correct the Secret.")
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def pip_configuration(environment):
    """`index-url`, `extra-index-url` and `trusted-host` as pip would read them: variables, else configuration files."""
    import configparser

    found = {"index-url": [], "extra-index-url": [], "trusted-host": []}  # type: dict[str, list[str]]
    files = ["/etc/pip.conf", os.path.expanduser("~/.config/pip/pip.conf"), os.path.expanduser("~/.pip/pip.conf"),
             os.path.join(sys.prefix, "pip.conf"), environment.get("PIP_CONFIG_FILE", "")]  # fmt: skip
    for path in files:
        parser = configparser.RawConfigParser()
        try:
            parser.read(path)
        except (configparser.Error, UnicodeDecodeError, OSError):
            continue
        for section in ("global", "install"):
            for name in found:
                if parser.has_option(section, name):
                    found[name] = parser.get(section, name).split()
    for name in found:
        value = environment.get("PIP_" + name.upper().replace("-", "_"))
        if value:
            found[name] = value.split()
    return found


def classify(output):
    """(class, the line that says why) of a failed run's output."""
    for kind, signs in SIGNS:
        if any(sign in output for sign in signs):
            return kind, cause_of(output, signs)
    return "unknown", cause_of(output, ())


def cause_of(output, signs):
    """What tells a person what happened: from the line with the sign on, else the last lines; cleaned and shortened."""
    import re

    # Without times: the same fault gives the same message, and a condition is not written again for a tenth of a second.
    output = re.sub(r" (?:after|in) [0-9.]+ ?m?s\b", "", output)
    lines = [line.strip(" \t│╰─▶>├\u00d7╭╯╮") for line in output.splitlines()]
    lines = [line for line in lines if line]
    start = next((index for index, line in enumerate(lines) if any(sign in line for sign in signs)), len(lines))
    # uv tells a chain of causes: the first with a sign says where, the last why.
    chain = []  # type: list[str]
    for line in lines[start:]:
        if chain and not line.startswith("cause:"):
            break
        chain.append(line)
    rest = [plain(line) for line in lines[start + len(chain) :] if not is_noise(line)]
    told = [plain(line) for line in chain if not is_noise(line)]
    if len(told) > 1:
        told = [told[0] + ": " + told[-1]]
    told += rest[: CAUSE_LINES - len(told)]
    return shortened(" ".join(told or [plain(line) for line in lines[-CAUSE_LINES:]]), CAUSE_BYTES)


def is_noise(line):
    return plain(line).startswith(NOISE) or "/pip-install-" in line  # a random folder: another message at each attempt


def plain(line):
    """A line without the word in front of it that says what kind of line it is."""
    for word in ("error:", "ERROR:", "WARNING:", "cause:", "hint:", "fatal:", "[stderr]", "[stdout]"):
        if line.startswith(word):
            line = line[len(word) :].strip()
    return line


def without_user(url):
    """A URL as pip's log has it or not, without the user and the password in it."""
    import re

    return re.sub(r"://[^/@]*@", "://", url)


def installed_in(site_packages):
    """`name==version` of each distribution, by its metadata (PEP 376, recorded in `*.dist-info`)."""
    found = []
    for name in sorted(os.listdir(site_packages)):
        if name.endswith(".dist-info"):
            distribution, _, version = name[: -len(".dist-info")].partition("-")
            found.append("{}=={}".format(distribution.replace("_", "-"), version))
    return found


def tool_version(argv):
    """The first line that a tool prints of its version, or an empty string."""
    import subprocess

    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False,
                              universal_newlines=True)  # fmt: skip
    except OSError as error:
        raise InstallError("python_incompatible", "The installer does not run in this image: {}.".format(error))
    return " ".join(done.stdout.split()[:2]) if done.returncode == 0 else ""


def make_shared_folder(path, mode):
    """A folder that pods of other uids can use too."""
    try:
        os.mkdir(path)
        os.chmod(path, mode)
    except FileExistsError:
        pass
    except OSError as error:
        kind = "disk_full" if error.errno in (28, 122) else "unknown"
        raise InstallError(kind, "Cannot write to the package volume: {}.".format(error))


def remove_tree(path):
    import shutil

    shutil.rmtree(path, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
