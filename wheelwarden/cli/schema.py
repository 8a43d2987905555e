"""`wheelwarden schema`: the schema of a request, for editors, pipelines and authors of operators."""

import argparse
import json

import yaml

from wheelwarden.cli import exits
from wheelwarden.cli.output import say
from wheelwarden.rules.request_schema import crd_fragment, json_schema

HELP = "print the JSON Schema of pythonPackages, or a CRD fragment"
DESCRIPTION = """
Print the JSON Schema (draft 2020-12) of spec.pythonPackages and of the annotation wheelwarden.dev/python-packages, for editors
and pipelines. With --crd, print YAML that the author of an operator merges into a CRD below openAPIV3Schema, so that the API
server does not drop fields of the request or the status.
"""
EPILOG = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the subcommand."""
    parser.add_argument("--crd", action="store_true", help="print a CRD fragment (YAML) instead")


def run(arguments: argparse.Namespace) -> int:
    """Print the schema, and return the exit code."""
    if arguments.crd:
        # Without anchors, because people merge the fragment by hand.
        say(yaml.dump(crd_fragment(), Dumper=_DumperWithoutAnchors, sort_keys=False, width=120), end="")
    else:
        say(json.dumps(json_schema(), indent=2))
    return exits.CLEAN


class _DumperWithoutAnchors(yaml.SafeDumper):
    def ignore_aliases(self, _: object) -> bool:
        """Write every value in full."""
        return True
