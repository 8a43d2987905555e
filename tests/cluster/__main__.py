"""`python -m tests.cluster run [OPTION…] -- COMMAND…`: COMMAND on a fresh cluster, and nothing left.

`python -m tests.cluster build` only fills the caches.
"""

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.cluster import apiserver, artifacts, binaries, debian, images, namespaces, node, packages, runs, sources
from tests.cluster.inside import Plan

LOGS = artifacts.REPOSITORY / "build" / "cluster-logs"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("build", help="build and fetch what a cluster needs, and stop")
    run = verbs.add_parser("run", help="run a command on a fresh cluster")
    run.add_argument("--bare", action="store_true", help="the node, indexes and volumes only: no CRDs, no chart")
    run.add_argument("--no-standins", action="store_true", help="without the stand-in workload controllers")
    run.add_argument(
        "--crds",
        type=Path,
        default=apiserver.CRDS,
        metavar="DIR",
        help="where the KasprApp and Notebook kinds are taken from (default: the stand-ins')",
    )
    run.add_argument(
        "--keep-logs",
        type=Path,
        default=LOGS,
        help="logs go into a new folder below this one after a failure (default: %(default)s)",
    )
    run.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    # A shell that put us into the background had Ctrl-C ignored, for us and all that we start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    try:
        crds = apiserver.find_crds(getattr(arguments, "crds", apiserver.CRDS))
        plan = prepare(getattr(arguments, "bare", False), getattr(arguments, "no_standins", False), crds)
        if arguments.verb == "build":
            return 0
        return run_cluster(plan, arguments.command, arguments.keep_logs)
    except (artifacts.BuildError, debian.MissingPackagesError, sources.SourceError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 125
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def prepare(bare: bool, no_standins: bool, crds: Sequence[Path]) -> Plan:
    """Builds and fetches everything; needs the network and root. The plan still lacks state, cgroup and command."""
    if os.geteuid() != 0:
        raise debian.MissingPackagesError("the test cluster makes namespaces, bridges and mounts: run it as root")
    debian.ensure(node.DEBIAN_PACKAGES)
    programs = binaries.prepare(artifacts.CACHE)
    folder = packages.prepare(artifacts.CACHE)
    made = images.prepare(artifacts.CACHE)
    return Plan(
        programs=str(programs),
        state="",
        cgroup="",
        packages=str(folder),
        images=tuple(map(str, (made.pause, made.python, made.wheelwarden, *made.others))),
        bare=bare,
        standins=not no_standins,
        crds=tuple(str(path.resolve()) for path in crds),
        command=(),
    )


def run_cluster(plan: Plan, command: Sequence[str], keep_logs: Path) -> int:
    """Makes the namespaces, runs the plan in them, and removes what is left of the run and of older ones that died."""
    with runs.run_folder() as state:
        whole = Plan(**{**vars(plan), "state": str(state), "cgroup": f"/{state.name}", "command": tuple(command)})
        try:
            code = run_inside(whole)
        except BaseException:
            report_logs(state, keep_logs)
            raise
        if code:
            report_logs(state, keep_logs)
        return code


def run_inside(plan: Plan) -> int:
    """Runs the plan as the first process of new namespaces; nothing in them is alive afterwards."""
    argv = [*namespaces.UNSHARE, sys.executable, "-m", "tests.cluster.inside", plan.to_json()]
    environment = namespaces.environment_inside() | {
        "WHEELWARDEN_CALLER_FOLDER": str(Path.cwd()),
        "PYTHONPATH": str(artifacts.REPOSITORY),
    }
    process = subprocess.Popen(argv, env=environment, preexec_fn=namespaces.die_with_parent)
    try:
        # Ctrl-C reaches the command by the terminal; what else ends us, ends the namespaces.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        code = process.wait()
    finally:
        process.kill()
        process.wait()
    return 128 - code if code < 0 else code


def report_logs(state: Path, keep_logs: Path) -> None:
    """Keeps the logs and says where."""
    if kept := runs.keep_logs(state, keep_logs):
        print(f"The logs of the cluster's components are in {kept}", file=sys.stderr)


def end(number: int, _frame: object) -> None:
    """A handler of signals: ends us in order, with the exit status that a shell would give."""
    signal.signal(number, signal.SIG_IGN)  # the second one must not disturb the cleaning up
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
