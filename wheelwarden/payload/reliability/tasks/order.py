"""Imports modules in order, and checks whether both results are the same object."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wheelwarden.payload.reliability.tasks.prelude import error_with_traceback, import_name, report, task

error, found, classes = None, [], False
try:
    for name in task["modules"]:
        found.append(import_name(name, task["call"]))  # noqa: PERF401 - a comprehension would add a frame to the traceback
    classes = all(isinstance(one, type) for one in found)
except BaseException as raised:
    error = error_with_traceback(raised)
report({"error": error, "same": error is None and found[0] is found[1], "classes": classes})
