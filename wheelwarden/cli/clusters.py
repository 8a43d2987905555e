"""The arguments that select the cluster, the same for every subcommand."""

import argparse
from pathlib import Path


def add_cluster_arguments(parser: argparse.ArgumentParser) -> None:
    """`--kubeconfig` and `--context`, as kubectl has them."""
    parser.add_argument(
        "--kubeconfig", metavar="FILE", type=Path, help="kubeconfig file (default: the one that kubectl uses)"
    )
    parser.add_argument("--context", help="context in the kubeconfig (default: the current one)")
