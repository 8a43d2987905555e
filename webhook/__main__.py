"""`wheelwarden-webhook`: reads its settings, connects, and serves until SIGTERM."""

import asyncio
import os
import signal
import sys

from webhook.server import Server
from webhook.settings import Settings, read_settings
from wheelwarden.api.errors import WheelwardenError
from wheelwarden.kube import Cluster
from wheelwarden.logs import set_up_logging
from wheelwarden.rules.policy_watcher import PolicyFile


def main() -> int:
    """Runs the webhook; returns its exit code: 0 after SIGTERM or SIGINT, 2 where it cannot start."""
    try:
        settings = read_settings(os.environ)
        set_up_logging(settings.log_level, settings.log_format)
        asyncio.run(_serve(settings))
    except (WheelwardenError, OSError) as error:
        print(f"wheelwarden-webhook: {error}", file=sys.stderr)  # noqa: T201 - logging may not be set up yet
        return 2
    return 0


async def _serve(settings: Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    policy = PolicyFile(settings.policy_file)
    async with await Cluster.connect(kubeconfig=settings.kubeconfig, field_manager="wheelwarden-webhook") as cluster:
        await Server(settings, cluster, policy).run(stop)


if __name__ == "__main__":
    sys.exit(main())
