"""The request as a JSON Schema, and as a fragment of a CRD: made from the model in `wheelwarden.api.types`.

Fields, types and defaults are read from its dataclasses; what stands here is what types cannot say: which value means what,
and the limits of the rules. The schema refuses nothing that the rules admit by default (null aside, which means left out);
what needs more than a schema (requirements, URLs, one field against another) is left to them.
"""

import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Final, Literal

from wheelwarden.api.types import DEFAULT_GCS_SECRET_KEY, Bucket, PackagesSpec, SecretRef
from wheelwarden.parsing.index_url import MAX_LENGTH as MAX_URL_LENGTH
from wheelwarden.parsing.requirement import MAX_LENGTH as MAX_PACKAGE_LENGTH
from wheelwarden.rules.cache import ACCESS_MODES, TYPES
from wheelwarden.rules.installation import MAX_RETRIES, MAX_TIMEOUT_SECONDS, MIN_TIMEOUT_SECONDS, ON_FAILURE

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
# "crd" has what a structural schema may hold, and neither limits nor defaults: the operator's own stay, and the rules judge.
Form = Literal["json", "crd"]
Schema = dict[str, Any]

_QUANTITIES: Final = frozenset({"size", "maxArchiveSize"})
_URL: Final = {"pattern": "^[Hh][Tt][Tt][Pp][Ss]?://", "maxLength": MAX_URL_LENGTH}
_LIMITS: Final[Mapping[str, Schema]] = {
    "packages": {"items": {"type": "string", "minLength": 1, "maxLength": MAX_PACKAGE_LENGTH}},
    "indexUrl": _URL,
    "extraIndexUrls": {"items": {"type": "string", **_URL}},
    "cache.type": {"enum": list(TYPES)},
    "cache.accessMode": {"enum": list(ACCESS_MODES)},
    "installPolicy.retries": {"minimum": 0, "maximum": MAX_RETRIES},
    "installPolicy.timeout": {"minimum": MIN_TIMEOUT_SECONDS, "maximum": MAX_TIMEOUT_SECONDS},
    "installPolicy.onFailure": {"enum": list(ON_FAILURE)},
}
_DESCRIPTIONS: Final[Mapping[str, str]] = {
    "": "Python packages to install into the workload, and how.",
    "packages": "Requirements as for pip: requests==2.31.0, pandas>=2,<3, name @ https://host/file.whl.",
    "indexUrl": "The package index that is used first. Left out: the image's own pip configuration.",
    "extraIndexUrls": "More package indexes, used in this order.",
    "trustedHosts": "Each is a host or host:port whose certificate is not checked.",
    "credentials": "Credentials for the host of indexUrl.",
    "credentials.secretRef": "The Secret with the credentials, in the namespace of the workload.",
    "credentials.secretRef.name": "Name of the Secret.",
    "credentials.secretRef.usernameKey": "The key with the user name.",
    "credentials.secretRef.passwordKey": "The key with the password or token.",
    "cache": "The volume on which the pods of this workload share the packages.",
    "cache.enabled": "false: no volume, each pod installs for itself.",
    "cache.type": "pvc, or gcs, which only the Kaspr operator uses.",
    "cache.storageClass": "Storage class of the volume; default: the cluster's. Cannot be changed once the volume exists.",
    "cache.size": "Size of the volume, a quantity. May grow if the storage class allows it, but not shrink.",
    "cache.accessMode": "Access mode of the volume. Cannot be changed once the volume exists.",
    "cache.deleteClaim": "Whether to delete the volume with the workload, or with its last package.",
    "cache.gcs": "Only with type gcs. Wheelwarden validates it and does not use it.",
    "cache.gcs.bucket": "Name of the bucket.",
    "cache.gcs.prefix": "Prefix of the names of its objects.",
    "cache.gcs.maxArchiveSize": "Largest archive, a quantity.",
    "cache.gcs.secretRef": "The Secret with the credentials, in the namespace of the workload.",
    "cache.gcs.secretRef.name": "Name of the Secret.",
    "cache.gcs.secretRef.key": "The key with the service account.",
    "installPolicy": "Attempts, time limit, and what happens if the installation fails.",
    "installPolicy.retries": "Number of attempts in total; 0 means one.",
    "installPolicy.timeout": "Time limit for one attempt, in seconds.",
    "installPolicy.onFailure": "block: the pod does not start. allow: it starts without these packages.",
    "resources": "Resources of the install container only.",
    "resources.requests": "Quantities for cpu, memory, ephemeral-storage, or a resource name with a domain.",
    "resources.limits": "The same; a limit must not be below its request.",
}
# What `status.pythonPackages` of a KasprApp holds, and `status.wheelwarden` beside an operator that installs itself.
_STATUS: Final[Mapping[str, Schema]] = {
    **{name: {"type": "string"} for name in ("state", "hash", "cacheMode", "lastInstallTime", "installDuration")},
    **{name: {"type": "string"} for name in ("installedBy", "error", "errorType", "indexUrl")},
    **{name: {"type": "array", "items": {"type": "string"}} for name in ("installed", "warnings", "extraIndexUrls")},
    "authentication": {
        "type": "object",
        "properties": {"enabled": {"type": "boolean"}, "secretName": {"type": "string"}},
    },
    "cacheUsage": {
        "type": "object",
        "properties": {
            **{f"{what}Bytes": {"type": "integer", "format": "int64"} for what in ("total", "used", "available")},
            "usagePercent": {"type": "number"},
        },
    },
}


