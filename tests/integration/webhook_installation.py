"""The chart installed on the test's API server, and the webhook run beside it: as a process, or inside a test.

Everything is the chart's: environment, rights, registrations. Only the Service is missing on a machine without nodes, so
the registrations are pointed at a port of this machine, and the certificate is asked for the name `localhost`.
"""

import asyncio
import base64
import contextlib
import os
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.chart.helm import CHART, Helm, find_helm
from tests.cluster.apiserver import ApiServer
from tests.integration.standin_objects import ROOT, kaspr_app, make_namespace, until
from webhook.settings import Settings, read_settings
from wheelwarden.api.objects import Object
from wheelwarden.kube import MUTATING_WEBHOOKS, NAMESPACES, SECRETS, VALIDATING_WEBHOOKS, Cluster

RELEASE = "door"
NAME = "door-wheelwarden"
SECRET = "door-wheelwarden-certificate"
VALUES: Mapping[str, Any] = {"tools": {"image": "registry.example.com/wheelwarden-tools:1"}}


@dataclass(frozen=True, kw_only=True, slots=True)
class Process:
    """A webhook process; `log` is what it said so far."""

    port: int
    health: int
    popen: "subprocess.Popen[bytes]"
    log_file: Path

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    def stop(self) -> int:
        self.popen.terminate()
        return self.popen.wait(timeout=60)

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.health}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    async def is_ready(self) -> bool:
        if self.popen.poll() is not None:
            raise AssertionError(f"the webhook ended with {self.popen.returncode}: {self.log}")
        return (await asyncio.to_thread(self.get, "/readyz"))[0] == 200


