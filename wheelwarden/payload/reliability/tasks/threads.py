"""One import by several threads at once."""

import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from wheelwarden.payload.reliability.tasks.prelude import LOST, bring, task, tell, told


errors: "list[dict[str, Any]]" = []
ready = threading.Barrier(task["workers"])


def work(worker: int) -> None:
    """What each thread does."""
    ready.wait()
    try:
        bring(task["modules"][0])
    except BaseException as raised:
        errors.append({"worker": worker, "error": told(raised)})


threads = [threading.Thread(target=work, args=(number + 1,), daemon=True) for number in range(task["workers"])]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
errors.sort(key=lambda one: LOST in one["error"])  # who knows the cause comes first
tell({"failed": len(errors), "errors": errors[: task["shown"]]})
