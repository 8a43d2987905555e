"""`python -m tools.generated write|verify`, and `hosts HOST…`, which adds to the known public indexes."""

import sys

from tools.generated import FILES, ROOT, add_public_hosts, stale_files
from wheelwarden.rules.public_hosts import DATA


def main() -> int:
    """0 where everything is as the code has it now, 1 where verify found something stale."""
    if sys.argv[1:2] == ["hosts"]:
        print(f"{add_public_hosts(sys.argv[2:])} known: {DATA.relative_to(ROOT)}")
        return 0
    stale = stale_files()
    if sys.argv[1:] == ["write"]:
        for path in stale:
            path.parent.mkdir(exist_ok=True)
            path.write_text(FILES[path]())
            print(f"written: {path.relative_to(ROOT)}")
        return 0
    for path in stale:
        print(f"stale: {path.relative_to(ROOT)}: run `make generate` and commit it", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