def json_schema() -> Schema:
    """The JSON Schema (draft 2020-12) of `spec.pythonPackages` and of the annotation `wheelwarden.dev/python-packages`."""
    return {"$schema": DIALECT, "title": "pythonPackages", **_object(PackagesSpec, "", "json")}


def crd_fragment() -> Schema:
    """What a CRD has to hold below `openAPIV3Schema`, so that the API server prunes nothing of the request or the status."""
    status = {"type": "object", "properties": dict(_STATUS)}
    return {
        "properties": {
            "spec": {"properties": {"pythonPackages": _object(PackagesSpec, "", "crd")}},
            "status": {"properties": {"pythonPackages": status, "wheelwarden": status}},
        }
    }


def _object(model: type, path: str, form: Form) -> Schema:
    """The schema of a dataclass."""
    hints = typing.get_type_hints(model)
    properties: Schema = {}
    for field in fields(model):
        name = _camel_case(field.name)
        if model is Bucket and field.name.startswith("secret_"):
            continue  # one level deeper than in the model
        value = _value(hints[field.name], _below(path, name), form)
        if form == "json" and field.default not in (MISSING, None, ()) and not is_dataclass(field.default):
            value["default"] = field.default
        properties[name] = value
    if model is Bucket:
        secret = {name: _value(str, f"{path}.secretRef.{name}", form) for name in ("name", "key")}
        if form == "json":
            secret["key"]["default"] = DEFAULT_GCS_SECRET_KEY
        properties["secretRef"] = _closed(secret, ("name",), f"{path}.secretRef", form)
    required = {SecretRef: ("name",), Bucket: ("bucket", "secretRef")}.get(model, ())
    for name in required:
        properties[name].pop("default", None)
    return _closed(properties, required, path, form)


def _closed(properties: Schema, required: tuple[str, ...], path: str, form: Form) -> Schema:
    schema: Schema = {"type": "object", "description": _DESCRIPTIONS[path], "properties": properties}
    if form == "json":
        schema["additionalProperties"] = False  # in a CRD it is pruning that drops them
    return {**schema, "required": list(required)} if required else schema


def _value(hint: Any, path: str, form: Form) -> Schema:
    """The schema of one field, by its type."""
    if isinstance(hint, types.UnionType):
        hint = next(one for one in typing.get_args(hint) if one is not types.NoneType)
    if hint is SecretRef and path == "credentials":
        inner = _object(SecretRef, "credentials.secretRef", form)
        return _closed({"secretRef": inner}, ("secretRef",), path, form)
    if is_dataclass(hint) and isinstance(hint, type):
        return _object(hint, path, form)
    schema = {"description": _DESCRIPTIONS[path]} | _simple(hint, path.rpartition(".")[2], form)
    return schema | _LIMITS.get(path, {}) if form == "json" else schema


def _simple(hint: Any, name: str, form: Form) -> Schema:
    origin = typing.get_origin(hint)
    if origin is tuple:
        return {"type": "array", "items": {"type": "string"}}
    if origin is Mapping:
        return {"type": "object", "additionalProperties": _quantity(form)}
    if name in _QUANTITIES:
        return _quantity(form)
    kind: Mapping[Any, str] = {str: "string", bool: "boolean", int: "integer"}
    return {"type": kind[hint]}


def _quantity(form: Form) -> Schema:
    """A quantity: a number will do too, as in Kubernetes."""
    if form == "json":
        return {"type": ["string", "number"]}
    return {"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": True}


def _camel_case(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(part.capitalize() for part in others)


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
