"""Runs helm on the project's chart."""

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.cluster import artifacts, binaries

CHART = Path(__file__).parents[2] / "charts" / "wheelwarden"
# What `helm template` is told of a cluster it does not ask: a helm built from its module knows no version of its own.
KUBERNETES_VERSION = "1.34.0"
IMAGE = {"image": {"repository": "registry.example.com/wheelwarden"}}

Object = dict[str, Any]


class HelmError(Exception):
    """helm refused; the text is what it said."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Helm:
    """The helm binary, and the cluster it works on where one is needed."""

    binary: Path
    kubeconfig: Path | None = None

    def run(self, *words: str, values: Mapping[str, Any] | None = None) -> str:
        """Runs helm, with `values` laid over the image that the chart needs; what it printed.

        Raises:
            HelmError: it failed.
        """
        command = [str(self.binary), *words]
        if self.kubeconfig:
            command += ["--kubeconfig", str(self.kubeconfig)]
        if values is not None:
            command += ["--values", "-"]
        done = subprocess.run(
            command,
            input=None if values is None else yaml.safe_dump({**IMAGE, **values}),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        if done.returncode:
            raise HelmError(done.stderr + done.stdout)
        return done.stdout

    def render(
        self,
        values: Mapping[str, Any] | None = None,
        *,
        release: str = "guard",
        namespace: str = "guarding",
        chart: Path = CHART,
    ) -> "Rendered":
        """The objects of the chart.

        Raises:
            HelmError: the values do not fit, or a template fails.
        """
        where = ["--namespace", namespace, "--kube-version", KUBERNETES_VERSION]
        output = self.run("template", release, str(chart), *where, values=values or {})
        objects = [item for item in yaml.safe_load_all(output) if item]
        return Rendered(
            objects=tuple(item for item in objects if not _is_of_uninstall(item)),
            uninstall=tuple(item for item in objects if _is_of_uninstall(item)),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Rendered:
    """The objects of a rendered chart; `uninstall`: those that are made before an uninstall only."""

    objects: Sequence[Object]
    uninstall: Sequence[Object] = ()

    @property
    def everything(self) -> Sequence[Object]:
        """Both of them."""
        return (*self.objects, *self.uninstall)

    def all(self, kind: str) -> Iterator[Object]:
        return (item for item in self.objects if item["kind"] == kind)

    def one(self, kind: str) -> Object:
        [found] = self.all(kind)
        return found


def _is_of_uninstall(item: Object) -> bool:
    return bool((item["metadata"].get("annotations") or {}).get("helm.sh/hook") == "pre-delete")


def find_helm() -> Path:
    """The helm of the test cluster, built once: its version is ours, and so are the words it refuses values with."""
    return binaries.prepare(artifacts.CACHE) / "helm"
