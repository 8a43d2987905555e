"""Rules on the name of the object itself: what its controller makes of it has to fit labels and pod names."""

from collections.abc import Iterable
from typing import Final

from wheelwarden.api.kinds import MAX_STATEFULSET_NAME, all_kinds
from wheelwarden.api.objects import mapping_in
from wheelwarden.api.redaction import shown
from wheelwarden.api.violations import Action
from wheelwarden.rules.rule import Finding, Rule, Subject


def _name(subject: Subject) -> str:
    """The name; empty where the API server is to make one up."""
    name = mapping_in(subject.obj, "metadata").get("name")
    return name if isinstance(name, str) else ""


def _too_long(subject: Subject) -> Iterable[Finding]:
    limit = subject.kind.max_name
    if len(_name(subject)) > limit.most:
        yield _finding(subject, limit.reason, limit.most)


def _long(subject: Subject) -> Iterable[Finding]:
    limit = subject.kind.advised_name
    if limit is not None and limit.most < len(_name(subject)) <= subject.kind.max_name.most:
        yield _finding(subject, limit.reason, limit.most)


def _finding(subject: Subject, reason: str, most: int) -> Finding:
    name = _name(subject)
    return Finding(
        path="metadata.name",
        value=shown(name),
        reason=f"it has {len(name)} characters: {reason}",
        remedy=f"Choose a name of at most {most} characters",
    )


def _example(length: int) -> str:
    return f"metadata: {{name: {'a' * length}, annotations: {{wheelwarden.dev/verify-imports: numpy}}}}"


_LIMITS: Final = ", ".join(f"{kind.max_name.most} for a {kind.name}" for kind in all_kinds())
_ADVISED: Final = " or ".join(f"a {kind.name}" for kind in all_kinds() if kind.advised_name is not None)

RULES: Final = (
    Rule(
        id="name-too-long",
        action=Action.DENY,
        summary=f"The name leaves room for what is made of it. Characters: {_LIMITS}",
        bad=_example(max(kind.max_name.most for kind in all_kinds()) + 1),
        good=_example(MAX_STATEFULSET_NAME),
        check=_too_long,
    ),
    Rule(
        id="name-long",
        action=Action.WARN,
        summary=f"The name of {_ADVISED} has at most {MAX_STATEFULSET_NAME} characters, as that of a StatefulSet has",
        bad=_example(MAX_STATEFULSET_NAME + 1),
        good=_example(MAX_STATEFULSET_NAME),
        check=_long,
    ),
)
