"""Imports a module in several threads at the same time."""

import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from wheelwarden.payload.reliability.tasks.prelude import (
        FAILED_ELSEWHERE,
        error_with_traceback,
        import_name,
        report,
        task,
    )


errors: "list[dict[str, Any]]" = []
ready = threading.Barrier(task["workers"])


def work(worker: int) -> None:
    """Waits for all threads, then imports the module."""
    ready.wait()
    try:
        import_name(task["modules"][0])
    except BaseException as raised:
        errors.append({"worker": worker, "error": error_with_traceback(raised)})


threads = [threading.Thread(target=work, args=(number + 1,), daemon=True) for number in range(task["workers"])]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
errors.sort(key=lambda one: FAILED_ELSEWHERE in one["error"])  # failures that name the cause come first
report({"failed": len(errors), "errors": errors[: task["shown"]]})
