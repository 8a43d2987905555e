"""The namespaces of a whole node: how they are entered, and what of the machine is hidden in them."""

import ctypes
import os
import signal
import subprocess
from pathlib import Path

# The first process of the PID namespace takes everything in the namespaces along when it ends.
UNSHARE = ("unshare", "--net", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child", "--mount-proc")
# Where containerd, runc, CNI and kubelet write whatever their settings say. /run also holds systemd's socket, by which
# kubelet would have systemd make its mounts: outside.
_HIDDEN = ("/run", "/var/lib/cni", "/var/lib/kubelet", "/var/log/containers")
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def hide_host_folders() -> None:
    """Mounts an empty tmpfs over each folder that a node writes to outside its state; runs inside the namespaces."""
    for folder in _HIDDEN:
        Path(folder).mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", folder], check=True)


def die_with_parent() -> None:
    """Runs in the child: were we killed, the namespaces go too (prctl(2), PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def environment_inside() -> dict[str, str]:
    """Our environment without proxies: none can be reached in there, and the API server would ask one for webhooks."""
    return {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
