"""`python -m wheelwarden`: the command, where its script is not on the PATH."""

import sys

from wheelwarden.cli.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
