"""What one Notebook or KasprApp asks of us: read once, for rules, webhook, controller and CLI alike."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from wheelwarden.api import names
from wheelwarden.api.kinds import PACKAGES_FIELD, WorkloadKind, kind_of
from wheelwarden.api.objects import annotations_of, mapping_in
from wheelwarden.api.redaction import shown
from wheelwarden.api.request import INSTALLS, ROLLOUTS, Request
from wheelwarden.api.violations import Action, Violation, key_path
from wheelwarden.parsing.packages_hash import compute_packages_hash
from wheelwarden.parsing.packages_spec import (
    Content,
    Reading,
    content_of_annotation,
    content_of_data,
    read_annotation,
    read_content,
    read_packages,
)

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
_OUR_PREFIXES: Final = (f"{names.DOMAIN}/", f"notebooks.{names.DOMAIN}/")
_SEPARATORS: Final = re.compile(r"[,\n]")
_WRONG_NAMED: Final = 100  # annotations that are no strings: no user has more, and one is enough to refuse an object


@dataclass(frozen=True, kw_only=True, slots=True)
class LocatedRequest:
    """What one object asks of us, read, with the places where it stands.

    Attributes:
        obj: the whole object.
        kind: Notebook or KasprApp.
        annotations: all of the object; offline, a value may be no string.
        own_keys: those of them that are under our domain and that a user wrote, known or not.
        base: where packages stand in objects of this kind.
        content: what the packages are remembered by; None where there are none, or too many.
        reading: the packages; None where none are asked for.
        modules: the entries of `verify-imports`, as written.
        wrong_annotations: violations of shape outside of the packages.
    """

    obj: Mapping[str, Any]
    kind: WorkloadKind
    annotations: Mapping[str, Any]
    own_keys: tuple[str, ...]
    base: str
    content: Content | None
    reading: Reading | None
    modules: tuple[str, ...]
    wrong_annotations: tuple[Violation, ...]

    @property
    def asks(self) -> bool:
        """Whether the object asks anything of us, rightly or wrongly."""
        return bool(self.own_keys) or mapping_in(self.obj, "spec").get("pythonPackages") is not None

    def own_part(self) -> tuple[Any, dict[str, Any]]:
        """The part of the object that is for us, as it is written, to compare two versions of it."""
        packages = mapping_in(self.obj, "spec").get("pythonPackages")
        return packages, {key: self.annotations[key] for key in self.own_keys}

    def request(self) -> Request:
        """What is asked for, without the places; what has the wrong shape is left out of it."""
        metadata = mapping_in(self.obj, "metadata")
        generation = metadata.get("generation")
        packages = self.reading.spec if self.reading is not None and self.reading.spec.packages else None
        rollout = _text(self.annotations, names.ROLLOUT_ANNOTATION).strip()
        install = _text(self.annotations, names.INSTALL_ANNOTATION).strip()
        return Request(
            kind=self.kind,
            namespace=_text(metadata, "namespace"),
            name=_text(metadata, "name"),
            uid=_text(metadata, "uid"),
            generation=generation if isinstance(generation, int) else None,
            packages=packages,
            packages_hash="" if packages is None else compute_packages_hash(packages),
            verify_imports=self.modules,
            rollout=rollout if rollout in ROLLOUTS else self.kind.default_rollout,
            install=install if install in INSTALLS else None,
            verify_now=_text(self.annotations, names.VERIFY_NOW_ANNOTATION),
        )


def locate_request(obj: Mapping[str, Any]) -> LocatedRequest | None:
    """Reads one object, once for rules, webhook and controller; None where its kind is not ours. Nothing makes it raise.

    Args:
        obj: a whole object as the API server or a file gives it, apiVersion and kind included.
    """
    kind = kind_of_object(obj)
    return None if kind is None else locate_request_of(kind, obj)


def locate_request_of(kind: WorkloadKind, obj: Mapping[str, Any]) -> LocatedRequest:
    """Reads one object of which it is known that it is of that kind; see `locate_request`."""
    annotations = annotations_of(obj)
    keys = _our_keys(annotations)
    base = packages_path(kind)
    content, reading = _read_packages_of(obj, kind, annotations, base)
    return LocatedRequest(
        obj=obj,
        kind=kind,
        annotations=annotations,
        own_keys=keys,
        base=base,
        content=content,
        reading=reading,
        modules=split_modules(_text(annotations, names.VERIFY_IMPORTS_ANNOTATION)),
        wrong_annotations=_wrong_annotations(annotations, keys),
    )


def _our_keys(annotations: Mapping[str, Any]) -> tuple[str, ...]:
    """The keys under our domain that a user wrote, known or not."""
    return tuple(
        [
            key
            for key in annotations
            if isinstance(key, str) and key.startswith(_OUR_PREFIXES) and key not in _OWN_WRITING
        ]
    )


def kind_of_object(obj: Mapping[str, Any]) -> WorkloadKind | None:
    """The guarded kind of an object, None where it is not ours."""
    api_version, kind = obj.get("apiVersion"), obj.get("kind")
    return kind_of(api_version, kind) if isinstance(api_version, str) and isinstance(kind, str) else None


def packages_path(kind: WorkloadKind) -> str:
    """Where objects of a kind keep their packages: `spec.pythonPackages`, or the annotation."""
    return PACKAGES_FIELD if kind.packages_field else key_path(ANNOTATIONS_PATH, names.PACKAGES_ANNOTATION)


def _read_packages_of(
    obj: Mapping[str, Any], kind: WorkloadKind, annotations: Mapping[str, Any], base: str
) -> tuple[Content | None, Reading | None]:
    """The packages that an object asks for, None where it asks for none; and what they are remembered by."""
    if kind.packages_field:
        data = mapping_in(obj, "spec").get("pythonPackages")
        if data is None:
            return None, None
        content = content_of_data(data)
        return content, read_packages(data, base) if content is None else read_content(content, base)
    text = annotations.get(names.PACKAGES_ANNOTATION)
    if not isinstance(text, str):
        return None, None
    content = content_of_annotation(text)
    return content, read_annotation(text, base) if content is None else read_content(content, base)


def _wrong_annotations(annotations: Mapping[str, Any], keys: Iterable[str]) -> tuple[Violation, ...]:
    """Values of our annotations that are no strings, as only a file can have them: the API server refuses these."""
    violations = []
    wrong = [key for key in keys if not isinstance(annotations[key], str)]
    for key in wrong[:_WRONG_NAMED]:
        value = annotations[key]
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
    return tuple(violations)


def split_modules(text: str) -> tuple[str, ...]:
    """The entries of a `verify-imports` annotation, separated by commas or newlines; each once, in their order."""
    return tuple(dict.fromkeys(entry for part in _SEPARATORS.split(text) if (entry := part.strip())))


def _text(fields: Mapping[str, Any], key: str) -> str:
    value = fields.get(key)
    return value if isinstance(value, str) else ""
