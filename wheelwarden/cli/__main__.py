"""Entry point of the command `wheelwarden`: arguments, subcommands, and errors as single lines."""

import argparse
import importlib
import io
import os
import sys
from collections.abc import Sequence
from typing import Final

from wheelwarden import __version__
from wheelwarden.api.errors import WheelwardenError
from wheelwarden.api.redaction import shown
from wheelwarden.cli import exits
from wheelwarden.cli.output import complain

# Each is a module of this package with HELP, DESCRIPTION, EPILOG, add_arguments and run.
SUBCOMMANDS: Final = ("check", "results", "rules", "schema", "test-image", "verify")
DESCRIPTION: Final = (
    "Wheelwarden installs the Python packages that Notebooks and KasprApps on Kubernetes request, and verifies that they can "
    "be imported. This command checks manifests before you apply them, and verifies imports in pods and images."
)
EPILOG: Final = "Run `wheelwarden COMMAND --help` for the options of a command."


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code (see `exits`). No input causes a traceback.

    Raises:
        SystemExit: raised by argparse for `--help`, `--version` and invalid arguments.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a file name may not be valid text
    arguments = _parser().parse_args(argv)
    try:
        code: int = arguments.run(arguments)
        if sys.stdout is not None:  # None if the caller closed it
            sys.stdout.flush()
    except WheelwardenError as error:
        complain(str(error))
        return exits.UNUSABLE
    except KeyboardInterrupt:
        complain("interrupted")
        return exits.INTERRUPTED
    except BrokenPipeError:
        # The reader of our output closed the pipe. Without this, Python reports it again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exits.BROKEN_PIPE
    except Exception as error:
        complain(f"this is a bug in Wheelwarden, please report it: {type(error).__name__}: {shown(str(error))}")
        return exits.OWN_FAULT
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="wheelwarden", description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("--version", action="version", version=f"wheelwarden {__version__}")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for name in SUBCOMMANDS:
        module = importlib.import_module(f"wheelwarden.cli.{name.replace('-', '_')}")
        subparser = subparsers.add_parser(
            name, help=module.HELP, description=module.DESCRIPTION.strip(), epilog=module.EPILOG or None
        )
        module.add_arguments(subparser)
        subparser.set_defaults(run=module.run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
