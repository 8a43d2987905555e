"""What admission adds to a real API server's create: nothing, a bare Go webhook, a ValidatingAdmissionPolicy, and ours.

All four stand at once, each for a namespace of its own, and take turns, so that whatever else goes on hits all alike. API
server, etcd, webhooks and clients share the machine, as they share a small control plane.
"""

import base64
import http.client
import json
import ssl
import statistics
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import yaml

from tests.bench import admission
from tests.bench.figures import Figure
from tests.bench.reviews import make_review
from tests.cluster import artifacts, binaries
from tests.cluster.apiserver import ApiServer, running_api_server

HOOK: Final = Path(__file__).parent / "hook"
VARIANTS: Final = ("none", "go", "policy", "ours")
ROUNDS: Final = 6
CREATES: Final = {1: 40, 16: 160}  # in each round, by clients
SETTLE_SECONDS: Final = 30.0

Object = dict[str, Any]


def measure(work: Path) -> tuple[list[Figure], list[str]]:
    """The figures, and notes with the milliseconds behind them."""
    with running_api_server(work / "api") as server:
        place = admission.prepare(work / "creating")
        with (
            running_hook(place, work / "hook") as port,
            admission.running(admission.server_argv(place), work / "ours.log", None),
        ):
            set_up(server, place, port)
            times = take_turns(Clients(server.kubeconfig))
    figures, notes = [], []
    for clients in CREATES:
        p50 = {variant: statistics.median(times[variant, clients]) * 1000 for variant in VARIANTS}
        added = {variant: p50[variant] - p50["none"] for variant in VARIANTS}
        what = f"added to a create, {clients} client{'s' if clients > 1 else ''}: ours over a bare Go hook"
        figures.append(Figure(what=what, value=added["ours"] / added["go"], unit="×", goal="≤1.3"))
        told = ", ".join(f"{variant} {p50[variant]:.2f}" for variant in VARIANTS)
        notes.append(f"create of a Notebook, {clients} at a time, p50 in ms: {told}")
    return figures, notes


def take_turns(clients: "Clients") -> dict[tuple[str, int], list[float]]:
    """The seconds of each create, by variant and number of clients."""
    times: dict[tuple[str, int], list[float]] = {(variant, count): [] for variant in VARIANTS for count in CREATES}
    for number in range(ROUNDS + 1):
        order = VARIANTS[number % len(VARIANTS) :] + VARIANTS[: number % len(VARIANTS)]
        for variant in order:
            for count, creates in CREATES.items():
                took = clients.create(variant, count, creates)
                if number:  # the first round warms up
                    times[variant, count] += took
    return times


