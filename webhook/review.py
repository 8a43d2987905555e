"""AdmissionReview v1: reading one, judging it, writing the answer. Pure: bytes and plain data in, plain data out.

Follows k8s.io/api/admission/v1. The API server takes an answer for granted only if it carries the request's uid.
"""

import base64
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from webhook.partial_json import TOO_DEEP, TOO_LONG, PartialRequest, read_partly
from wheelwarden.api.errors import MalformedRequest
from wheelwarden.api.kinds import WorkloadKind, kind_of, kind_of_unknown_version
from wheelwarden.api.objects import Object, mapping_in
from wheelwarden.api.redaction import shown
from wheelwarden.api.violations import Action, Violation
from wheelwarden.parsing.request import LocatedRequest, locate_request_of
from wheelwarden.rules import KnownSecret, judge, judge_version
from wheelwarden.rules.policy import Policy

API_VERSION: Final = "admission.k8s.io/v1"
KIND: Final = "AdmissionReview"
# Nothing else is ours to judge: a deletion can never be wrong.
JUDGED_OPERATIONS: Final = frozenset({"CREATE", "UPDATE"})
SHOWN_VIOLATIONS: Final = 100
# Above this many characters of all warnings together the API server cuts each to 256 (apiserver/pkg/warning and
# endpoints/filters/warning.go: truncateAtTotalRunes, truncateItemRunes).
WARNINGS_TOTAL: Final = 4096
WARNING_LENGTH: Final = 256


@dataclass(frozen=True, kw_only=True)
class Review:
    """What the API server asks about.

    Attributes:
        uid: to be given back.
        operation: CREATE, UPDATE, DELETE or CONNECT.
        group, version, kind: of the object, as the registration asked for it.
        subresource: empty for the object itself.
        namespace: empty for objects without one.
        name: empty where the API server makes it up later.
        obj: the object as it shall be; None for DELETE.
        old: the object as it was; None for CREATE.
    """

    uid: str
    operation: str
    group: str
    version: str
    kind: str
    subresource: str
    namespace: str
    name: str
    obj: Mapping[str, Any] | None
    old: Mapping[str, Any] | None

    @property
    def guarded_kind(self) -> WorkloadKind | None:
        """The guarded kind of the object, None where it is not ours."""
        return kind_of(f"{self.group}/{self.version}", self.kind)

    @cached_property
    def located(self) -> LocatedRequest | None:
        """What the object asks of us, read once; None where there is no object of a guarded kind."""
        kind = self.guarded_kind
        return None if self.obj is None or kind is None else locate_request_of(kind, self.obj)


def read_review(body: bytes) -> Review:
    """Reads the body of a request.

    Raises:
        MalformedRequest: it is no AdmissionReview v1; the text says why and quotes nothing of the body.
    """
    if not body:
        raise MalformedRequest(400, "the body is empty; send an AdmissionReview as JSON")
    partial = read_partly(body)
    review = None if partial is None else _partial_review(partial)
    if review is not None:
        return review
    try:
        data = json.loads(body)
    except RecursionError:
        raise MalformedRequest(400, TOO_DEEP) from None
    except UnicodeDecodeError:
        raise MalformedRequest(400, "the body is not UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise MalformedRequest(
            400, f"the body is not JSON: {error.msg} in line {error.lineno}, column {error.colno}"
        ) from None
    except ValueError:  # a number of thousands of digits
        raise MalformedRequest(400, TOO_LONG) from None
    if not isinstance(data, dict) or data.get("kind") != KIND:
        raise MalformedRequest(400, f"the body is JSON but no {KIND}: its kind has to be {KIND}")
    if data.get("apiVersion") != API_VERSION:
        given = shown(data.get("apiVersion"))
        raise MalformedRequest(400, f'the {KIND} is of version "{given}"; only {API_VERSION} is understood')
    request = data.get("request")
    if not isinstance(request, dict):
        raise MalformedRequest(400, f"the {KIND} holds no request")
    return _review(request)


def _partial_review(request: PartialRequest) -> Review | None:
    """The review; None where it lacks what it needs."""
    obj = None if request.object is None else request.object.mapping()
    if not request.uid or (obj is None and request.operation in JUDGED_OPERATIONS):
        return None
    return Review(
        uid=request.uid,
        operation=request.operation,
        group=request.kind.group,
        version=request.kind.version,
        kind=request.kind.kind,
        subresource=request.subResource or "",
        namespace=request.namespace or "",
        name=request.name or _text(mapping_in(obj or {}, "metadata"), "name"),
        obj=obj,
        old=None if request.oldObject is None else request.oldObject.mapping(),
    )


