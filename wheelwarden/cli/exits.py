"""Exit codes of `wheelwarden`, the same for every subcommand."""

from typing import Final

CLEAN: Final = 0  # no object is denied, all imports succeeded; there may be warnings
DENIED: Final = 1  # an object is denied, or an import failed
UNUSABLE: Final = 2  # unusable input or arguments; argparse uses the same code
OWN_FAULT: Final = 70  # a bug in Wheelwarden; EX_SOFTWARE of sysexits.h
INTERRUPTED: Final = 130  # 128 + SIGINT, as in shells; `interrupts` uses 128 + the number for other signals too
BROKEN_PIPE: Final = 141  # 128 + SIGPIPE
