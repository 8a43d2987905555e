"""Plain data into `PackagesSpec`: every shape that is wrong, each with its path, and all that could be read.

Only shapes are judged here: types, unknown fields, missing ones. What a value may be is the business of
`wheelwarden.rules`. Null means left out, as everywhere in Kubernetes.
"""

import marshal
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

from wheelwarden.api.redaction import shown
from wheelwarden.api.types import Bucket, Cache, InstallPolicy, PackagesSpec, Resources, SecretRef
from wheelwarden.api.violations import Action, Violation, item_path, key_path
from wheelwarden.parsing.documents import UnreadableDocument, read_value
from wheelwarden.parsing.suggestions import nearest

# Kubernetes keeps at most this much in all annotations of an object together (apimachinery, TotalAnnotationSizeLimitB).
MAX_ANNOTATION_CHARACTERS: Final = 256 * 1024
_REMEMBERED_LENGTH: Final = 4096  # characters, or bytes of plain data: a hundred requirements and more
_MARSHAL_VERSION: Final = 2  # the last one that writes equal data alike
# Looking for what was meant costs some 50 µs a field: enough for people, not enough to keep the webhook busy.
_UNKNOWN_NAMED: Final = 20
# Of one list or mapping; beyond it entries are left out, or no longer named one by one: a body of 3 MB, the most that an
# API server takes, holds a million, and each costs some 10 µs and a kilobyte. `packages` has its limit in the policy.
_MAX_ENTRIES: Final = 1000

SPEC_FIELDS: Final = (
    "packages",
    "indexUrl",
    "extraIndexUrls",
    "trustedHosts",
    "credentials",
    "cache",
    "installPolicy",
    "resources",
)
_SECRET_REF_FIELDS: Final = ("name", "usernameKey", "passwordKey")
_CACHE_FIELDS: Final = ("type", "enabled", "storageClass", "size", "accessMode", "deleteClaim", "gcs")
_GCS_FIELDS: Final = ("bucket", "prefix", "maxArchiveSize", "secretRef")
_GCS_SECRET_REF_FIELDS: Final = ("name", "key")
_INSTALL_POLICY_FIELDS: Final = ("retries", "timeout", "onFailure")
_RESOURCES_FIELDS: Final = ("requests", "limits")


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """What came of reading one `pythonPackages`.

    Attributes:
        spec: all that could be read; a field of the wrong shape has its default.
        violations: every wrong shape, in the order of the fields.
        positions: for a list of which entries were left out: the original index of each entry that was kept.
    """

    spec: PackagesSpec
    violations: tuple[Violation, ...] = ()
    positions: Mapping[str, Sequence[int]] = field(default_factory=lambda: MappingProxyType({}))

    def lost(self, base: str, *fields: str) -> bool:
        """Whether one of the fields may have been meant and could not be read: nothing is said of what is not there.

        Args:
            base: where the packages stand.
            fields: paths below it, such as `indexUrl` or `cache.gcs`.
        """
        return bool(self.violations) and any(self._lost(f"{base}.{name}") for name in fields)

    def _lost(self, path: str) -> bool:
        parent, _, name = path.rpartition(".")
        for violation in self.violations:
            if violation.rule == "shape-unknown-field":
                # A misspelt name of it.
                if violation.path.startswith(parent) and nearest(violation.path[len(parent) :].strip(".[]"), (name,)):
                    return True
            elif violation.rule in ("shape-syntax", "shape-type") and (
                # Of the field itself, of something in it, or of something around it.
                f"{violation.path}.".startswith((f"{path}.", f"{path}[")) or path.startswith(f"{violation.path}.")
            ):
                return True
        return False


def read_packages(data: object, path: str) -> Reading:
    """Reads plain data, as from `spec.pythonPackages`.

    Args:
        data: any plain data whatsoever; nothing makes it raise.
        path: where it stands, for the violations.
    """
    reader = _Reader()
    spec = reader.spec(data, path)
    return Reading(spec=spec, violations=tuple(reader.violations), positions=reader.positions)


