"""`python -m wheelwarden`: the command, for when the script `wheelwarden` is not on the PATH."""

import sys

from wheelwarden.cli.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
