"""Exit codes of `wheelwarden`, the same for every subcommand."""

from typing import Final

CLEAN: Final = 0  # nothing is denied; there may be warnings
DENIED: Final = 1  # something is denied, or an import failed
UNUSABLE: Final = 2  # input or arguments that cannot be used; argparse has the same
OWN_FAULT: Final = 70  # EX_SOFTWARE of sysexits.h
INTERRUPTED: Final = 130  # 128 + SIGINT, as shells have it; test-image has 128 + the number of other signals too
BROKEN_PIPE: Final = 141  # 128 + SIGPIPE
