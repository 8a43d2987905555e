"""What runs as the first process inside the cluster's namespaces: the node, the release, and the caller's command."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.cluster import artifacts, images, index, namespaces, volumes
from tests.cluster.apiserver import KubectlError, apply_crds
from tests.cluster.node import ADDRESS, Node
from tests.cluster.processes import ComponentError

CHART = artifacts.REPOSITORY / "charts" / "wheelwarden"
RELEASE = "wheelwarden"
NAMESPACE = "wheelwarden-system"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What the outer process tells the inner one; passed as JSON."""

    programs: str
    state: str
    cgroup: str
    packages: str
    images: tuple[str, ...]
    bare: bool
    standins: bool
    crds: tuple[str, ...]
    command: tuple[str, ...]

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Plan":
        fields = json.loads(text)
        return cls(**fields | {name: tuple(fields[name]) for name in ("images", "crds", "command")})


def main(text: str) -> int:
    """Runs the plan; returns the command's exit code, or 125 where the cluster did not come up."""
    plan = Plan.from_json(text)
    state = Path(plan.state)
    node = Node(Path(plan.programs), state, plan.cgroup)
    try:
        namespaces.hide_host_folders()
        with told("Starting the node"):
            node.start([Path(image) for image in plan.images])
        environment = os.environ | start_services(plan, node)
        if not plan.bare:
            install(plan, node, environment)
    except KeyboardInterrupt:
        return 130
    except (ComponentError, KubectlError, index.IndexStartError, subprocess.CalledProcessError) as error:
        print(f"The cluster did not come up: {error}", file=sys.stderr)
        print_state(node)
        return 125
    code = run_command(plan.command, environment)
    if code:
        print_state(node)
    return code


def start_services(plan: Plan, node: Node) -> dict[str, str]:
    """The volume provisioner and the package indexes; returns what the command finds in its environment."""
    state = Path(plan.state)
    module = [sys.executable, "-m", "tests.cluster.volumes"]
    arguments: list[str | Path] = ["--kubeconfig", node.kubeconfig, "--folder", state / "volumes"]
    node.processes.start("volumes", [*module, *arguments], cwd=artifacts.REPOSITORY)
    # A claim that comes before the default class is bound late, by a controller that looks again after a while.
    node.processes.wait_until("the storage classes", lambda: storage_classes_there(node), name="volumes")
    running = index.start(Path(plan.packages), ADDRESS, state / "index")
    return {
        "PATH": f"{plan.programs}:{os.environ['PATH']}",
        "KUBECONFIG": str(node.kubeconfig),
        "INDEX_URL": running.open_url,
        "PRIVATE_INDEX_URL": running.private_url,
        "PRIVATE_INDEX_USER": running.user,
        "PRIVATE_INDEX_PASSWORD": running.password,
        "PRIVATE_INDEX_CA": str(running.ca),
        "PYTHON_IMAGE": images.PYTHON,
        "WHEELWARDEN_IMAGE": images.WHEELWARDEN,
    }


def storage_classes_there(node: Node) -> bool:
    """Whether the volume provisioner has made its classes."""
    names = node.kubectl("get", "storageclasses", "-o", "name").split()
    return {f"storageclass.storage.k8s.io/{name}" for name in (volumes.STANDARD, volumes.RWO_ONLY)} <= set(names)


def install(plan: Plan, node: Node, environment: dict[str, str]) -> None:
    """CRDs, stand-ins and the chart."""
    with told("Installing the chart" + (" and the stand-ins" if plan.standins else "")):
        apply_crds(node.kubectl, plan.crds)
        if plan.standins:
            module: list[str | Path] = [sys.executable, "-m", "tests.standins", "--kubeconfig", node.kubeconfig]
            node.processes.start("standins", module, cwd=artifacts.REPOSITORY)
        repository, _, tag = images.WHEELWARDEN.rpartition(":")
        values = {"image.repository": repository, "image.tag": tag, "image.pullPolicy": "Never"}
        sets = [word for key, value in values.items() for word in ("--set", f"{key}={value}")]
        helm = ["helm", "install", RELEASE, str(CHART), "--namespace", NAMESPACE, "--create-namespace"]
        subprocess.run(
            [*helm, *sets, "--wait", "--timeout", "3m"], env=environment, check=True, stdout=subprocess.DEVNULL
        )


def run_command(command: Sequence[str], environment: dict[str, str]) -> int:
    """Runs the caller's command in the foreground; Ctrl-C reaches it first, since it shares our process group."""
    try:
        process = subprocess.Popen(command, env=environment, cwd=os.environ.get("WHEELWARDEN_CALLER_FOLDER") or None)
    except OSError as error:
        print(f"error: cannot run {command[0]}: {error.strerror}", file=sys.stderr)
        return 127 if isinstance(error, FileNotFoundError) else 126  # as a shell does
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    code = process.wait()
    return 128 - code if code < 0 else code


def print_state(node: Node) -> None:
    """What a person needs to see after a failure: a component that died, pods and the last events."""
    try:
        node.processes.check()
    except ComponentError as error:
        print(f"A component of the cluster died: {error}", file=sys.stderr)
    for words in (("get", "pods", "-A", "-o", "wide"), ("get", "events", "-A", "--sort-by=.lastTimestamp")):
        try:
            lines = node.kubectl(*words).splitlines()
        except (KubectlError, subprocess.TimeoutExpired) as error:
            print(error, file=sys.stderr)
            return
        print(f"\n$ kubectl {shlex.join(words)}", file=sys.stderr)
        print("\n".join(lines[:1] + lines[1:][-25:]), file=sys.stderr)


@contextmanager
def told(what: str) -> Iterator[None]:
    """Says on stderr what is done and how long it took."""
    print(f"{what} …", end="", file=sys.stderr, flush=True)
    start = time.monotonic()
    yield
    print(f" {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
