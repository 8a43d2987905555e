"""`make fuzz`: a million inputs through the rules, on two processes; COUNT and SEED can be set."""

import argparse
import json
import random
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from tests.fuzz import fails, inputs, shrink

PORTION = 5000


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000_000))
    arguments = parser.parse_args()
    print(
        f"{arguments.count:,} inputs; again with: make fuzz COUNT={arguments.count} SEED={arguments.seed}", flush=True
    )
    started = shown = time.monotonic()
    portions = [(arguments.seed + at, min(PORTION, arguments.count - at)) for at in range(0, arguments.count, PORTION)]
    done = 0
    with ProcessPoolExecutor(2) as pool:
        for count, failure in pool.map(run, portions):
            done += count
            if failure is not None:
                pool.shutdown(cancel_futures=True)
                print(f"FAILED: {failure[0]}\n{failure[1]}")
                return 1
            if time.monotonic() - shown > 10 or done == arguments.count:
                shown = time.monotonic()
                print(f"{done:,} done, {done / (shown - started):,.0f}/s", flush=True)
    print("nothing found")
    return 0


def run(portion: tuple[int, int]) -> tuple[int, tuple[str, str] | None]:
    """How many inputs were tried, and the first that failed: why, and the smallest form of it as JSON."""
    seed, count = portion
    for obj in inputs(seed, count):
        if problem := fails(obj):
            return count, (problem, json.dumps(shrink(obj), ensure_ascii=True, default=repr))
    return count, None


if __name__ == "__main__":
    sys.exit(main())
