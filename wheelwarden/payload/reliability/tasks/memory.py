"""Measures the memory growth over many imports."""

import gc
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wheelwarden.payload.reliability.tasks.prelude import error_text, import_name, report, task, unload


def used() -> int:
    """The resident memory in bytes."""
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


name, error, growth, again = task["modules"][0], None, None, False
try:
    for number in range(task["warm"] + task["repeats"]):
        if number == task["warm"]:
            before = used()
        import_name(name)
        again = unload(name)
    growth = used() - before
except BaseException as raised:
    error = error_text(raised)
report({"error": error, "growthBytes": growth, "loadedAgain": again})
