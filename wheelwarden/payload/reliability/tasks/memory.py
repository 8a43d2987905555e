"""How much more memory is in use after many imports."""

import gc
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wheelwarden.payload.reliability.tasks.prelude import bring, forget, task, tell, text


def used() -> int:
    """Bytes that are in memory."""
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


name, error, growth, again = task["modules"][0], None, None, False
try:
    for number in range(task["warm"] + task["repeats"]):
        if number == task["warm"]:
            before = used()
        bring(name)
        again = forget(name)
    growth = used() - before
except BaseException as raised:
    error = text(raised)
tell({"error": error, "growthBytes": growth, "loadedAgain": again})
