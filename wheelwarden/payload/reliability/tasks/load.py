"""One import beside busy threads."""

import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wheelwarden.payload.reliability.tasks.prelude import bring, task, tell, told


def busy() -> None:
    """Until the import has ended, and with it this interpreter."""
    while True:
        for _ in range(task["turns"]):
            pass


threads = [threading.Thread(target=busy, daemon=True) for _ in range(task["threads"])]
for thread in threads:
    thread.start()
try:
    bring(task["modules"][0])
    error = None
except BaseException as raised:
    error = told(raised)
tell({"error": error})
