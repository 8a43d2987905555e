"""Imports a module once and measures time and peak memory."""

import resource
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wheelwarden.payload.reliability.tasks.prelude import advice, error_with_traceback, import_name, report, task


start = time.perf_counter()
error = hint = None
try:
    import_name(task["modules"][0], task["call"])
except BaseException as raised:
    error, hint = error_with_traceback(raised), advice(raised, task["modules"][0])
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
report({"error": error, "advice": hint, "seconds": seconds, "peakBytes": peak})
