"""`python -m tests.demo`: inside a local cluster; with `--current`, on the cluster of the current kubectl context."""

import argparse
import os
import signal
import sys
from types import FrameType
from urllib.parse import urlsplit

from tests.demo.narrator import Narrator, StepError
from tests.demo.stage import StageError, current_cluster
from tests.demo.story import Setting, tell

NAMESPACE = "wheelwarden-demo"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.demo", description=__doc__)
    parser.add_argument("--current", action="store_true", help="play on the current kubectl context")
    parser.add_argument("--image", default="", help="with --current: the Wheelwarden image, which the cluster can pull")
    parser.add_argument("--workload-image", default="", help="with --current: an image with python3 (default: --image)")
    arguments = parser.parse_args()
    # Also where a shell that put us into the background had it ignored.
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        if arguments.current:
            with current_cluster(arguments.image, arguments.workload_image, NAMESPACE) as (narrator, setting):
                tell(narrator, setting)
        else:
            tell(*_local_cluster())
    except (StepError, StageError) as error:
        print(f"\n✗ {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; everything the demo made was removed", file=sys.stderr)
        return 130
    print("\nThe demo is over: every step happened.")
    return 0


def _local_cluster() -> tuple[Narrator, Setting]:
    """The cluster that `python -m tests.cluster run` has made around us."""
    try:
        index_url, image = os.environ["INDEX_URL"], os.environ["PYTHON_IMAGE"]
    except KeyError as error:
        raise StageError(
            f"{error} is not set: run `make demo`, which makes a cluster, or CLUSTER=current make demo"
        ) from error
    narrator = Narrator(kubectl=["kubectl"], namespace=NAMESPACE)
    narrator.run("create", "namespace", NAMESPACE, show=False)
    host = urlsplit(index_url).netloc
    return narrator, Setting(image=image, index_url=index_url, index_host=host)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
