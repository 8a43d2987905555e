"""The webhook for the admission benchmark: `python -m tests.bench.webhook_server PORT KUBECONFIG SECRET`.

The program's own server, client library and all; only what it would read from an API server comes from a file: its
Secret, and registrations that trust it already.
"""

import asyncio
import json
import signal
import sys
from pathlib import Path

from certs.store import CA_KEY
from webhook.install_containers import Tools
from webhook.server import Server
from webhook.settings import Settings
from wheelwarden.api.kinds import KINDS
from wheelwarden.api.names import DOMAIN
from wheelwarden.api.objects import Object
from wheelwarden.kube import SECRETS, Cluster, Resource
from wheelwarden.logs import set_up_logging
from wheelwarden.rules.policy_watcher import PolicyFile
from wheelwarden.settings import Address

NAMESPACE = "wheelwarden"
SERVICE = "localhost"  # by that name the API server calls it


class FileCluster(Cluster):
    """Answers reads of the Secret and of the registrations, and nothing else."""

    secret: Object

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object:
        if resource == SECRETS:
            return self.secret
        bundle = self.secret["data"][CA_KEY]
        return {"webhooks": [{"name": f"validate.{DOMAIN}", "clientConfig": {"caBundle": bundle}}]}


async def serve(port: int, kubeconfig: Path, secret: Path) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    settings = Settings(
        log_level="info",
        log_format="text",
        namespace=NAMESPACE,
        pod_name="",
        pod_uid="",
        kinds=tuple(KINDS),
        policy_file=None,
        kubeconfig=kubeconfig,
        listen=Address(host="127.0.0.1", port=port),
        health_listen=Address(host="127.0.0.1", port=0),
        service=SERVICE,
        certificate_secret="wheelwarden-webhook",
        registration="wheelwarden",
        tools=Tools(enabled=True, image="registry.example.com/wheelwarden:0", pull_policy="IfNotPresent"),
    )
    set_up_logging(settings.log_level, settings.log_format)
    async with await FileCluster.connect(kubeconfig=kubeconfig, field_manager="wheelwarden-webhook") as cluster:
        assert isinstance(cluster, FileCluster)
        cluster.secret = json.loads(secret.read_text())
        await Server(settings, cluster, PolicyFile(settings.policy_file)).run(stop)


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])))
