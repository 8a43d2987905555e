"""What one Notebook or KasprApp asks of us: read once, for rules, webhook, controller and CLI alike."""

import re
from collections.abc import Mapping
from typing import Any, Final

from wheelwarden.api import names
from wheelwarden.api.kinds import PACKAGES_FIELD, WorkloadKind, kind_of
from wheelwarden.api.objects import annotations_of, mapping_in
from wheelwarden.api.redaction import shown
from wheelwarden.api.request import INSTALLS, ROLLOUTS, Request
from wheelwarden.api.violations import Action, Violation, key_path
from wheelwarden.parsing.packages_hash import compute_packages_hash
from wheelwarden.parsing.packages_spec import Reading, read_annotation, read_packages

ANNOTATIONS_PATH: Final = "metadata.annotations"

# What we write ourselves: no part of what a user asks for.
_OWN_WRITING: Final = frozenset(
    {
        names.POD_HASH_ANNOTATION,
        names.POD_WORKLOAD_ANNOTATION,
        names.POD_PROBED_ANNOTATION,
        names.POD_RESULTS_ANNOTATION,
        names.POD_COUNTED_ANNOTATION,
        names.LAST_RESULT_ANNOTATION,
    }
)
_USER_ANNOTATIONS: Final = frozenset(names.USER_ANNOTATIONS)
_OUR_PREFIXES: Final = (f"{names.DOMAIN}/", f"notebooks.{names.DOMAIN}/")
_SEPARATORS: Final = re.compile(r"[,\n]")


def read_request(obj: Mapping[str, Any]) -> tuple[Request | None, list[Violation]]:
    """Reads one object, and says what is wrong with the shape of its request.

    Args:
        obj: a whole object as the API server or a file gives it, apiVersion and kind included.

    Returns:
        The request, None where the kind is not ours; what has the wrong shape is left out of it. And the violations of
        shape; `wheelwarden.rules.judge` gives these and all others.
    """
    kind = kind_of_object(obj)
    if kind is None:
        return None, []
    reading = read_packages_of(obj, kind)
    metadata = mapping_in(obj, "metadata")
    annotations = annotations_of(obj)
    generation = metadata.get("generation")
    packages = reading.spec if reading is not None and reading.spec.packages else None
    rollout = _text(annotations, names.ROLLOUT_ANNOTATION).strip()
    install = _text(annotations, names.INSTALL_ANNOTATION).strip()
    request = Request(
        kind=kind,
        namespace=_text(metadata, "namespace"),
        name=_text(metadata, "name"),
        uid=_text(metadata, "uid"),
        generation=generation if isinstance(generation, int) else None,
        packages=packages,
        packages_hash="" if packages is None else compute_packages_hash(packages),
        verify_imports=split_modules(_text(annotations, names.VERIFY_IMPORTS_ANNOTATION)),
        rollout=rollout if rollout in ROLLOUTS else kind.default_rollout,
        install=install if install in INSTALLS else None,
        verify_now=_text(annotations, names.VERIFY_NOW_ANNOTATION),
    )
    return request, [*(reading.violations if reading else ()), *wrong_annotations(annotations)]


def asks_anything(obj: Mapping[str, Any]) -> bool:
    """Whether the object carries `spec.pythonPackages` or an annotation that users write for us."""
    return mapping_in(obj, "spec").get("pythonPackages") is not None or not _USER_ANNOTATIONS.isdisjoint(
        annotations_of(obj)
    )


def own_part(obj: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The part of an object that is for us, to compare two versions of it: `pythonPackages` and our annotations."""
    annotations = annotations_of(obj)
    return mapping_in(obj, "spec").get("pythonPackages"), {key: annotations[key] for key in our_keys(annotations)}


def our_keys(annotations: Mapping[str, Any]) -> list[str]:
    """The keys under our domain that a user wrote, known or not."""
    return [
        key for key in annotations if isinstance(key, str) and key.startswith(_OUR_PREFIXES) and key not in _OWN_WRITING
    ]


def kind_of_object(obj: Mapping[str, Any]) -> WorkloadKind | None:
    """The guarded kind of an object, None where it is not ours."""
    api_version, kind = obj.get("apiVersion"), obj.get("kind")
    return kind_of(api_version, kind) if isinstance(api_version, str) and isinstance(kind, str) else None


def packages_path(kind: WorkloadKind) -> str:
    """Where objects of a kind keep their packages: `spec.pythonPackages`, or the annotation."""
    return PACKAGES_FIELD if kind.packages_field else key_path(ANNOTATIONS_PATH, names.PACKAGES_ANNOTATION)


def read_packages_of(obj: Mapping[str, Any], kind: WorkloadKind) -> Reading | None:
    """The packages that an object asks for, None where it asks for none."""
    if kind.packages_field:
        data = mapping_in(obj, "spec").get("pythonPackages")
        return None if data is None else read_packages(data, PACKAGES_FIELD)
    text = annotations_of(obj).get(names.PACKAGES_ANNOTATION)
    return read_annotation(text, packages_path(kind)) if isinstance(text, str) else None


def wrong_annotations(annotations: Mapping[str, Any]) -> list[Violation]:
    """Values of our annotations that are no strings, as only a file can have them: the API server refuses these."""
    violations = []
    for key in our_keys(annotations):
        value = annotations[key]
        if not isinstance(value, str):
            packages = key == names.PACKAGES_ANNOTATION and isinstance(value, Mapping | list)
            violations.append(
                Violation(
                    rule="shape-type",
                    action=Action.DENY,
                    path=key_path(ANNOTATIONS_PATH, key),
                    value=shown(value),
                    reason="the value of an annotation is a string, and this is none",
                    remedy='Begin it with "|" and indent the lines below it' if packages else "Write it in quotes",
                )
            )
    return violations


def split_modules(text: str) -> tuple[str, ...]:
    """The entries of a `verify-imports` annotation, separated by commas or newlines; each once, in their order."""
    return tuple(dict.fromkeys(entry for part in _SEPARATORS.split(text) if (entry := part.strip())))


def _text(fields: Mapping[str, Any], key: str) -> str:
    value = fields.get(key)
    return value if isinstance(value, str) else ""
