"""`python -m tests.cluster run [--bare] [--no-standins] -- COMMAND…`: COMMAND on a fresh cluster, and nothing left.

`python -m tests.cluster build` only fills the caches.
"""

import argparse
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.cluster import artifacts, binaries, debian, images, node, packages, sources
from tests.cluster.inside import Plan

STATE_PREFIX = "wwc-"  # short: containerd's sockets live below it
CGROUPS = Path("/sys/fs/cgroup")
PR_SET_PDEATHSIG = 1  # linux/prctl.h
LOGS = artifacts.REPOSITORY / "build" / "cluster-logs"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("build", help="build and fetch what a cluster needs, and stop")
    run = verbs.add_parser("run", help="run a command on a fresh cluster")
    run.add_argument("--bare", action="store_true", help="the node, indexes and volumes only: no CRDs, no chart")
    run.add_argument("--no-standins", action="store_true", help="without the stand-in workload controllers")
    run.add_argument(
        "--keep-logs", type=Path, default=LOGS, help="where logs go after a failure (default: %(default)s)"
    )
    run.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    try:
        plan = prepare(getattr(arguments, "bare", False), getattr(arguments, "no_standins", False))
        if arguments.verb == "build":
            return 0
        return run_cluster(plan, arguments.command, arguments.keep_logs)
    except (artifacts.BuildError, debian.MissingPackagesError, sources.SourceError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 125


def prepare(bare: bool, no_standins: bool) -> Plan:
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
        images=(str(made.pause), str(made.python), str(made.wheelwarden)),
        bare=bare,
        standins=not no_standins,
        command=(),
    )


def run_cluster(plan: Plan, command: Sequence[str], keep_logs: Path) -> int:
    """Makes the namespaces, runs the plan in them, and removes what is left of the run and of older ones that died."""
    remove_dead_runs()
    state = Path(tempfile.mkdtemp(prefix=f"{STATE_PREFIX}{os.getpid()}-"))
    cgroup = f"/{state.name}"
    code = 125
    try:
        make_cgroups(cgroup)
        whole = Plan(**{**vars(plan), "state": str(state), "cgroup": cgroup, "command": tuple(command)})
        unshare = ["unshare", "--net", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child", "--mount-proc"]
        # The first process of the PID namespace: with it, everything in the namespaces goes.
        argv = [*unshare, sys.executable, "-m", "tests.cluster.inside", whole.to_json()]
        environment = os.environ | {
            "WHEELWARDEN_CALLER_FOLDER": str(Path.cwd()),
            "PYTHONPATH": str(artifacts.REPOSITORY),
        }
        process = subprocess.Popen(argv, env=environment, preexec_fn=die_with_parent)
        # Ctrl-C reaches the command by the terminal; SIGTERM is passed on by ending the namespaces.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: process.kill())
        code = process.wait()
        code = 128 - code if code < 0 else code
    finally:
        if code and (state / "logs").is_dir():
            artifacts.remove(keep_logs)
            shutil.copytree(state / "logs", keep_logs)
            print(f"The logs of the cluster's components are in {keep_logs}", file=sys.stderr)
        remove_run(state)
    return code


def die_with_parent() -> None:
    """Runs in the child: were we killed, the namespaces go too (prctl(2), PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def make_cgroups(cgroup: str) -> None:
    """The run's own cgroup, in every hierarchy (cgroup v1) or in the one (v2)."""
    for hierarchy in hierarchies():
        made = hierarchy / cgroup.lstrip("/")
        made.mkdir()
        if hierarchy.name == "cpuset":  # a new cpuset is empty, and nothing can run in it
            for name in ("cpuset.cpus", "cpuset.mems"):
                (made / name).write_text((hierarchy / name).read_text())


def hierarchies() -> list[Path]:
    """The mounted cgroup hierarchies."""
    if (CGROUPS / "cgroup.controllers").exists():
        return [CGROUPS]
    return sorted({path.resolve() for path in CGROUPS.iterdir() if (path / "cgroup.procs").exists()})


def remove_run(state: Path) -> None:
    """Removes a run's folder and cgroups; its processes are gone with its PID namespace."""
    for hierarchy in hierarchies():
        top = hierarchy / state.name
        if top.is_dir():
            for folder, _, _ in os.walk(top, topdown=False):
                try:
                    Path(folder).rmdir()
                except OSError as error:
                    print(f"left behind: {folder}: {error}", file=sys.stderr)
    shutil.rmtree(state, ignore_errors=True)
    if state.exists():
        print(f"left behind: {state}", file=sys.stderr)


def remove_dead_runs() -> None:
    """Removes what runs left that were killed before they could clean up: their process is in their folder's name."""
    for state in Path(tempfile.gettempdir()).glob(f"{STATE_PREFIX}*"):
        owner = state.name.removeprefix(STATE_PREFIX).split("-")[0]
        if owner.isdigit() and not Path(f"/proc/{owner}").exists():
            remove_run(state)


if __name__ == "__main__":
    sys.exit(main())
