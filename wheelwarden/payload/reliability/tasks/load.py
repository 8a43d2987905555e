"""Imports a module while other threads are busy."""

import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wheelwarden.payload.reliability.tasks.prelude import error_with_traceback, import_name, report, task


def busy() -> None:
    """Runs until the interpreter exits after the import."""
    while True:
        for _ in range(task["turns"]):
            pass


threads = [threading.Thread(target=busy, daemon=True) for _ in range(task["threads"])]
for thread in threads:
    thread.start()
try:
    import_name(task["modules"][0])
    error = None
except BaseException as raised:
    error = error_with_traceback(raised)
report({"error": error})
