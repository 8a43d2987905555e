"""Entry point of the command `wheelwarden`: arguments, subcommands, and errors as one line each."""

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


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code (see `exits`); no input makes it end in a stack trace.

    Raises:
        SystemExit: by argparse, for `--help`, `--version` and arguments that are not understood.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a file name need not be valid text
    arguments = _parser().parse_args(argv)
    try:
        code: int = arguments.run(arguments)
        if sys.stdout is not None:  # closed by the caller
            sys.stdout.flush()
    except WheelwardenError as error:
        complain(str(error))
        return exits.UNUSABLE
    except KeyboardInterrupt:
        complain("interrupted")
        return exits.INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has had enough; Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exits.BROKEN_PIPE
    except Exception as error:
        complain(f"this is a fault of Wheelwarden, please report it: {type(error).__name__}: {shown(str(error))}")
        return exits.OWN_FAULT
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="wheelwarden", description="Guards Python packages on Kubernetes.")
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
