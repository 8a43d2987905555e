"""The exceptions that Wheelwarden raises.

Three cases have their own type: a malformed request (`MalformedRequest`), unusable input from a person
(`UnusableInput`), and a refusal or failure of the Kubernetes API (`KubeError`). A denied object is not an error: it is a
list of violations. Any other exception that reaches the top is a bug in Wheelwarden.
"""


class WheelwardenError(Exception):
    """Base class of Wheelwarden's exceptions; the text is safe to show to users."""


class MalformedRequest(WheelwardenError):
    """An HTTP request without a usable AdmissionReview; `status` is the HTTP status of the response."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class UnusableInput(WheelwardenError):
    """A file, argument or setting from a person that cannot be read or is not valid."""


class KubeError(WheelwardenError):
    """The Kubernetes API refused a request or failed.

    Args:
        status: HTTP status, 0 if there was no response.
        reason: the machine-readable reason of the Status object, such as `NotFound`.
        message: the API server's message, shortened; never headers or bodies.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message


class NotFound(KubeError):
    """404: the object, its kind or its namespace does not exist."""


class AlreadyExists(KubeError):
    """409 on create: an object with that name exists."""


class Conflict(KubeError):
    """409: the object changed since it was read, or a precondition did not hold."""


class Forbidden(KubeError):
    """401 or 403: our account lacks the permission."""


class Gone(KubeError):
    """410: the resource version is too old; list again."""


class Invalid(KubeError):
    """400 or 422: the API server rejected the object, or an admission webhook denied it."""


class Blocked(KubeError):
    """429 on an eviction: a PodDisruptionBudget does not allow it now."""


class Unreachable(KubeError):
    """No usable response: the connection was refused, timed out or broke."""


class _NoExitStatusError(KubeError):
    """A command in a pod returned no exit status; `stdout` has its output so far."""

    def __init__(self, status: int, reason: str, message: str, *, stdout: str = "") -> None:
        super().__init__(status, reason, message)
        self.stdout = stdout


class ExecTimeout(_NoExitStatusError):
    """A command in a pod returned no exit status in time."""


class ExecCut(_NoExitStatusError, Unreachable):
    """The connection to a command in a pod broke before its exit status arrived."""


class CommandTimeoutError(WheelwardenError, TimeoutError):
    """A command exceeded its deadline (package verification contract). Kept in the result, not raised to the caller."""


class ResourceNotFoundError(WheelwardenError):
    """The pod to verify does not exist (package verification contract)."""


class PodNotReadyError(WheelwardenError):
    """The pod to verify is not Running (package verification contract)."""


class ContainerNotFoundError(WheelwardenError):
    """The pod to verify has no container with that name (package verification contract)."""
