"""The first tier: etcd and kube-apiserver alone, on loopback, ready in about three seconds."""

import contextlib
import os
import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import yaml

from tests.cluster import artifacts, binaries
from tests.cluster.pki import Pki, make_pki
from tests.cluster.processes import Processes

CRDS = artifacts.REPOSITORY / "tests" / "standins" / "crds"
KINDS = ("kasprapps.kaspr.io", "notebooks.kubeflow.org")
SERVICE_CIDR = "10.96.0.0/16"


class ApiServer:
    """etcd and a kube-apiserver with RBAC; optionally the controller-manager, so that StatefulSets make pods.

    Args:
        programs: the folder of `binaries.prepare` (or KUBEBUILDER_ASSETS).
        state: an empty folder for data, keys and logs.
    """

    def __init__(self, programs: Path, state: Path) -> None:
        self._programs = programs
        self._state = state
        self._processes = Processes(state / "logs")
        self._etcd_port, self._etcd_peer_port, self.port = _free_ports(3)
        self._pki: Pki = make_pki(
            state / "pki", server=f"https://127.0.0.1:{self.port}", hosts=["127.0.0.1", "localhost", "10.96.0.1"]
        )

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig of a cluster admin."""
        return self._pki.kubeconfig("admin")

    def start(self) -> None:
        """Starts both and waits until the API server is ready."""
        etcd, peer = f"http://127.0.0.1:{self._etcd_port}", f"http://127.0.0.1:{self._etcd_peer_port}"
        self._processes.start("etcd", etcd_argv(self._programs, self._state / "etcd", etcd, peer))
        self.start_server()

    def start_server(self) -> None:
        """Starts the API server alone: after `start`, or after `stop_server`, with the same data and port."""
        argv = api_server_argv(self._programs, self._pki, f"http://127.0.0.1:{self._etcd_port}", self.port)
        self._processes.start("kube-apiserver", [*argv, "--bind-address=127.0.0.1"])
        self._processes.wait_until("kube-apiserver ready", self._ready, name="kube-apiserver")

    def stop_server(self) -> None:
        """Ends the API server and leaves etcd running."""
        self._processes.stop_one("kube-apiserver")

    def start_controller_manager(self) -> None:
        """Starts the controller-manager (StatefulSets, garbage collection, service accounts)."""
        argv = controller_manager_argv(self._programs, self._pki)
        self._processes.start("kube-controller-manager", [*argv, f"--secure-port={_free_ports(1)[0]}"])

    def stop(self) -> None:
        """Ends everything."""
        self._processes.stop()

    def kubectl(self, *words: str, stdin: str | None = None) -> str:
        """Runs kubectl as cluster admin; raises CalledProcessError with what it said."""
        return kubectl(self._programs, self.kubeconfig, words, stdin=stdin)

    def _ready(self) -> bool:
        with contextlib.suppress(KubectlError):
            self.kubectl("get", "--raw", "/readyz")
            # The default namespace and service account come a moment after.
            self.kubectl("get", "namespace", "default")
            return True
        return False


@contextlib.contextmanager
def running_api_server(state: Path) -> Iterator[ApiServer]:
    """One with the stand-ins' CRDs, for as long as the block runs; `state` is made."""
    state.mkdir()
    server = ApiServer(binaries.prepare_api_server(artifacts.CACHE), state)
    try:
        server.start()
        apply_crds(server.kubectl, [str(path) for path in find_crds(CRDS)])
        yield server
    finally:
        server.stop()


class KubectlError(Exception):
    """kubectl failed; the message is the command and what it said."""


def find_crds(folder: Path) -> list[Path]:
    """The files of a folder that define KasprApp and Notebook. Raises BuildError where it has not both."""
    found = {yaml.safe_load(path.read_text())["metadata"]["name"]: path for path in sorted(folder.glob("*.yaml"))}
    if missing := [name for name in KINDS if name not in found]:
        raise artifacts.BuildError(f"{folder} has no definition of {' and '.join(missing)}")
    return [found[name] for name in KINDS]


def apply_crds(kubectl: Callable[..., str], files: Sequence[str]) -> None:
    """Makes the kinds and waits until they are served."""
    named = [word for file in files for word in ("-f", file)]
    # By the server: what a client remembers of a large kind would not fit into its annotation.
    kubectl("apply", "--server-side", *named)
    # On a busy machine a definition has no conditions at all yet, and a wait for one of them would end with an error.
    kubectl("wait", "--for=jsonpath={.status.conditions}", "--timeout=60s", *named)
    kubectl("wait", "--for=condition=Established", "--timeout=60s", *named)


def kubectl(programs: Path, kubeconfig: Path, words: Sequence[str], *, stdin: str | None = None) -> str:
    """Runs kubectl and returns its output. Raises KubectlError."""
    done = subprocess.run(
        [programs / "kubectl", *words],
        input=stdin, capture_output=True, text=True, check=False, timeout=300,
        env=os.environ | {"KUBECONFIG": str(kubeconfig)},
    )  # fmt: skip
    if done.returncode:
        raise KubectlError(f"kubectl {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def etcd_argv(programs: Path, data: Path, client: str, peer: str) -> list[str | Path]:
    """etcd on the two URLs; without fsync, since nothing here outlives its run."""
    return [
        programs / "etcd",
        f"--data-dir={data}",
        "--unsafe-no-fsync",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--log-level=warn",
    ]


def api_server_argv(programs: Path, pki: Pki, etcd: str, port: int) -> list[str | Path]:
    """A kube-apiserver with node and RBAC authorization."""
    return [
        programs / "kube-apiserver",
        f"--etcd-servers={etcd}",
        f"--secure-port={port}",
        f"--tls-cert-file={pki.certificate('server')}",
        f"--tls-private-key-file={pki.key('server')}",
        f"--client-ca-file={pki.ca}",
        "--authorization-mode=Node,RBAC",
        f"--service-account-key-file={pki.service_account_key}",
        f"--service-account-signing-key-file={pki.service_account_key}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-cluster-ip-range={SERVICE_CIDR}",
        "--allow-privileged",
        f"--kubelet-client-certificate={pki.certificate('admin')}",
        f"--kubelet-client-key={pki.key('admin')}",
        "--kubelet-preferred-address-types=InternalIP",
    ]


def controller_manager_argv(programs: Path, pki: Pki) -> list[str | Path]:
    """A controller-manager without leader election."""
    return [
        programs / "kube-controller-manager",
        f"--kubeconfig={pki.kubeconfig('controller-manager')}",
        f"--service-account-private-key-file={pki.service_account_key}",
        f"--root-ca-file={pki.ca}",
        "--use-service-account-credentials",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
    ]


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
