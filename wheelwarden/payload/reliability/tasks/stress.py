"""Imports a module repeatedly."""

from time import monotonic, sleep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from wheelwarden.payload.reliability.tasks.prelude import error_with_traceback, import_name, report, task, unload


done, failed, again = 0, 0, True
errors: "list[dict[str, Any]]" = []
for number in range(task["each"]):
    try:
        import_name(task["modules"][0])
        done += 1
    except BaseException as raised:
        failed += 1
        if len(errors) < task["shown"]:
            errors.append({"iteration": number + 1, "at": monotonic(), "error": error_with_traceback(raised)})
    again = unload(task["modules"][0]) and again
    sleep(0.001)
report({"done": done, "failed": failed, "errors": errors, "loadedAgain": again})
