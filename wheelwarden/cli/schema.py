"""`wheelwarden schema`: what a request may look like, for editors, pipelines and operators."""

import argparse
import json

import yaml

from wheelwarden.cli import exits
from wheelwarden.cli.output import say
from wheelwarden.rules.request_schema import crd_fragment, json_schema

HELP = "print the JSON Schema of the request, or a fragment for a CRD"
DESCRIPTION = """
Prints the JSON Schema (draft 2020-12) of spec.pythonPackages, which is that of the annotation wheelwarden.dev/python-packages
too. With --crd it prints YAML for an operator's CRD, to be merged below openAPIV3Schema: with it the API server prunes
nothing of the request and of the status.
"""
EPILOG = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the subcommand."""
    parser.add_argument("--crd", action="store_true", help="a fragment of a CRD (YAML) instead")


def run(arguments: argparse.Namespace) -> int:
    """Prints it, and returns the exit code."""
    if arguments.crd:
        # A dumper that writes everything out: anchors are no part of what people merge by hand.
        say(yaml.dump(crd_fragment(), Dumper=_Plain, sort_keys=False, width=120), end="")
    else:
        say(json.dumps(json_schema(), indent=2))
    return exits.CLEAN


class _Plain(yaml.SafeDumper):
    def ignore_aliases(self, _: object) -> bool:
        """Never an anchor."""
        return True