class Installation:
    """The chart of one test."""

    def __init__(self, api: ApiServer, cluster: Cluster, home: str, environment: Mapping[str, str]) -> None:
        self.api = api
        self.cluster = cluster
        self.home = home
        self.environment = environment

    def settings(self, *, port: int = 0) -> Settings:
        """For a webhook inside the test."""
        return read_settings({**self.environment, "WHEELWARDEN_LISTEN": f"127.0.0.1:{port}"})

    async def point_to(self, port: int) -> None:
        """Lets the API server call a port of this machine."""
        for resource in (VALIDATING_WEBHOOKS, MUTATING_WEBHOOKS):
            registration = await self.cluster.get(resource, NAME)
            for hook in registration["webhooks"]:
                path = (
                    hook["clientConfig"].get("service", {}).get("path")
                    or "/" + hook["clientConfig"]["url"].rpartition("/")[2]
                )
                bundle = {key: value for key, value in hook["clientConfig"].items() if key == "caBundle"}
                hook["clientConfig"] = {"url": f"https://localhost:{port}{path}", **bundle}
            await self.cluster.replace(resource, registration)

    async def bundles(self) -> set[str]:
        """What the registrations trust, as PEM."""
        found = set()
        for resource in (VALIDATING_WEBHOOKS, MUTATING_WEBHOOKS):
            for hook in (await self.cluster.get(resource, NAME))["webhooks"]:
                found.add(base64.b64decode(hook["clientConfig"].get("caBundle", "")).decode())
        return found

    async def secret(self) -> dict[str, bytes]:
        data = (await self.cluster.get(SECRETS, SECRET, self.home)).get("data") or {}
        return {key: base64.b64decode(value) for key, value in data.items()}

    async def write_secret(self, data: Mapping[str, bytes]) -> None:
        secret = await self.cluster.get(SECRETS, SECRET, self.home)
        secret["data"] = {key: base64.b64encode(value).decode() for key, value in data.items()}
        await self.cluster.replace(SECRETS, secret, self.home)

    @contextlib.contextmanager
    def process(self, folder: Path, **environment: str) -> Iterator[Process]:
        """A webhook process with the chart's environment; ended when the block is left."""
        port, health = free_ports(2)
        log_file = folder / f"webhook-{port}.log"
        with log_file.open("wb") as log:
            popen = subprocess.Popen(
                [sys.executable, "-m", "webhook"],
                cwd=ROOT,
                env={
                    **os.environ,
                    **self.environment,
                    "WHEELWARDEN_LISTEN": f"127.0.0.1:{port}",
                    "WHEELWARDEN_HEALTH_LISTEN": f"127.0.0.1:{health}",
                    **environment,
                },
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            process = Process(port=port, health=health, popen=popen, log_file=log_file)
            try:
                yield process
            finally:
                # At once: ending well takes seconds and has a test of its own.
                popen.kill()
                popen.wait()

    @contextlib.asynccontextmanager
    async def running(self, folder: Path, **environment: str) -> AsyncIterator[Process]:
        """A webhook process that is ready and called by the API server."""
        with self.process(folder, **environment) as process:
            await self.point_to(process.port)
            await until(process.is_ready)
            await self.wait_for_call()
            yield process

    async def wait_for_call(self) -> None:
        """Waits until the API server knows the registrations: it learns of them a moment after they are written."""
        bad = kaspr_app_of("probe", ["not a requirement!"])

        async def is_denied() -> bool:
            return "denied the request" in await self.try_to_create(bad, "default", dry_run=True)

        await until(is_denied)

    async def try_to_create(self, body: Object, namespace: str, *, dry_run: bool = False) -> str:
        """kubectl's own words on creating an object: its output and errors."""
        words = ["create", "--namespace", namespace, "-f", "-", *(["--dry-run=server"] if dry_run else [])]
        return await asyncio.to_thread(self._kubectl, words, yaml.safe_dump(body))

    def _kubectl(self, words: list[str], stdin: str) -> str:
        done = subprocess.run(
            [find_helm().parent / "kubectl", "--kubeconfig", str(self.api.kubeconfig), *words],
            input=stdin, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        return done.stderr + done.stdout


def kaspr_app_of(name: str, packages: list[str], **more: Any) -> Object:
    """A KasprApp on its operator's own image: one of its own beside packages is worth a warning."""
    obj = kaspr_app(name, pythonPackages={"packages": packages, **more})
    del obj["spec"]["image"]
    return obj


@contextlib.asynccontextmanager
async def installed(
    api: ApiServer, folder: Path, values: Mapping[str, Any] | None = None
) -> AsyncIterator[Installation]:
    """The chart in a namespace of its own, with a kubeconfig that has the rights of its service account."""
    helm = Helm(binary=find_helm(), kubeconfig=api.kubeconfig)
    values = {**VALUES, **(values or {})}
    async with await Cluster.connect(kubeconfig=api.kubeconfig, field_manager="wheelwarden-test") as cluster:
        home = await make_namespace(cluster, "door-")
        rendered = helm.render(values, release=RELEASE, namespace=home)
        helm.run("install", RELEASE, str(CHART), "--namespace", home, values=values)
        try:
            token = api.kubectl("create", "token", NAME, "--namespace", home).strip()
            kubeconfig = folder / "kubeconfig"
            config = yaml.safe_load(Path(api.kubeconfig).read_text())
            for user in config["users"]:
                user["user"] = {"token": token}
            kubeconfig.write_text(yaml.safe_dump(config))
            policy = folder / "policy.yaml"
            policy.write_text(rendered.one("ConfigMap")["data"]["policy.yaml"])
            environment = {
                **environment_of(rendered.one("Deployment")),
                "WHEELWARDEN_NAMESPACE": home,
                "WHEELWARDEN_SERVICE": "localhost",
                "WHEELWARDEN_POLICY_FILE": str(policy),
                "WHEELWARDEN_KUBECONFIG": str(kubeconfig),
                "WHEELWARDEN_LISTEN": "127.0.0.1:0",
                "WHEELWARDEN_HEALTH_LISTEN": "127.0.0.1:0",
            }
            yield Installation(api, cluster, home, environment)
        finally:
            helm.run("uninstall", RELEASE, "--namespace", home, "--no-hooks")  # nobody runs Jobs here
            await cluster.delete(NAMESPACES, home)


def environment_of(deployment: Object) -> dict[str, str]:
    """The literal environment of the webhook's container."""
    [container] = [one for one in deployment["spec"]["template"]["spec"]["containers"] if one["name"] == "webhook"]
    return {variable["name"]: variable["value"] for variable in container["env"] if "value" in variable}


def trusting(bundle: str) -> ssl.SSLContext:
    """A client's context that trusts a bundle and nothing else."""
    return ssl.create_default_context(cadata=bundle)


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
