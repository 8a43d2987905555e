"""One import: how long it takes, and how much memory."""

import resource
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wheelwarden.payload.reliability.tasks.prelude import advice, bring, task, tell, told


start = time.perf_counter()
error = hint = None
try:
    bring(task["modules"][0], task["call"])
except BaseException as raised:
    error, hint = told(raised), advice(raised, task["modules"][0])
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
tell({"error": error, "advice": hint, "seconds": seconds, "peakBytes": peak})