Content = str | bytes


def content_of_annotation(text: str) -> Content | None:
    """What the reading of an annotation is remembered by; None where it is too long for that."""
    return text if len(text) <= _REMEMBERED_LENGTH else None


def content_of_data(data: Any) -> Content | None:
    """What the reading of plain data is remembered by; None where it is too long for that, or no plain data."""
    try:
        packed = marshal.dumps(data, _MARSHAL_VERSION)
    except ValueError:
        return None
    return packed if len(packed) <= _REMEMBERED_LENGTH else None


# An admission controller sees the same packages again and again: at dry run, at creation, at every update.
@lru_cache(maxsize=256)
def read_content(content: Content, path: str) -> Reading:
    """Reads an annotation or plain data by its content, as `read_annotation` and `read_packages` do."""
    if isinstance(content, str):
        return read_annotation(content, path)
    return read_packages(marshal.loads(content), path)  # noqa: S302 - written by this process


def read_annotation(text: str, path: str) -> Reading:
    """Reads the YAML or JSON text of the annotation `wheelwarden.dev/python-packages`; nothing makes it raise."""
    if len(text) > MAX_ANNOTATION_CHARACTERS:
        problem = f"it has {len(text)} characters, more than the {MAX_ANNOTATION_CHARACTERS} that Kubernetes keeps"
        return Reading(spec=PackagesSpec(), violations=(_unreadable(path, problem),))
    try:
        data = read_value(text)
    except UnreadableDocument as error:
        return Reading(spec=PackagesSpec(), violations=(_unreadable(path, f"it is not YAML or JSON: {error}"),))
    return read_packages({} if data is None else data, path)


def _unreadable(path: str, problem: str) -> Violation:
    return Violation(
        rule="shape-syntax",
        action=Action.DENY,
        path=path,
        value=None,
        reason=problem,
        remedy="Write a mapping such as {packages: [requests==2.31.0]}, in YAML or JSON",
    )


