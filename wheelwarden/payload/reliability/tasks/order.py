"""Modules one after the other, and whether what they give is one object."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wheelwarden.payload.reliability.tasks.prelude import bring, task, tell, told

error, found, classes = None, [], False
try:
    for name in task["modules"]:
        found.append(bring(name, task["call"]))  # noqa: PERF401 - a comprehension is a frame of its own in the traceback
    classes = all(isinstance(one, type) for one in found)
except BaseException as raised:
    error = told(raised)
tell({"error": error, "same": error is None and found[0] is found[1], "classes": classes})