class Clients:
    """Creates Notebooks over connections that stay open, each with a name of its own."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self._address = urlsplit(cluster["server"]).netloc
        folder = kubeconfig.parent
        self._context = ssl.create_default_context(cadata=_content(cluster, "certificate-authority", folder).decode())
        files = []
        for name in ("client-certificate", "client-key"):
            path = folder / f"bench-{name}"
            path.write_bytes(_content(user, name, folder))
            files.append(str(path))
        self._context.load_cert_chain(*files)
        self._notebook = json.loads(make_review(new=False))["request"]["object"]
        del self._notebook["metadata"]["managedFields"], self._notebook["metadata"]["uid"]
        self._number = 0

    def create(self, variant: str, clients: int, creates: int) -> list[float]:
        """The seconds of each of so many creates, by so many clients at once."""
        names = [f"lab-{self._number + index}" for index in range(creates)]
        self._number += creates
        with ThreadPoolExecutor(clients) as pool:
            portions = pool.map(lambda one: self._create(variant, names[one::clients]), range(clients))
            return [seconds for portion in portions for seconds in portion]

    def _create(self, variant: str, names: list[str]) -> list[float]:
        connection = http.client.HTTPSConnection(self._address, context=self._context, timeout=30)
        path = f"/apis/kubeflow.org/v1/namespaces/{variant}/notebooks"
        took = []
        connection.connect()
        for name in names:
            metadata = {**self._notebook["metadata"], "name": name, "namespace": variant}
            body = json.dumps({**self._notebook, "metadata": metadata})
            started = time.perf_counter()
            connection.request("POST", path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            content = answer.read()
            took.append(time.perf_counter() - started)
            if answer.status != http.client.CREATED:
                raise RuntimeError(f"{variant}: not created: {content.decode(errors='replace')[:500]}")
        connection.close()
        return took


def set_up(server: ApiServer, place: admission.Place, hook_port: int) -> None:
    """The four namespaces, and what stands before three of them; returns when each of the three refuses a bad one."""
    bundle = base64.b64encode(place.ca.read_bytes()).decode()
    objects: list[Object] = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in VARIANTS]
    objects += [_webhook("go", hook_port, bundle), _webhook("ours", place.port, bundle), *_policy()]
    server.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(objects))
    deadline = time.monotonic() + SETTLE_SECONDS
    while not all(_refuses(server, variant) for variant in VARIANTS[1:]):
        if time.monotonic() > deadline:
            raise RuntimeError("the webhooks and the policy are not in force")
        time.sleep(0.2)


def _refuses(server: ApiServer, variant: str) -> bool:
    bad = {
        "apiVersion": "kubeflow.org/v1",
        "kind": "Notebook",
        "metadata": {"name": "bad", "annotations": {"wheelwarden.dev/python-packages": "pakages: ["}},
        "spec": {"template": {"spec": {"containers": [{"name": "bad", "image": "i"}]}}},
    }
    try:
        server.kubectl("create", "--dry-run=server", "--namespace", variant, "-f", "-", stdin=json.dumps(bad))
    except Exception as error:  # kubectl's own, with what it said
        return "denied" in str(error)
    return False


def _selector(variant: str) -> Object:
    return {"matchLabels": {"kubernetes.io/metadata.name": variant}}


_RULES: Final = [
    {
        "apiGroups": ["kubeflow.org"],
        "apiVersions": ["v1"],
        "resources": ["notebooks"],
        "operations": ["CREATE", "UPDATE"],
    }
]


def _webhook(variant: str, port: int, bundle: str) -> Object:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": variant},
        "webhooks": [
            {
                "name": f"{variant}.bench.wheelwarden.dev",
                "clientConfig": {"url": f"https://localhost:{port}/validate", "caBundle": bundle},
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "failurePolicy": "Fail",
                "namespaceSelector": _selector(variant),
                "rules": _RULES,
            }
        ],
    }


def _policy() -> list[Object]:
    """Three expressions on what the Go hook looks at."""
    value = "object.metadata.?annotations['wheelwarden.dev/python-packages'].orValue('')"
    patterns = ('"packages"\\\\s*:', '"[A-Za-z0-9][A-Za-z0-9._-]*[^"]*"', '"indexUrl"\\\\s*:\\\\s*"https://[^"@ ]+"')
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": {"namespaceSelector": _selector("policy"), "resourceRules": _RULES},
        "validations": [{"expression": f"{value}.matches('{pattern}')"} for pattern in patterns],
    }
    group = "admissionregistration.k8s.io/v1"
    return [
        {"apiVersion": group, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": "policy"}, "spec": spec},
        {
            "apiVersion": group,
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": "policy"},
            "spec": {"policyName": "policy", "validationActions": ["Deny"]},
        },
    ]


@contextmanager
def running_hook(place: admission.Place, folder: Path) -> Iterator[int]:
    """The Go webhook, with the certificate of ours; its port."""
    secret = json.loads(place.secret.read_text())["data"]
    files = []
    _folder(folder)
    for name in ("tls.crt", "tls.key"):
        path = folder / name
        path.write_bytes(base64.b64decode(secret[name]))
        files.append(str(path))
    port = admission.free_port()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([build_hook(), f"127.0.0.1:{port}", *files], stdout=log, stderr=log)
    try:
        yield port
    finally:
        process.kill()
        process.wait()


def build_hook() -> Path:
    """The Go webhook's program, built once for each source."""
    sources = [HOOK / "go.mod", HOOK / "main.go"]
    digest = artifacts.digest_files(HOOK, sources)

    def make(partial: Path) -> None:
        go = binaries.find_go(artifacts.CACHE)
        log = artifacts.CACHE / "logs" / "hook-build.log"
        artifacts.run([go, "build", "-trimpath", "-o", partial, "."], log=log, cwd=HOOK)

    return artifacts.make_once(artifacts.CACHE / "hook" / f"hook-{digest}", make, what="Building the bare Go webhook")


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def _content(section: Object, name: str, folder: Path) -> bytes:
    """A certificate or key of a kubeconfig, which stands there or in a file."""
    inline = section.get(f"{name}-data")
    return base64.b64decode(inline) if inline else (folder / section[name]).read_bytes()