def _review(request: Mapping[str, Any]) -> Review:
    uid, operation = request.get("uid"), request.get("operation")
    if not isinstance(uid, str) or not uid or not isinstance(operation, str):
        raise MalformedRequest(400, "the request needs a uid and an operation, both of them strings")
    kind = mapping_in(request, "kind")
    obj, old = request.get("object"), request.get("oldObject")
    if operation in JUDGED_OPERATIONS and not isinstance(obj, dict):
        raise MalformedRequest(400, f"the request is a {operation} and has no object")
    return Review(
        uid=uid,
        operation=operation,
        group=_text(kind, "group"),
        version=_text(kind, "version"),
        kind=_text(kind, "kind"),
        subresource=_text(request, "subResource"),
        namespace=_text(request, "namespace"),
        name=_text(request, "name") or _text(mapping_in(obj if isinstance(obj, dict) else {}, "metadata"), "name"),
        obj=obj if isinstance(obj, dict) else None,
        old=old if isinstance(old, dict) else None,
    )


def find_violations(
    review: Review, policy: Policy, kinds: Collection[WorkloadKind], secret: KnownSecret | None = None
) -> list[Violation]:
    """Everything that is wrong with the object; nothing for what is not ours to judge."""
    if review.located is not None and is_judged(review, kinds):
        old = None if review.old is None else locate_request_of(review.located.kind, review.old)
        return judge(review.located, policy=policy, old=old, secret=secret)
    return judge_version(review.obj, policy) if review.obj is not None and _is_unknown(review, kinds) else []


def is_judged(review: Review, kinds: Collection[WorkloadKind]) -> bool:
    """Whether it is a creation or an update of a guarded object, and not of a part like its status."""
    return _is_whole(review) and review.located is not None and review.located.kind in kinds


def _is_unknown(review: Review, kinds: Collection[WorkloadKind]) -> bool:
    """Whether it is one in a version that we do not know, of which it is only said so."""
    if not _is_whole(review) or review.obj is None or review.guarded_kind is not None:
        return False
    return kind_of_unknown_version(_text(review.obj, "apiVersion"), _text(review.obj, "kind")) in kinds


def _is_whole(review: Review) -> bool:
    return review.operation in JUDGED_OPERATIONS and not review.subresource


def answer_violations(review: Review, violations: Sequence[Violation], notes: Sequence[str] = ()) -> Object:
    """The answer of /validate: refused where a violation denies, with all of them in the message; else with warnings.

    `notes` are warnings that come from no rule.
    """
    denials = [violation for violation in violations if violation.action is Action.DENY]
    warnings = [violation.message for violation in violations if violation.action is Action.WARN] + list(notes)
    if not denials:
        return allow(review, warnings=warnings)
    # 422 and no 403: a controller that applies objects must not take it for a missing right.
    status = {"code": 422, "reason": "Invalid", "message": describe_denials(review, denials)}
    return _document(review, {"allowed": False, "status": status}, warnings)


def describe_denials(review: Review, denials: Sequence[Violation]) -> str:
    """The text that kubectl prints after `denied the request: `, one violation a line."""
    count = f"{len(denials)} problems" if len(denials) > 1 else "1 problem"
    named = "/".join(part for part in (review.namespace, review.name) if part)
    what = f"{review.kind} {shown(named)}" if named else f"the {review.kind}"
    lines = [f"{count} in the Python packages that {what} asks for:"]
    lines += [f"  {number}. {denial.message}" for number, denial in enumerate(denials[:SHOWN_VIOLATIONS], start=1)]
    if len(denials) > SHOWN_VIOLATIONS:
        lines.append(f"  … and {len(denials) - SHOWN_VIOLATIONS} more; `wheelwarden check FILE` lists them all")
    return "\n".join(lines)


def allow(review: Review, *, patch: Sequence[Object] = (), warnings: Sequence[str] = ()) -> Object:
    """The answer that admits, with a JSON patch (RFC 6902) where there is one."""
    response: Object = {"allowed": True}
    if patch:
        response["patchType"] = "JSONPatch"
        response["patch"] = base64.b64encode(json.dumps(patch, separators=(",", ":")).encode()).decode()
    return _document(review, response, warnings)


def fit_warnings(warnings: Sequence[str]) -> list[str]:
    """Warnings as the API server passes them on: on one line each, all whole, or each cut at 256 characters."""
    # One with a control character would be dropped (k8s.io/apimachinery/pkg/util/net.NewWarningHeader).
    lines = [
        one if one.isprintable() else "".join(letter if letter.isprintable() else " " for letter in one)
        for one in warnings
    ]
    if sum(map(len, lines)) <= WARNINGS_TOTAL:
        return lines
    cut = [line if len(line) <= WARNING_LENGTH else f"{line[: WARNING_LENGTH - 1]}…" for line in lines]
    room = WARNINGS_TOTAL // WARNING_LENGTH
    return cut if len(cut) <= room else [*cut[: room - 1], f"… and {len(cut) - room + 1} more warnings"]


def _document(review: Review, response: Object, warnings: Sequence[str]) -> Object:
    response = {"uid": review.uid, **response}
    if warnings:
        response["warnings"] = fit_warnings(warnings)
    return {"apiVersion": API_VERSION, "kind": KIND, "response": response}


def _text(fields: Mapping[str, Any], key: str) -> str:
    value = fields.get(key)
    return value if isinstance(value, str) else ""
