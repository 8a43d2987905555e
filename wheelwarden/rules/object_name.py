"""Rules on the name of the object itself: what its controller makes of it has to fit labels and pod names."""

from collections.abc import Iterable, Mapping
from typing import Final

from wheelwarden.api.kinds import KASPR_APP, NOTEBOOK, Kind, mapping_in, statefulset_name
from wheelwarden.api.redaction import shown
from wheelwarden.api.violations import Action
from wheelwarden.rules.rule import Finding, Rule, Subject

# A StatefulSet of a longer name makes no pod: the pod's label of its revision is the name and eleven characters, and a
# label holds 63 (seen on Kubernetes 1.34).
MAX_STATEFULSET_NAME: Final = 52
# Open Data Hub's controller has its StatefulSet named by the API server where the name is longer than that.
MAX_NAMES: Final[Mapping[Kind, int]] = {NOTEBOOK: 63, KASPR_APP: MAX_STATEFULSET_NAME - len(statefulset_name(""))}


def _name(subject: Subject) -> str:
    """The name; empty where the API server is to make one up."""
    name = mapping_in(subject.obj, "metadata").get("name")
    return name if isinstance(name, str) else ""


def _too_long(subject: Subject) -> Iterable[Finding]:
    most = MAX_NAMES[subject.kind]
    if len(_name(subject)) > most:
        what = "a label of its pods" if subject.kind is NOTEBOOK else "the StatefulSet that is named after it"
        yield _finding(subject, f"it does not fit {what}, so no pod is ever made", most)


def _long(subject: Subject) -> Iterable[Finding]:
    if subject.kind is NOTEBOOK and MAX_STATEFULSET_NAME < len(_name(subject)) <= MAX_NAMES[NOTEBOOK]:
        reason = (
            "Open Data Hub's controller does not find the pod of such a Notebook, so its conditions stay empty (events"
            " and the annotation last-result tell), and Kubeflow's own makes no pod"
        )
        yield _finding(subject, reason, MAX_STATEFULSET_NAME)


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


RULES: Final = (
    Rule(
        id="name-too-long",
        action=Action.DENY,
        summary="The name leaves room for what is made of it:"
        f" {MAX_NAMES[NOTEBOOK]} characters for a Notebook, {MAX_NAMES[KASPR_APP]} for a KasprApp",
        bad=_example(MAX_NAMES[NOTEBOOK] + 1),
        good=_example(MAX_STATEFULSET_NAME),
        check=_too_long,
    ),
    Rule(
        id="name-long",
        action=Action.WARN,
        summary=f"The name of a Notebook has at most {MAX_STATEFULSET_NAME} characters, as that of a StatefulSet has",
        bad=_example(MAX_STATEFULSET_NAME + 1),
        good=_example(MAX_STATEFULSET_NAME),
        check=_long,
    ),
)