class _Reader:
    """Walks plain data and gathers violations."""

    def __init__(self) -> None:
        self.violations: list[Violation] = []
        self.positions: dict[str, Sequence[int]] = {}

    def spec(self, data: object, path: str) -> PackagesSpec:
        fields = self._mapping(data, path, SPEC_FIELDS)
        if fields is None:
            return PackagesSpec()
        credentials = self._mapping(fields.get("credentials"), f"{path}.credentials", ("secretRef",))
        return PackagesSpec(
            packages=self._strings(fields, "packages", path),
            index_url=self._string(fields, "indexUrl", path),
            extra_index_urls=self._first(self._strings(fields, "extraIndexUrls", path), f"{path}.extraIndexUrls"),
            trusted_hosts=self._first(self._strings(fields, "trustedHosts", path), f"{path}.trustedHosts"),
            credentials=None if credentials is None else self._secret_ref(credentials, f"{path}.credentials"),
            cache=self._cache(fields, f"{path}.cache"),
            install_policy=self._install_policy(fields, f"{path}.installPolicy"),
            resources=self._resources(fields, f"{path}.resources"),
        )

    def _secret_ref(self, credentials: Mapping[str, Any], path: str) -> SecretRef | None:
        if credentials.get("secretRef") is None:
            self._missing(path, "secretRef", "Name the Secret that holds user and password: secretRef: {name: NAME}")
            return None
        path = f"{path}.secretRef"
        fields = self._mapping(credentials["secretRef"], path, _SECRET_REF_FIELDS)
        if fields is None:
            return None
        name = self._string(fields, "name", path)
        given = {
            "username_key": self._string(fields, "usernameKey", path),
            "password_key": self._string(fields, "passwordKey", path),
        }
        if name is None:
            if fields.get("name") is None:
                self._missing(path, "name", "Name a Secret of the same namespace")
            return None
        return SecretRef(name=name, **{key: value for key, value in given.items() if value is not None})

    def _cache(self, spec: Mapping[str, Any], path: str) -> Cache:
        fields = self._mapping(spec.get("cache"), path, _CACHE_FIELDS)
        if fields is None:
            return Cache()
        given = {
            "type": self._string(fields, "type", path),
            "enabled": self._boolean(fields, "enabled", path),
            "storage_class": self._string(fields, "storageClass", path),
            "size": self._quantity(fields, "size", path),
            "access_mode": self._string(fields, "accessMode", path),
            "delete_claim": self._boolean(fields, "deleteClaim", path),
            "gcs": self._bucket(fields, f"{path}.gcs"),
        }
        return Cache(**{key: value for key, value in given.items() if value is not None})  # type: ignore[arg-type]

    def _bucket(self, cache: Mapping[str, Any], path: str) -> Bucket | None:
        fields = self._mapping(cache.get("gcs"), path, _GCS_FIELDS)
        if fields is None:
            return None
        for name in ("bucket", "secretRef"):
            if fields.get(name) is None:
                self._missing(path, name, "See the Kaspr operator's documentation of cache.gcs")
        given = {
            "bucket": self._string(fields, "bucket", path),
            "prefix": self._string(fields, "prefix", path),
            "max_archive_size": self._quantity(fields, "maxArchiveSize", path),
        }
        secret = self._mapping(fields.get("secretRef"), f"{path}.secretRef", _GCS_SECRET_REF_FIELDS)
        if secret is not None:
            if secret.get("name") is None:
                self._missing(f"{path}.secretRef", "name", "Name a Secret of the same namespace")
            given["secret_name"] = self._string(secret, "name", f"{path}.secretRef")
            given["secret_key"] = self._string(secret, "key", f"{path}.secretRef")
        return Bucket(**{key: value for key, value in given.items() if value is not None})

    def _install_policy(self, spec: Mapping[str, Any], path: str) -> InstallPolicy:
        fields = self._mapping(spec.get("installPolicy"), path, _INSTALL_POLICY_FIELDS)
        if fields is None:
            return InstallPolicy()
        given = {
            "retries": self._integer(fields, "retries", path),
            "timeout": self._integer(fields, "timeout", path),
            "on_failure": self._string(fields, "onFailure", path),
        }
        return InstallPolicy(**{key: value for key, value in given.items() if value is not None})  # type: ignore[arg-type]

    def _resources(self, spec: Mapping[str, Any], path: str) -> Resources | None:
        fields = self._mapping(spec.get("resources"), path, _RESOURCES_FIELDS)
        if fields is None:
            return None
        return Resources(
            requests=self._quantities(fields, "requests", path), limits=self._quantities(fields, "limits", path)
        )

    def _mapping(self, value: object, path: str, known: Iterable[str]) -> Mapping[str, Any] | None:
        """The mapping, unknown fields reported; None where it is left out or no mapping."""
        if value is None:
            return None
        if not isinstance(value, Mapping):
            self._wrong_type(path, value, "a mapping of fields", f"Write fields under it: {', '.join(known)}")
            return None
        unknown = [name for name in value if name not in known]
        for name in unknown[:_UNKNOWN_NAMED]:
            self._unknown(path, name, known)
        if len(unknown) > _UNKNOWN_NAMED:
            reason = f"{len(unknown)} fields are not known here; the first {_UNKNOWN_NAMED} of them are named"
            self._add("shape-unknown-field", path, None, reason, f"Known here: {', '.join(known)}")
        return value

    def _strings(self, fields: Mapping[str, Any], name: str, path: str) -> tuple[str, ...]:
        value = fields.get(name)
        if value is None:
            return ()
        path = f"{path}.{name}"
        if not isinstance(value, list | tuple):
            remedy = (
                f'Write it as an entry of a list, after a "-", under {name}'
                if isinstance(value, str)
                else "Write a list"
            )
            self._wrong_type(path, value, "a list of strings", remedy)
            return ()
        if all(isinstance(entry, str) for entry in value):
            return tuple(value)
        kept = []
        wrong = 0
        for index, entry in enumerate(value):
            if isinstance(entry, str):
                kept.append(index)
                continue
            wrong += 1
            if wrong <= _MAX_ENTRIES:
                self._wrong_type(item_path(path, index), entry, "a string", _quote_remedy(entry))
        if wrong > _MAX_ENTRIES:
            reason = f"{wrong} entries are no strings; the first {_MAX_ENTRIES} of them are named"
            self._add("shape-type", path, None, reason, "Write a list of strings")
        self.positions[name] = kept
        return tuple(value[index] for index in kept)

    def _first(self, entries: tuple[Any, ...], path: str) -> tuple[Any, ...]:
        """As many entries as are read of a list or mapping; that there are more is said."""
        if len(entries) > _MAX_ENTRIES:
            reason = f"it has {len(entries)} entries, more than {_MAX_ENTRIES}, and only those were read"
            self._add("shape-type", path, None, reason, "Drop those that are not needed")
        return entries[:_MAX_ENTRIES]

    def _string(self, fields: Mapping[str, Any], name: str, path: str) -> str | None:
        value = fields.get(name)
        if value is None or isinstance(value, str):
            return value
        self._wrong_type(f"{path}.{name}", value, "a string", _quote_remedy(value))
        return None

    def _boolean(self, fields: Mapping[str, Any], name: str, path: str) -> bool | None:
        value = fields.get(name)
        if value is None or isinstance(value, bool):
            return value
        self._wrong_type(f"{path}.{name}", value, "true or false", "Write true or false, without quotes")
        return None

    def _integer(self, fields: Mapping[str, Any], name: str, path: str) -> int | None:
        value = fields.get(name)
        if value is None or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        if isinstance(value, float) and value.is_integer():
            return int(value)
        self._wrong_type(f"{path}.{name}", value, "a whole number", "Write a whole number, without quotes or a unit")
        return None

    def _quantity(self, fields: Mapping[str, Any], name: str, path: str) -> str | None:
        """A quantity as text; Kubernetes takes numbers as well, `size: 1073741824` say."""
        value = fields.get(name)
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() <= 128:
            return str(value)
        if isinstance(value, float) and math.isfinite(value):
            return repr(value)
        self._wrong_type(
            key_path(path, name), value, "a quantity", "Write a number with an optional unit, such as 256Mi"
        )
        return None

    def _quantities(self, fields: Mapping[str, Any], name: str, path: str) -> Mapping[str, str]:
        value = fields.get(name)
        if value is None:
            return {}
        path = f"{path}.{name}"
        if not isinstance(value, Mapping):
            self._wrong_type(
                path, value, "a mapping of quantities", "Write resource names with quantities: memory: 1Gi"
            )
            return {}
        quantities = {}
        for key in self._first(tuple(value), path):
            quantity = self._quantity(value, key, path) if isinstance(key, str) else None
            if quantity is not None:
                quantities[key] = quantity
        return quantities

    def _wrong_type(self, path: str, value: object, expected: str, remedy: str) -> None:
        self._add("shape-type", path, shown(value), f"it is {_type_name(value)}, not {expected}", remedy)

    def _missing(self, path: str, name: str, remedy: str) -> None:
        self._add("shape-missing", path, None, f"{name} is missing", remedy)

    def _unknown(self, path: str, name: object, known: Iterable[str]) -> None:
        meant = nearest(name, known) if isinstance(name, str) else None
        remedy = f'Did you mean "{meant}"?' if meant else f"Known here: {', '.join(known)}"
        key = name if isinstance(name, str) else shown(name)
        self._add("shape-unknown-field", key_path(path, key), None, "there is no such field", remedy)

    def _add(self, rule: str, path: str, value: str | None, reason: str, remedy: str) -> None:
        self.violations.append(
            Violation(rule=rule, action=Action.DENY, path=path, value=value, reason=reason, remedy=remedy)
        )


def _type_name(value: object) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    return "null" if value is None else "something else"


def _quote_remedy(value: object) -> str:
    if isinstance(value, bool | int | float):
        return "Write it in quotes"
    if isinstance(value, Mapping) and len(value) == 1:
        return 'Write it in quotes, or leave no space after ":"'
    return "Write one string"
