"""One import again and again."""

from time import monotonic, sleep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from wheelwarden.payload.reliability.tasks.prelude import bring, forget, task, tell, told


done, failed, again = 0, 0, True
errors: "list[dict[str, Any]]" = []
for number in range(task["each"]):
    try:
        bring(task["modules"][0])
        done += 1
    except BaseException as raised:
        failed += 1
        if len(errors) < task["shown"]:
            errors.append({"iteration": number + 1, "at": monotonic(), "error": told(raised)})
    again = forget(task["modules"][0]) and again
    sleep(0.001)
tell({"done": done, "failed": failed, "errors": errors, "loadedAgain": again})
