"""A namespace of the real cluster, and how tests speak to it."""

import json
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

from tests.messages import read_message

PACKAGES_INSTALLED = "wheelwarden.dev/PackagesInstalled"
IMPORTS_VERIFIED = "wheelwarden.dev/ImportsVerified"
LIMIT_SECONDS = 180.0
KINDS = ("kasprapp", "notebook")

Object = dict[str, Any]
Found = TypeVar("Found")


class KubectlFailed(Exception):
    """kubectl refused; the text is what it said."""


def run_kubectl(*words: str, stdin: str | None = None) -> str:
    """What kubectl printed, its warnings included. Raises KubectlFailed."""
    done = subprocess.run(["kubectl", *words], input=stdin, capture_output=True, text=True, check=False, timeout=180)
    if done.returncode:
        raise KubectlFailed(done.stderr)
    return done.stdout + done.stderr


def wait_for(what: str, look: Callable[[], Found | None], *, limit_seconds: float = LIMIT_SECONDS) -> Found:
    """Polls until `look` finds something."""
    deadline = time.monotonic() + limit_seconds
    while (found := look()) is None:
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {limit_seconds:.0f} s: {what}")
        time.sleep(0.3)
    return found


def packages(url: str, *requirements: str, **more: Any) -> Object:
    """A `pythonPackages` from an index of the tests, which its host is trusted for."""
    return {"packages": list(requirements), "indexUrl": url, "trustedHosts": [urlsplit(url).netloc], **more}


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """One namespace; workloads use `image`."""

    namespace: str
    image: str

    def kubectl(self, *words: str, stdin: str | None = None) -> str:
        return run_kubectl("--namespace", self.namespace, *words, stdin=stdin)

    def get(self, *words: str) -> Object:
        found: Object = json.loads(run_kubectl("--namespace", self.namespace, "get", *words, "-o", "json"))
        return found

    def apply(self, obj: Mapping[str, Any]) -> str:
        return self.kubectl("apply", "-f", "-", stdin=json.dumps(obj))

    def notebook(
        self, name: str, asked: Mapping[str, Any] | str | None = None, *, annotations: Mapping[str, str] | None = None,
        container: Mapping[str, Any] | None = None,
    ) -> Object:  # fmt: skip
        marks = dict(annotations or {})
        if asked is not None:
            marks["wheelwarden.dev/python-packages"] = asked if isinstance(asked, str) else json.dumps(asked)
        main = {"name": name, "image": self.image, "command": ["sleep", "infinity"], **(container or {})}
        return {
            "apiVersion": "kubeflow.org/v1",
            "kind": "Notebook",
            "metadata": {"name": name, "annotations": marks},
            "spec": {"template": {"spec": {"terminationGracePeriodSeconds": 1, "containers": [main]}}},
        }

    def app(self, name: str, asked: Mapping[str, Any] | None, *, replicas: int = 1, **metadata: Any) -> Object:
        spec: Object = {
            "bootstrapServers": "kafka.example.com:9092",
            "authentication": {"type": "plain"},
            "storage": {"type": "ephemeral", "class": "standard", "size": "1Gi"},
            "replicas": replicas,
            "image": self.image,
        }
        if asked is not None:
            spec["pythonPackages"] = dict(asked)
        return {
            "apiVersion": "kaspr.io/v1alpha1",
            "kind": "KasprApp",
            "metadata": {"name": name, **metadata},
            "spec": spec,
        }

    def packages_status(self, name: str) -> Object:
        """What we say of a KasprApp's packages; its kind has no room for all of it under `pythonPackages`."""
        found: Object = (self.get("kasprapp", name).get("status") or {}).get("wheelwarden") or {}
        return found

    def workload(self, kind: str, name: str, asked: Mapping[str, Any]) -> Object:
        """A KasprApp or a Notebook that asks for the same."""
        return self.app(name, asked) if kind == "kasprapp" else self.notebook(name, asked)

    def condition(self, kind: str, name: str, type_: str) -> Object | None:
        obj = self.get(kind, name)
        for condition in (obj.get("status") or {}).get("conditions") or []:
            if condition["type"] == type_:
                found: Object = condition
                return found
        return None

    def wait_condition(self, kind: str, name: str, type_: str, status: str, reason: str | None = None) -> Object:
        """Waits until an object has a condition with this status and reason; returns it."""
        last: list[Object | None] = [None]

        def look() -> Object | None:
            last[0] = found = self.condition(kind, name, type_)
            matches = found is not None and found["status"] == status and reason in (None, found["reason"])
            return found if matches else None

        try:
            return wait_for(f"{kind}/{name} {type_}={status} {reason or ''}", look)
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {last[0]}") from None

    def pods(self, selector: str) -> list[Object]:
        items: list[Object] = self.get("pods", "-l", selector)["items"]
        return sorted(items, key=lambda pod: str(pod["metadata"]["name"]))

    def install_results(self, selector: str) -> dict[str, Object]:
        """By pod: what its installer said last, for those whose installer ended."""
        results = {}
        for pod in self.pods(selector):
            for status in (pod.get("status") or {}).get("initContainerStatuses") or []:
                ended = (status.get("state") or {}).get("terminated")
                if status["name"] == "install-packages" and ended and ended.get("message"):
                    results[pod["metadata"]["name"]] = read_message(ended["message"])
        return results

    def python(self, pod: str, code: str, *, container: str | None = None) -> str:
        """What Python code prints in a pod's main container, which must have an environment as the user's process has."""
        words = ["exec", "-q", pod, *(["-c", container] if container else []), "--", "python3", "-c", code]
        return self.kubectl(*words).strip()


def first_pod(kind: str, name: str) -> str:
    """The name of a workload's first pod."""
    return f"{name}-app-0" if kind == "kasprapp" else f"{name}-0"


def init_names(pod: Mapping[str, Any]) -> Sequence[str]:
    """The names of a pod's init containers."""
    return [container["name"] for container in pod["spec"].get("initContainers") or []]
