"""`python -m tests.standins --kubeconfig PATH`: both stand-in controllers in one process, until SIGTERM or SIGINT."""

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from tests.standins import kaspr_operator, notebook_controller
from tests.standins.kaspr_operator import KasprOperator
from tests.standins.notebook_controller import NotebookController
from wheelwarden.api.errors import UnusableInput
from wheelwarden.kube import Cluster


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.standins", description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, help="default: $KUBECONFIG or ~/.kube/config")
    parser.add_argument("--context", help="default: the kubeconfig's current one")
    parser.add_argument(
        "--replace-seconds",
        type=float,
        default=kaspr_operator.REPLACE_SECONDS,
        help="how often env and volumes of a KasprApp's StatefulSet are replaced (default: %(default)g)",
    )
    parser.add_argument(
        "--stale-seconds",
        type=float,
        default=kaspr_operator.STALE_SECONDS,
        help="how often a KasprApp's conditions are rewritten, from what was read that long ago (default: %(default)g)",
    )
    try:
        asyncio.run(_run(parser.parse_args()))
    except UnusableInput as error:
        print(error, file=sys.stderr)
        return 2
    return 0


async def _run(arguments: argparse.Namespace) -> None:
    where = {"kubeconfig": arguments.kubeconfig, "context": arguments.context}
    async with (
        await Cluster.connect(**where, field_manager=notebook_controller.FIELD_MANAGER) as for_notebooks,
        await Cluster.connect(**where, field_manager=kaspr_operator.FIELD_MANAGER) as for_apps,
    ):
        operator = KasprOperator(
            for_apps, replace_seconds=arguments.replace_seconds, stale_seconds=arguments.stale_seconds
        )
        work = asyncio.gather(NotebookController(for_notebooks).run(), operator.run())
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, work.cancel)
        try:
            await work
        except asyncio.CancelledError:
            return  # told to stop


if __name__ == "__main__":
    sys.exit(main())
