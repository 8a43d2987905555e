"""The errors of Wheelwarden: what may be raised, and by whom.

Three different things have one type each: a malformed request (`MalformedRequest`), input that a person gave and that
cannot be used (`UnusableInput`), and a refusal or fault of the Kubernetes API (`KubeError`). A denied object is no
error: it is a list of violations. Anything else that escapes is our own fault.
"""


class WheelwardenError(Exception):
    """Base of everything that Wheelwarden raises on purpose; its text is fit to be shown to people."""


class MalformedRequest(WheelwardenError):  # noqa: N818 - named for what it says
    """An HTTP request that is no AdmissionReview we can judge; `status` is the HTTP status to answer with."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class UnusableInput(WheelwardenError):  # noqa: N818 - named for what it says
    """A file, argument or setting given by a person that cannot be read or understood."""


class KubeError(WheelwardenError):
    """The Kubernetes API refused or failed.

    Args:
        status: HTTP status, 0 where no answer came.
        reason: the machine-readable reason of the Status object, such as `NotFound`.
        message: the API server's own message, shortened; never headers or bodies.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message


class NotFound(KubeError):  # noqa: N818 - the API's own word
    """404: the object, its kind or its namespace is not there."""


class AlreadyExists(KubeError):  # noqa: N818 - the API's own word
    """409 on create: an object of that name is there."""


class Conflict(KubeError):  # noqa: N818 - the API's own word
    """409: the object changed since it was read, or a precondition did not hold."""


class Forbidden(KubeError):  # noqa: N818 - the API's own word
    """401 or 403: our account lacks the right."""


class Gone(KubeError):  # noqa: N818 - the API's own word
    """410: the resource version is too old; list again."""


class Invalid(KubeError):  # noqa: N818 - the API's own word
    """400 or 422: the API server does not accept the object, or an admission webhook denied it."""


class Blocked(KubeError):  # noqa: N818 - named for what it says
    """429 on an eviction: a PodDisruptionBudget does not allow it now."""


class Unreachable(KubeError):  # noqa: N818 - named for what it says
    """No usable answer: connection refused, timed out or cut."""


class _NoExitStatusError(KubeError):
    """A command in a pod gave no exit status; `stdout` has what it printed until then."""

    def __init__(self, status: int, reason: str, message: str, *, stdout: str = "") -> None:
        super().__init__(status, reason, message)
        self.stdout = stdout


class ExecTimeout(_NoExitStatusError):  # noqa: N818 - named for what it says
    """A command in a pod gave no exit status in time."""


class ExecCut(_NoExitStatusError, Unreachable):  # noqa: N818 - named for what it says
    """The connection of a command in a pod ended before its exit status came."""


class CommandTimeoutError(WheelwardenError, TimeoutError):
    """A command passed its deadline (package verification contract); kept in the result, never raised to its caller."""


class ResourceNotFoundError(WheelwardenError):
    """The pod to verify does not exist (package verification contract)."""


class PodNotReadyError(WheelwardenError):
    """The pod to verify is not Running (package verification contract)."""


class ContainerNotFoundError(WheelwardenError):
    """The pod to verify has no container of that name (package verification contract)."""
