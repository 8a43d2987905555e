"""Prints the text of a program: `python -m wheelwarden.payload install`."""

import sys

from wheelwarden.payload import bundle

sys.stdout.write(bundle(sys.argv[1]))
