"""`make bench`: measures, prints a table, writes build/bench.json. A goal that is missed is shown, and is no failure."""

import sys
import tempfile
from pathlib import Path

from tests.bench import admission, controlling, creating, execs, installing, machine, probing, starting
from tests.bench.figures import render, write
from tests.cluster import artifacts


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="wheelwarden-bench-") as folder:
        work = Path(folder)
        print("measuring: installing …", file=sys.stderr, flush=True)
        figures = installing.measure(work)
        print("measuring: probing …", file=sys.stderr, flush=True)
        figures += probing.measure()
        print("measuring: probing on a real node …", file=sys.stderr, flush=True)
        figures += execs.measure()
        print("measuring: starting on a real node …", file=sys.stderr, flush=True)
        figures += starting.measure()
        print("measuring: admission …", file=sys.stderr, flush=True)
        admitted, notes = admission.measure(work)
        figures += admitted
        print("measuring: creating …", file=sys.stderr, flush=True)
        created, more = creating.measure(work)
        figures += created
        notes += more
        print("measuring: controlling, some minutes …", file=sys.stderr, flush=True)
        controlled, more = controlling.measure(work)
        figures += controlled
        notes += more
    print(f"{machine.describe()}\n\n{render(figures)}")
    for note in notes:
        print(note)
    write(figures, artifacts.REPOSITORY / "build" / "bench.json")
    return 0


if __name__ == "__main__":
    sys.exit(main())
