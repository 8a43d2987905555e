"""What the admin allows: the one file that changes what the rules say.

    rules: {index-http: deny, requirement-duplicate: "off"}
    allowedIndexHosts: [packages.example.com, "*.internal.example.com"]
    allowedVariables: [GIT_TOKEN]
    allowedPackages: [numpy, "team-*"]
    deniedPackages: [pycrypto]
    maxPackages: 100
    install: managed
    overrides:
      - namespaces: [sandbox, "dev-*"]
        labels: {tier: experimental}
        rules: {requirement-near-miss: deny}

Everything may be left out. An override has the same settings for the objects of some namespaces, with some labels, or
both; where several fit, the later one wins, setting by setting and rule by rule. Labels are the object's own, so its
author sets them: loosen by namespace, not by label. The file is read here and nowhere else; everybody else holds a
frozen `Policy`.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from packaging.utils import canonicalize_name

from wheelwarden.api.errors import UnusableInput
from wheelwarden.api.redaction import shown
from wheelwarden.api.violations import Action
from wheelwarden.parsing.documents import UnreadableDocument, read_value
from wheelwarden.parsing.files import read_at_most
from wheelwarden.parsing.suggestions import nearest
from wheelwarden.rules.policy import Override, Policy
from wheelwarden.rules.registry import RULES_BY_ID

MAX_FILE_BYTES: Final = 1 << 20  # what a ConfigMap can hold

_TEXTS: Final = {"type": "array", "items": {"type": "string", "minLength": 1}}
_SETTINGS: Final[Mapping[str, Any]] = {
    "rules": {"type": "object", "additionalProperties": {"enum": [False, *(str(action) for action in Action)]}},
    "allowedIndexHosts": _TEXTS,
    "publicIndexHosts": _TEXTS,
    "allowedVariables": {"type": "array", "items": {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"}},
    "allowedPackages": _TEXTS,
    "deniedPackages": _TEXTS,
    "maxPackages": {"type": "integer", "minimum": 1, "maximum": 10_000},
    "install": {"enum": ["managed", "observe"]},
}
_OVERRIDE: Final[Mapping[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "anyOf": [{"required": ["namespaces"]}, {"required": ["labels"]}],
    "properties": {
        "namespaces": {**_TEXTS, "minItems": 1},
        "labels": {"type": "object", "minProperties": 1, "additionalProperties": {"type": "string"}},
        **_SETTINGS,
    },
}
SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {**_SETTINGS, "overrides": {"type": "array", "items": _OVERRIDE}},
}


def load_policy(path: Path) -> Policy:
    """Reads a policy file, YAML or JSON; an empty file is the default policy.

    A file of values for the chart will do too: its `policy` is taken.

    Raises:
        UnusableInput: the file cannot be read, or says something that is not understood. All of it is named.
    """
    try:
        content = read_at_most(str(path), MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise UnusableInput(f"policy file {path}: it is larger than {MAX_FILE_BYTES} bytes")
        data = read_value(content.decode())
    except OSError as error:
        raise UnusableInput(f"policy file {path}: it cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise UnusableInput(f"policy file {path}: it is not UTF-8 text") from None
    except UnreadableDocument as error:
        raise UnusableInput(f"policy file {path}: it is not YAML or JSON: {error}") from error
    if isinstance(data, Mapping) and isinstance(data.get("policy"), Mapping):
        data = data["policy"]
    try:
        return parse_policy({} if data is None else data)
    except UnusableInput as error:
        raise UnusableInput(f"policy file {path}: {error}") from error


def parse_policy(data: object) -> Policy:
    """A policy from plain data, as in the module's docstring.

    Raises:
        UnusableInput: something is not understood; the text names all of it.
    """
    problems = [_problem(error) for error in sorted(_validator().iter_errors(data), key=lambda error: list(error.path))]
    overrides = data.get("overrides") if isinstance(data, Mapping) else None
    for part in (data, *(overrides if isinstance(overrides, list) else ())):
        rules = part.get("rules") if isinstance(part, Mapping) else None
        if isinstance(rules, Mapping):
            problems += [problem for rule in rules if (problem := _unknown_rule(str(rule)))]
    if problems or not isinstance(data, Mapping):
        raise UnusableInput("; ".join(problems))
    return Policy(
        actions=_actions(data),
        **_settings(data),
        overrides=tuple(
            Override(
                namespaces=tuple(override.get("namespaces", ())),
                labels=MappingProxyType(dict(override.get("labels", {}))),
                actions=_actions(override),
                settings=MappingProxyType(_settings(override)),
            )
            for override in data.get("overrides", ())
        ),
    )


def _actions(data: Mapping[str, Any]) -> Mapping[str, Action]:
    # "off" without quotes is false in YAML.
    return MappingProxyType({rule: Action(action or "off") for rule, action in data.get("rules", {}).items()})


def _settings(data: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of `Policy` that are given."""
    read: dict[str, Any] = {
        "allowed_index_hosts": ("allowedIndexHosts", _lowered),
        "public_index_hosts": ("publicIndexHosts", _lowered),
        "allowed_variables": ("allowedVariables", frozenset),
        "allowed_packages": ("allowedPackages", _normalized),
        "denied_packages": ("deniedPackages", _normalized),
        "max_packages": ("maxPackages", int),
        "install": ("install", str),
    }
    return {name: convert(data[key]) for name, (key, convert) in read.items() if key in data}


def _lowered(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(text.lower() for text in texts)


def _normalized(patterns: Iterable[str]) -> tuple[str, ...]:
    return tuple(str(canonicalize_name(pattern)) for pattern in patterns)


@cache
def _validator() -> Any:
    # Imported at first use: most checks run without a policy file, and it is slow to load.
    from jsonschema import Draft202012Validator

    return Draft202012Validator(SCHEMA)


def _problem(error: Any) -> str:
    path = ".".join(str(part) for part in error.path)
    where = f"{shown(path)}: " if path else ""
    if error.validator == "additionalProperties":
        known = error.schema["properties"]
        unknown = [str(name) for name in error.instance if name not in known]
        hints = [
            f'"{shown(name)}"' + (f' (did you mean "{near}"?)' if (near := nearest(name, known)) else "")
            for name in unknown
        ]
        return f"{where}there is no setting {', '.join(hints)}; known are {', '.join(known)}"
    if error.validator == "type":
        return f"{where}it must be {_TYPES[error.validator_value]}"
    if error.validator == "anyOf":
        return f"{where}an override says for whom it is, by namespaces or labels"
    if error.validator == "enum":
        known = "off, warn or deny" if False in error.validator_value else " or ".join(error.validator_value)
        return f"{where}it must be {known}"
    if error.validator == "pattern":
        return f'{where}"{shown(error.instance)}" is no name of a variable'
    return f"{where}{shown(error.message)}"


_TYPES: Final = {"object": "a mapping", "array": "a list", "string": "a string", "integer": "a whole number"}


def _unknown_rule(rule: str) -> str | None:
    if rule in RULES_BY_ID:
        return None
    meant = nearest(rule, RULES_BY_ID)
    hint = f'did you mean "{meant}"?' if meant else "`wheelwarden rules` prints them all"
    return f'rules: there is no rule "{shown(rule)}"; {hint}'
