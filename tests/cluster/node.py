"""The second tier: a whole node, with the real kubelet, containerd and kube-proxy.

It must run as the first process of its own network, mount and PID namespaces (`namespaces`): addresses, bridges, mounts
and processes are then its own and gone with it. Nothing routes out of them: no part of the cluster reaches a network.
"""

import contextlib
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.cluster.apiserver import (
    KubectlError,
    api_server_argv,
    controller_manager_argv,
    etcd_argv,
    kubectl,
)
from tests.cluster.pki import make_pki
from tests.cluster.processes import Processes

ADDRESS = "10.88.0.1"
NAME = "node-1"
PORT = 6443
POD_CIDR = "10.244.0.0/24"
PAUSE_IMAGE = "localhost/pause:1"
DEBIAN_PACKAGES = (
    "conntrack", "containerd", "containernetworking-plugins", "ethtool", "iproute2", "iptables", "nftables", "runc",
    "util-linux",
)  # fmt: skip


class Node:
    """One node and its control plane.

    Args:
        programs: the folder of `binaries.prepare`.
        state: an empty folder with a short path: containerd's sockets may not pass 108 characters.
        cgroup: the cgroup, made by the caller in every hierarchy, below which all pods run.
    """

    def __init__(self, programs: Path, state: Path, cgroup: str) -> None:
        self._programs = programs
        self._state = state
        self._cgroup = cgroup
        self.processes = Processes(state / "logs")
        self._pki = make_pki(
            state / "pki",
            server=f"https://127.0.0.1:{PORT}",
            hosts=[
                "127.0.0.1",
                ADDRESS,
                "10.96.0.1",
                "localhost",
                "kubernetes.default",
                "kubernetes.default.svc",
                NAME,
            ],
        )

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig of a cluster admin; works inside the namespaces only."""
        return self._pki.kubeconfig("admin")

    def kubectl(self, *words: str, stdin: str | None = None) -> str:
        """Runs kubectl as cluster admin. Raises KubectlError."""
        return kubectl(self._programs, self.kubeconfig, words, stdin=stdin)

    def start(self, images: Sequence[Path]) -> None:
        """Starts everything, imports the images, and waits until the node is Ready."""
        self._make_network()
        self._start_containerd()
        self._start_control_plane()
        self._import_images(images)
        self._start_kubelet()
        self._start_proxy()
        self.processes.wait_until("the node Ready", self._node_ready, name="kubelet")

    def _make_network(self) -> None:
        for command in (
            ["ip", "link", "set", "lo", "up"],
            ["ip", "link", "add", "br0", "type", "bridge"],
            ["ip", "address", "add", f"{ADDRESS}/24", "dev", "br0"],
            ["ip", "link", "set", "br0", "up"],
            # kubelet and kube-proxy look for a default route; this one leads nowhere
            ["ip", "route", "add", "default", "dev", "br0"],
        ):
            subprocess.run(command, check=True)
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1")

    def _start_control_plane(self) -> None:
        etcd = "http://127.0.0.1:2379"
        self.processes.start("etcd", etcd_argv(self._programs, self._state / "etcd", etcd, "http://127.0.0.1:2380"))
        argv = api_server_argv(self._programs, self._pki, etcd, PORT)
        self.processes.start("kube-apiserver", [*argv, f"--advertise-address={ADDRESS}"])
        self.processes.wait_until("kube-apiserver ready", self._api_ready, name="kube-apiserver")
        self.processes.start("kube-controller-manager", controller_manager_argv(self._programs, self._pki))
        scheduler: list[str | Path] = [
            self._programs / "kube-scheduler",
            f"--kubeconfig={self._pki.kubeconfig('scheduler')}",
        ]
        # It may try a pod before its own cache has seen that the claim is bound, and use up the event for it (Kubernetes
        # issue 93552). A busy machine meets that, and the pod would then be left alone for five minutes.
        left_alone = "--pod-max-in-unschedulable-pods-duration=15s"
        self.processes.start(
            "kube-scheduler", [*scheduler, "--leader-elect=false", "--bind-address=127.0.0.1", left_alone]
        )

    def _start_containerd(self) -> None:
        folder = self._state / "cd"
        network = self._state / "cni"
        for made in (folder, network):
            made.mkdir()
        (network / "10-pods.conflist").write_text(json.dumps(_pod_network(self._state)))
        config = folder / "config.toml"
        config.write_text(_containerd_config(folder, network))
        self.processes.start("containerd", ["containerd", "--config", config])
        self.processes.wait_until("containerd ready", self._socket.exists, name="containerd")

    @property
    def _socket(self) -> Path:
        return self._state / "cd" / "c.sock"

    def _import_images(self, images: Sequence[Path]) -> None:
        for image in images:
            command: list[str | Path] = [
                "ctr",
                "--address",
                self._socket,
                "--namespace",
                "k8s.io",
                "images",
                "import",
                image,
            ]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    def _start_kubelet(self) -> None:
        folder = self._state / "kubelet"
        folder.mkdir()
        config = self._state / "kubelet.json"
        config.write_text(json.dumps(self._kubelet_config()))
        argv: list[str | Path] = [
            self._programs / "kubelet",
            f"--config={config}",
            f"--kubeconfig={self._pki.kubeconfig('node')}",
        ]
        self.processes.start(
            "kubelet", [*argv, f"--hostname-override={NAME}", f"--root-dir={folder}", f"--node-ip={ADDRESS}"]
        )

    def _kubelet_config(self) -> dict[str, object]:
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(self._pki.ca)},
            },
            "authorization": {"mode": "Webhook"},
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": self._cgroup,
            "containerRuntimeEndpoint": f"unix://{self._socket}",
            "failSwapOn": False,
            "failCgroupV1": False,
            "oomScoreAdj": 0,
            "podLogsDir": str(self._state / "podlogs"),
            "evictionHard": {"nodefs.available": "1%", "imagefs.available": "1%", "memory.available": "100Mi"},
            "imageGCHighThresholdPercent": 100,
            "enforceNodeAllocatable": [],
            "resolvConf": "",
            # Nobody answers there, so a name is refused at once; without it, every pod start makes a warning.
            "clusterDNS": [ADDRESS],
            # what changed in a Secret or ConfigMap is seen at once, not after a minute
            "configMapAndSecretChangeDetectionStrategy": "Get",
            "serializeImagePulls": False,
            "tlsCertFile": str(self._pki.certificate("server")),
            "tlsPrivateKeyFile": str(self._pki.key("server")),
        }

    def _start_proxy(self) -> None:
        config = self._state / "proxy.json"
        config.write_text(
            json.dumps(
                {
                    "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
                    "kind": "KubeProxyConfiguration",
                    "mode": "nftables",
                    "clientConnection": {"kubeconfig": str(self.kubeconfig)},
                    "hostnameOverride": NAME,
                    "clusterCIDR": POD_CIDR,
                    "conntrack": {"maxPerCore": 0, "min": 0},
                }
            )
        )
        self.processes.start("kube-proxy", [self._programs / "kube-proxy", f"--config={config}"])

    def _api_ready(self) -> bool:
        with contextlib.suppress(KubectlError):
            self.kubectl("get", "--raw", "/readyz")
            return True
        return False

    def _node_ready(self) -> bool:
        path = '{.status.conditions[?(@.type=="Ready")].status}'
        with contextlib.suppress(KubectlError):
            ready = self.kubectl("get", "node", NAME, "-o", f"jsonpath={path}") == "True"
            return ready and bool(self.kubectl("get", "serviceaccount", "default", "-o", "name"))
        return False


def _pod_network(state: Path) -> dict[str, object]:
    """A bridge for the pods (CNI specification 0.4.0)."""
    return {
        "cniVersion": "0.4.0",
        "name": "pods",
        "plugins": [
            {
                "type": "bridge",
                "bridge": "cni0",
                "isGateway": True,
                "ipMasq": True,
                "hairpinMode": True,
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{"subnet": POD_CIDR}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                    "dataDir": str(state / "ipam"),
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }


def _containerd_config(folder: Path, network: Path) -> str:
    # restrict_oom_score_adj: a sandbox without CAP_SYS_RESOURCE may not lower its score, and runc would die of it.
    return f"""version = 2
root = "{folder}/root"
state = "{folder}/state"
[grpc]
  address = "{folder}/c.sock"
[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true
  sandbox_image = "{PAUSE_IMAGE}"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{network}"
"""
