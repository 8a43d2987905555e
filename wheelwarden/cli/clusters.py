"""Which cluster a subcommand speaks to: the arguments that all of them have."""

import argparse
from pathlib import Path


def add_cluster_arguments(parser: argparse.ArgumentParser) -> None:
    """`--kubeconfig` and `--context`, as kubectl has them."""
    parser.add_argument("--kubeconfig", metavar="FILE", type=Path, help="default: as kubectl finds it")
    parser.add_argument("--context", help="context of the kubeconfig (default: the current one)")
