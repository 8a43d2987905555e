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
from wheelwarden.payload.reliability_tasks import PRELUDE, TASKS

READ_LIMIT_BYTES = 1 << 20
ERROR_LIMIT = 300
STDERR_LIMIT, STDERR_LINES = 1000, 10  # characters and lines kept, from the end
SHOWN = 10  # of failures and cycles
LISTED = 50  # names of a folder
BUSY_THREADS, BUSY_TURNS = 3, 1000000
DISCOVERY_TRIES, DISCOVERY_SECONDS = 10, 0.1


def main():
    request = json.loads(sys.argv[1])
    end_in_time(request, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE)
    profile = Profile(request)
    for check in request["checks"]:
        profile.run(check)
    print(json.dumps({"version": 1, "python": "%d.%d.%d" % sys.version_info[:3], "checks": profile.checks}))


def merged(key, one, other):
    """How the figures of two rounds become one."""
    if key == "seconds":
        return min(one, other)
    if key in ("peakBytes", "growthBytes", "attempts"):
        return max(one, other)
    if key in ("done", "failures"):
        return one + other
    return (one + other)[:SHOWN] if key == "firstFailures" else other


class Profile:
    """The checks of one request; `checks` holds what came of them: `{check, subject, ok, error, measured}`."""

    def __init__(self, request):
        self.request = request
        self.modules = request["modules"]
        self.end = time.monotonic() + request["totalSeconds"]
        self.checks = []  # type: list[dict[str, object]]
        self.missing = set()  # type: set[str]
        self.broken = set()  # type: set[str]

    def run(self, check):
        """Runs one check for each subject it has; what there is no time left for is told and not tried."""
        for subject in self.subjects(check):
            if self.missing.intersection(subject) or (check != "cycles" and self.broken.intersection(subject)):
                continue  # told once, where it was found out
            self.repeat(check, subject)

    def subjects(self, check):
        if check != "order":
            return [[name] for name in self.modules]
        pairs = [[a, b] for a in self.modules for b in self.modules if a != b]
        pairs.sort(key=lambda pair: not same_name(*pair))
        limit = self.request["pairs"]
        if len(pairs) > limit:
            self.add(
                "order", ["%d more pairs" % (len(pairs) - limit)], True, None, {"cause": "%d pairs are tried" % limit}
            )
        return pairs[:limit]

    def repeat(self, check, subject):
        """Several rounds of a check, until it does not hold; whether a module imports at all takes all of them to say."""
        rows = {}  # type: dict[str, Row]
        number = faults = 0
        while number < self.request["rounds"]:
            if time.monotonic() >= self.end:
                error = "no time was left for round %d of %d" % (number + 1, self.request["rounds"])
                rows.setdefault(check, Row(check, False, error, {})).fail(error)
                break
            number += 1
            for row in getattr(self, "try_" + check)(subject):
                for one in row.measured.get("firstFailures", ()):
                    one.pop("at", None)
                    one["round"] = number
                faults += not row.ok
                rows.setdefault(row.check, row).add(row)
            if faults and (check != "fresh" or rows[check].is_late()):
                break
        if check == "fresh":
            self.judge_fresh(subject, rows, 0 < faults == number)
        for row in rows.values():
            self.add(row.check, subject, row.ok, row.error, dict(row.measured, rounds=number))

    def judge_fresh(self, subject, rows, always):
        measured = rows["fresh"].measured
        if "seconds" in measured:
            took, budget = measured["seconds"] * 1000, self.request["budgetMs"]
            slow = None if took <= budget else "it takes %d ms, more than %g ms" % (took, budget)
            rows["time"] = Row("time", not slow, slow, {"seconds": measured["seconds"]})
        if always:
            self.broken.update(subject)
            measured["notTried"] = self.rest("fresh", "cycles")

    def rest(self, check, *but):
        asked = self.request["checks"]
        return [one for one in asked[asked.index(check) + 1 :] if one not in but]

    def add(self, check, subject, ok, error, measured):
        self.checks.append(
            {"check": check, "subject": " then ".join(subject), "ok": ok, "error": error and error[:ERROR_LIMIT],
             "measured": measured}
        )  # fmt: skip

    def start(self, task, modules, **more):
        """An interpreter that is at work on a task."""
        given = dict(more, modules=modules, path=self.request["path"], call=self.request["call"], shown=SHOWN)
        reader, writer = os.pipe()
        argv = [sys.executable, "-c", PRELUDE + TASKS[task], json.dumps(given)]
        child = start_interpreter(argv, writer, subprocess.DEVNULL)
        os.close(writer)
        return Interpreter(child, reader, min(self.request["deadlineSeconds"], max(0.1, self.end - time.monotonic())))

    def ask(self, task, modules, **more):
        return self.start(task, modules, **more).answer()

    # Each of these is one round.

    def try_fresh(self, subject):
        """A fresh interpreter: that it imports, how long it takes, and how much memory."""
        answer = self.ask("import", subject)
        if answer["error"]:
            measured = end_of(answer)
            if answer.get("advice"):
                measured["advice"] = answer["advice"]
            return [Row("fresh", False, answer["error"], measured)]
        measured = {"seconds": round(answer["seconds"], 4), "peakBytes": answer["peakBytes"]}
        return [Row("fresh", True, None, measured)]

    def try_order(self, subject):
        """Two modules one after the other in one interpreter; and that what both call by one name is one object."""
        answer = self.ask("order", subject)
        rows = [Row("order", not answer["error"], answer["error"], end_of(answer))]
        if not answer["error"] and same_name(*subject) and (answer["classes"] or top(subject[0]) == top(subject[1])):
            kind = "classes" if answer["classes"] else "objects"
            error = None if answer["same"] else "%s and %s are two different %s" % (subject[0], subject[1], kind)
            rows.append(Row("identity", not error, error, {}))
        return rows

    def try_cycles(self, subject):
        """Modules that ask for one that is still being imported; only where that makes the import fail, it is a fault."""
        answer = self.ask("cycles", subject)
        error = answer["error"]
        circular = bool(error) and ("partially initialized" in error or "circular import" in error or "cycle" in error)
        if circular and answer.get("last"):
            error = "%s: %s" % (answer["last"], error)
        return [Row("cycles", not circular, error if circular else None, {"cycles": answer.get("cycles", [])})]

    def try_threads(self, subject):
        """All threads of one interpreter at once."""
        answer = self.ask("threads", subject, workers=self.request["workers"])
        failures = failures_of(answer, None)
        count = answer.get("failed", len(failures))
        error = told_of(failures, "%d of %d threads failed" % (count, self.request["workers"]))
        return [Row("threads", not failures, error, {"failures": count, "firstFailures": failures[:SHOWN]})]

    def try_processes(self, subject):
        """Several interpreters at once."""
        answers = self.at_once(self.request["processes"], "import", subject)
        failures = [one for number, answer in answers for one in failures_of(answer, number)]
        error = told_of(failures, "%d of %d interpreters failed" % (len(failures), len(answers)))
        return [Row("processes", not failures, error, {"failures": len(failures), "firstFailures": failures[:SHOWN]})]

    def try_load(self, subject):
        """Beside busy threads of the same interpreter."""
        answer = self.ask("load", subject, threads=BUSY_THREADS, turns=BUSY_TURNS)
        return [Row("load", not answer["error"], answer["error"], end_of(answer))]

    def try_stress(self, subject):
        """Again and again in several interpreters at once: less than one in a hundred may fail."""
        begun = time.monotonic()
        answers = self.at_once(self.request["workers"], "stress", subject, each=self.request["each"])
        failures = [one for number, answer in answers for one in failures_of(answer, number)]
        failures.sort(key=lambda one: one["at"])
        for one in failures:
            one["afterSeconds"] = round(one.pop("at") - begun, 3)
        done = sum(answer.get("done", 0) for _, answer in answers)
        failed = sum(answer.get("failed", 1) for _, answer in answers)
        ok = done > 0 and failed * 100 < done
        error = None if ok else told_of(failures, "%d of %d imports failed" % (failed, done + failed))
        again = all(answer.get("loadedAgain") for _, answer in answers)
        return [Row("stress", ok, error, {
            "done": done, "failures": failed, "firstFailures": failures[:SHOWN], "loadedAgain": again})]  # fmt: skip

    def at_once(self, count, task, subject, **more):
        running = [self.start(task, subject, **more) for _ in range(count)]
        return [(number, one.answer()) for number, one in enumerate(running, 1)]

    def try_memory(self, subject):
        """How much more memory there is in use after many imports of the module; None where it cannot be imported twice.

        Counted after as many imports before: interpreter and allocator keep what the first ones needed, and no leak it is.
        """
        repeats = self.request["repeats"]
        answer = self.ask("memory", subject, warm=repeats, repeats=repeats)
        growth = answer.get("growthBytes")
        measured = {"loadedAgain": answer.get("loadedAgain", False)}
        if growth is None:
            return [Row("memory", True, None, dict(measured, cause=answer["error"]))]
        ok = growth <= self.request["growthLimitBytes"]
        error = None if ok else "%d KiB more after %d imports" % (growth // 1024, repeats)
        return [Row("memory", ok, error, dict(measured, growthBytes=growth))]

    def try_paths(self, subject):
        """Where it is found, after how many looks, and what else has its name further on."""
        attempts, answer = 0, {"missing": True}
        while attempts < DISCOVERY_TRIES and answer.get("missing"):
            time.sleep(DISCOVERY_SECONDS if attempts else 0)
            attempts += 1
            answer = self.ask("paths", subject, listed=LISTED)
        error, advice = self.judge_paths(subject[0].partition(":")[0], answer)
        measured = dict(answer, attempts=attempts, workingDirectory=os.getcwd())
        if advice:
            measured["advice"] = advice
        if advice in ("missing", "hidden") and answer.get("missing"):
            self.missing.update(subject)
            measured["notTried"] = self.rest("paths")
        return [Row("paths", not error, error, measured)]

    def judge_paths(self, module, answer):
        """What is wrong with where it is found, and which advice fits."""
        if answer["error"]:
            return answer["error"], None
        places, package, wanted = answer["places"], answer["package"], self.request["searchPath"]
        if answer["missing"]:
            if places and package:
                return "%s hides the one in %s" % (package["file"], places[0]["entry"]), "hidden"
            if package:
                return "%s is in %s, and has no %s" % (top(module), package["file"], module), "missing"
            return "it is on no entry of sys.path", "missing"
        preferred = [one for one in places if one["entry"] == wanted]
        first = places[0] if places else None
        if preferred and first and first["entry"] not in (wanted, "its own package") and not first["namespace"]:
            return "%s hides the one in %s" % (first["file"] or "Python's own module", wanted), "hidden"
        return None, None


class Row:
    """What came of a check: of one round, or of all so far. What does not hold once does not hold."""

    def __init__(self, check, ok, error, measured):
        self.check = check
        self.ok = ok
        self.error = error
        self.measured = measured

    def fail(self, error):
        if self.ok:
            self.ok, self.error = False, error

    def is_late(self):
        return bool(self.error) and "did not end" in self.error

    def add(self, other):
        """Takes in another round."""
        if other is self:
            return
        if not other.ok:
            self.fail(other.error)
        for key, value in other.measured.items():
            mine = self.measured.get(key)
            self.measured[key] = value if mine is None or value is None else merged(key, mine, value)


class Interpreter:
    """One that is at work."""

    def __init__(self, child, reader, seconds):
        self.child = child
        self.reader = reader
        self.seconds = seconds
        self.until = time.monotonic() + seconds
        self.ended = None  # type: float | None
        self.printed = []  # type: list[bytes]
        # Read as it comes, so that a chatty module does not block; the end of it is kept.
        self.drain = threading.Thread(target=self.read_stderr, daemon=True)
        self.drain.start()

    def read_stderr(self):
        for line in self.child.stderr:
            self.printed.append(line[-STDERR_LIMIT:])
            del self.printed[:-STDERR_LINES]
        self.ended = time.monotonic()

    def answer(self):
        """What it reported, with `exitCode`, `stderr` and when it ended; `error` says how, where it reported nothing."""
        timed_out = False
        try:
            self.child.wait(max(0.0, self.until - time.monotonic()))
        except subprocess.TimeoutExpired:
            timed_out = True
        end_interpreter(self.child)
        self.drain.join(1)
        answer = dict(self.report(timed_out), exitCode=self.child.returncode, at=self.ended or time.monotonic())
        answer["stderr"] = b"".join(self.printed).decode("utf-8", "replace").strip()[-STDERR_LIMIT:]
        answer.setdefault("error", None)
        return answer

    def report(self, timed_out):
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


def top(name):
    return name.partition(":")[0].split(".")[0]


def same_name(one, other):
    """Whether two `module:attribute` name an attribute of the same name, as different paths to one object do."""
    a, b = (name.partition(":")[2].split(".")[-1] for name in (one, other))
    return bool(a) and a == b and not a.startswith("__") and one.partition(":")[0] != other.partition(":")[0]


def end_of(answer):
    """How an interpreter ended that did not do as asked."""
    return {"exitCode": answer["exitCode"], "stderr": answer["stderr"]} if answer["error"] else {}


def failures_of(answer, worker):
    """The failures of one interpreter: those that it told, or its own."""
    told = answer.get("errors") or ([{"error": answer["error"]}] if answer["error"] else [])
    return [
        {
            "worker": one.get("worker", worker), "iteration": one.get("iteration"), "at": one.get("at", answer["at"]),
            "exitCode": answer["exitCode"], "stderr": answer["stderr"], "error": one["error"][:ERROR_LIMIT],
        }
        for one in told
    ]  # fmt: skip


def told_of(failures, count):
    """How many failed, and of the first one who it was and what it said."""
    if not failures:
        return None
    first = failures[0]
    who = "" if first["worker"] is None else "worker %d, " % first["worker"]
    return "%s; %sexit code %d: %s" % (count, who, first["exitCode"], first["error"])


if __name__ == "__main__":
    main()
