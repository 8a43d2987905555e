"""Reads of an AdmissionReview what somebody asks for: a review of 7 KB holds some 200 values, and a rule looks at twenty.

The whole body is checked to be JSON; of the objects in it, the fields of `metadata` and `spec` are decoded when they are
looked at. What is unusual in any way is left to the reader of whole bodies, which knows what to say of it.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

import msgspec

from wheelwarden.api.errors import MalformedRequest

TOO_DEEP: Final = "the body is nested too deeply to be an AdmissionReview"
TOO_LONG: Final = "the body holds a number that is too long"


class PartlyRead(Mapping[str, Any]):
    """A JSON object whose values are decoded when they are asked for, each once.

    Args:
        raw: the text of each value, which is JSON.
    """

    __slots__ = ("_raw", "_values")

    def __init__(self, raw: dict[str, msgspec.Raw]) -> None:
        self._raw = raw
        self._values: dict[str, Any] = {}

    def __getitem__(self, key: str) -> Any:
        """One value. Raises KeyError, and MalformedRequest where it is nested too deeply or holds a number that is too long."""
        if key not in self._values:
            self._values[key] = _decode(self._raw[key])
        return self._values[key]

    def get(self, key: str, default: Any = None) -> Any:
        """One value, `default` where there is none."""
        return self[key] if key in self._raw else default

    def __contains__(self, key: object) -> bool:
        return key in self._raw

    def __iter__(self) -> Iterator[str]:
        return iter(self._raw)

    def __len__(self) -> int:
        return len(self._raw)


class PartialObject(msgspec.Struct, gc=False):
    """A Kubernetes object; what is left out of it is not kept."""

    apiVersion: Any = msgspec.UNSET  # noqa: N815 - the API's own names
    kind: Any = msgspec.UNSET
    metadata: dict[str, msgspec.Raw] | msgspec.UnsetType = msgspec.UNSET
    spec: dict[str, msgspec.Raw] | msgspec.UnsetType = msgspec.UNSET

    def mapping(self) -> dict[str, Any]:
        """The object as everybody reads objects."""
        parts = {"apiVersion": self.apiVersion, "kind": self.kind}
        parts["metadata"] = PartlyRead(self.metadata) if isinstance(self.metadata, dict) else self.metadata
        parts["spec"] = PartlyRead(self.spec) if isinstance(self.spec, dict) else self.spec
        return {name: value for name, value in parts.items() if value is not msgspec.UNSET}


class GroupVersionKind(msgspec.Struct, gc=False):
    """What the registration asked for the object as."""

    group: str = ""
    version: str = ""
    kind: str = ""


class PartialRequest(msgspec.Struct, gc=False):
    """The request of a review."""

    uid: str
    operation: str
    kind: GroupVersionKind
    subResource: str | None = None  # noqa: N815 - the API's own names
    namespace: str | None = None
    name: str | None = None
    object: PartialObject | None = None
    oldObject: PartialObject | None = None  # noqa: N815 - the API's own names


class _PartialReview(msgspec.Struct, gc=False):
    kind: Literal["AdmissionReview"]
    apiVersion: Literal["admission.k8s.io/v1"]  # noqa: N815 - the API's own names
    request: PartialRequest


_REVIEW: Final = msgspec.json.Decoder(_PartialReview)
_VALUE: Final = msgspec.json.Decoder()


def read_partly(body: bytes) -> PartialRequest | None:
    """The request of an AdmissionReview v1; None where the body is anything else, or unusual."""
    try:
        if not body.isascii():
            body.decode()  # what is skipped is not decoded otherwise
        return _REVIEW.decode(body).request
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def _decode(raw: msgspec.Raw) -> Any:
    try:
        try:
            return _VALUE.decode(raw)
        except msgspec.MsgspecError:  # half of a surrogate pair, a number that no float holds
            return json.loads(bytes(raw))
    except RecursionError:  # the body was checked with more of the stack free
        raise MalformedRequest(400, TOO_DEEP) from None
    except ValueError:
        raise MalformedRequest(400, TOO_LONG) from None
