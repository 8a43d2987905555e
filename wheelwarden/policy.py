"""What the admin allows: the one file that changes what the rules say.

    rules: {index-http: deny, requirement-duplicate: "off"}
    allowedIndexHosts: [packages.example.com, "*.internal.example.com"]
    allowedVariables: [GIT_TOKEN]
    maxPackages: 100

Everything may be left out. The file is read here and nowhere else; everybody else holds a frozen `Policy`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from wheelwarden.documents import UnreadableDocument, read_value
from wheelwarden.errors import UnusableInput
from wheelwarden.redaction import shown
from wheelwarden.suggestions import nearest
from wheelwarden.violations import Action

DEFAULT_MAX_PACKAGES: Final = 500
MAX_FILE_BYTES: Final = 1 << 20  # what a ConfigMap can hold

_SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "rules": {"type": "object", "additionalProperties": {"enum": [False, *(str(action) for action in Action)]}},
        "allowedIndexHosts": {"type": "array", "items": {"type": "string", "minLength": 1}},
        "publicIndexHosts": {"type": "array", "items": {"type": "string", "minLength": 1}},
        "allowedVariables": {"type": "array", "items": {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"}},
        "maxPackages": {"type": "integer", "minimum": 1, "maximum": 10_000},
    },
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """What the admin allows.

    Attributes:
        actions: the action of a rule where it is not the rule's own, by rule id.
        allowed_index_hosts: hosts that packages may come from, `*.` before a name for all below it; empty: any.
        public_index_hosts: hosts of indexes that anybody can publish to, for the warning about their order.
        allowed_variables: names that may stand as `${NAME}` in direct references.
        max_packages: entries in one `packages`.
    """

    actions: Mapping[str, Action] = field(default_factory=lambda: MappingProxyType({}))
    allowed_index_hosts: tuple[str, ...] = ()
    public_index_hosts: tuple[str, ...] = ()
    allowed_variables: frozenset[str] = frozenset()
    max_packages: int = DEFAULT_MAX_PACKAGES


DEFAULT: Final = Policy()


def load_policy(path: Path) -> Policy:
    """Reads a policy file, YAML or JSON; an empty file is the default policy.

    Raises:
        UnusableInput: the file cannot be read, or says something that is not understood. All of it is named.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise UnusableInput(f"policy file {path}: it is larger than {MAX_FILE_BYTES} bytes")
        data = read_value(content.decode())
    except OSError as error:
        raise UnusableInput(f"policy file {path}: it cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise UnusableInput(f"policy file {path}: it is not UTF-8 text") from None
    except UnreadableDocument as error:
        raise UnusableInput(f"policy file {path}: it is not YAML or JSON: {error}") from error
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
    rules = data.get("rules") if isinstance(data, Mapping) else None
    if isinstance(rules, Mapping):
        problems += [problem for rule in rules if (problem := _unknown_rule(str(rule)))]
    if problems or not isinstance(data, Mapping):
        raise UnusableInput("; ".join(problems))
    return Policy(
        # "off" without quotes is false in YAML.
        actions=MappingProxyType({rule: Action(action or "off") for rule, action in data.get("rules", {}).items()}),
        allowed_index_hosts=tuple(host.lower() for host in data.get("allowedIndexHosts", ())),
        public_index_hosts=tuple(host.lower() for host in data.get("publicIndexHosts", ())),
        allowed_variables=frozenset(data.get("allowedVariables", ())),
        max_packages=data.get("maxPackages", DEFAULT_MAX_PACKAGES),
    )


@cache
def _validator() -> Any:
    # Imported at first use: most checks run without a policy file, and it is slow to load.
    from jsonschema import Draft202012Validator

    return Draft202012Validator(_SCHEMA)


def _problem(error: Any) -> str:
    path = ".".join(str(part) for part in error.path)
    where = f"{shown(path)}: " if path else ""
    if error.validator == "additionalProperties":
        known = _SCHEMA["properties"]
        unknown = [str(name) for name in error.instance if name not in known]
        hints = [
            f'"{shown(name)}"' + (f' (did you mean "{near}"?)' if (near := nearest(name, known)) else "")
            for name in unknown
        ]
        return f"{where}there is no setting {', '.join(hints)}; known are {', '.join(known)}"
    if error.validator == "type":
        return f"{where}it must be {_TYPES[error.validator_value]}"
    if error.validator == "enum":
        return f"{where}it must be off, warn or deny"
    if error.validator == "pattern":
        return f'{where}"{shown(error.instance)}" is no name of a variable'
    return f"{where}{shown(error.message)}"


_TYPES: Final = {"object": "a mapping", "array": "a list", "string": "a string", "integer": "a whole number"}


def _unknown_rule(rule: str) -> str | None:
    # The table imports this module for the type of a policy, so it can only be asked late.
    from wheelwarden.rules.table import RULES_BY_ID

    if rule in RULES_BY_ID:
        return None
    meant = nearest(rule, RULES_BY_ID)
    hint = f'did you mean "{meant}"?' if meant else "`wheelwarden rules` prints them all"
    return f'rules: there is no rule "{shown(rule)}"; {hint}'
