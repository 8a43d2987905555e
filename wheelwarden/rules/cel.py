"""The rules that CEL can express, for a ValidatingAdmissionPolicy: what is left where no webhook shall run.

Each expression is true for what is allowed. None refuses what `judge` admits: an expression may be laxer than its rule,
never stricter. A Notebook's packages are YAML in an annotation, which CEL cannot read: of Notebooks only the other
annotations are judged. The dialect is Kubernetes' own (API docs, "Common Expression Language in Kubernetes"): RE2,
optional fields, the libraries for quantities and URLs.
"""

import keyword
from dataclasses import dataclass
from typing import Final

from wheelwarden.api import names
from wheelwarden.api.request import INSTALLS, ROLLOUTS
from wheelwarden.api.types import DEFAULT_PACKAGES_ACCESS_MODE, DEFAULT_PACKAGES_PVC_SIZE
from wheelwarden.parsing.direct_reference import SCHEMES
from wheelwarden.parsing.index_url import MAX_LENGTH as MAX_URL_LENGTH
from wheelwarden.parsing.requirement import MAX_LENGTH
from wheelwarden.rules.cache import ACCESS_MODES, TYPES
from wheelwarden.rules.installation import MAX_RETRIES, MAX_TIMEOUT_SECONDS, MIN_TIMEOUT_SECONDS, ON_FAILURE
from wheelwarden.rules.policy import DEFAULT_MAX_PACKAGES


@dataclass(frozen=True, kw_only=True, slots=True)
class Expression:
    """One rule in CEL.

    Attributes:
        rule: its id.
        path: where the value stands, for the message.
        cel: true where the object is allowed.
        unless: a setting of the policy with which the rule says something else, so that the expression is left out.
    """

    rule: str
    path: str
    cel: str
    unless: str = ""


# What the expressions are written with, evaluated at first use.
VARIABLES: Final = {
    "asked": "object.?spec.?pythonPackages.orValue({})",
    "before": "oldObject == null ? {} : oldObject.?spec.?pythonPackages.orValue({})",
    "packages": "variables.asked.?packages.orValue([])",
    "indexes": "(has(variables.asked.indexUrl) ? [variables.asked.indexUrl] : [])"
    " + variables.asked.?extraIndexUrls.orValue([])",
    "trusted": "variables.asked.?trustedHosts.orValue([]).map(host, host.lowerAscii())",
    "annotations": "object.metadata.?annotations.orValue({})",
    "modules": f"variables.annotations[?'{names.VERIFY_IMPORTS_ANNOTATION}'].orValue('')"
    r".replace('\n', ',').split(',').map(entry, entry.trim()).filter(entry, entry != '')",
}

# Before the marker, where a semicolon begins one.
_BEFORE_MARKER: Final = "entry.split(';')[0]"
_SUBDOMAIN: Final = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$"
_KEY_OF_SECRET: Final = r"^[-._a-zA-Z0-9]{1,253}$"  # noqa: S105 - a pattern of names
_PART: Final = "[a-zA-Z_][a-zA-Z0-9_]*"
_PORT: Final = "([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
_LABEL: Final = "[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?"
_HOST: Final = rf"({_LABEL}(\.{_LABEL})*\.?|\[[0-9a-f:.]+(%25[0-9a-z]+)?\])"
# PEP 508 and PEP 440, a little laxer.
_MATCHED_PACKAGES: Final = 100
_NAME: Final = "[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?"
_RELEASE: Final = (
    r"v?([0-9]+!)?[0-9]+(\.[0-9]+)*(?i:[._-]?(a|b|c|rc|alpha|beta|pre|preview)[._-]?[0-9]*)?"
    r"(?i:-[0-9]+|[._-]?(post|rev|r)[._-]?[0-9]*)?(?i:[._-]?dev[._-]?[0-9]*)?"
)
_COMPARISON: Final = (
    rf"(=== *[^ ;,)]+|[=!]= *{_RELEASE}(\.\*|\+[A-Za-z0-9._-]+)?|(<=|>=|<|>) *{_RELEASE}"
    rf"|~= *v?([0-9]+!)?[0-9]+\.{_RELEASE})"
)
_COMPARISONS: Final = rf"{_COMPARISON}( *, *{_COMPARISON})*( *,)?"
_MARKER: Final = r"""( *;.*(<|>|=|~|!| in ).*["'].*| *;.*["'].*(<|>|=|~|!| in ).*)?"""
_REQUIREMENT: Final = (
    rf"^ *({_NAME}( *\[( *{_NAME} *(, *{_NAME} *)*)? *\])?"
    rf"( *\( *({_COMPARISONS})? *\)| *{_COMPARISONS}| *@ *[A-Za-z][A-Za-z0-9+.-]*://[^ ]+)?{_MARKER}"
    r"|[A-Za-z][A-Za-z0-9+.-]*://[^ ]+) *$"
)
_HAD_CLAIM: Final = (
    "!(size(variables.packages) > 0 && variables.asked.?cache.?enabled.orValue(true)"
    " && variables.asked.?cache.?type.orValue('pvc') == 'pvc' && size(variables.before.?packages.orValue([])) > 0"
    " && variables.before.?cache.?enabled.orValue(true) && variables.before.?cache.?type.orValue('pvc') == 'pvc') || "
)


def _is(value: str, pattern: str) -> str:
    """Whether a value matches; anchors are the pattern's own."""
    return f"{value}.matches({_quoted(pattern)})"


def _quoted(pattern: str) -> str:
    """The pattern as a raw string of CEL: in single quotes, in double ones, or in three of them where it has both."""
    if "'" not in pattern:
        return f"r'{pattern}'"
    return f"r'''{pattern}'''" if '"' in pattern else f'r"{pattern}"'


def _not(value: str, pattern: str) -> str:
    return f"!{_is(value, pattern)}"


def _each_package(condition: str) -> str:
    return f"variables.packages.all(entry, {condition})"


def _each_index(condition: str) -> str:
    return f"variables.indexes.all(index, {condition})"


def _choice(value: str, choices: tuple[str, ...]) -> str:
    return f"{value} in [{', '.join(repr(choice) for choice in choices)}]"


def _quantity(value: str, least: str) -> str:
    return f"isQuantity(string({value})) && quantity(string({value})).compareTo(quantity('{least}')) >= 0"


def _size(variable: str) -> str:
    return f"string(variables.{variable}.?cache.?size.orValue('{DEFAULT_PACKAGES_PVC_SIZE}'))"


def _access_mode(variable: str) -> str:
    return f"variables.{variable}.?cache.?accessMode.orValue('{DEFAULT_PACKAGES_ACCESS_MODE}')"


def _between(value: str, least: int, most: int) -> str:
    return f"{value} >= {least} && {value} <= {most}"


PACKAGES_EXPRESSIONS: Final = (
    Expression(
        rule="packages-limit",
        path="packages",
        cel=f"size(variables.packages) <= {DEFAULT_MAX_PACKAGES}",
        unless="maxPackages",
    ),
    Expression(rule="requirement-empty", path="packages", cel=_each_package(_is("entry", "[^ ]"))),
    Expression(rule="requirement-length", path="packages", cel=_each_package(f"size(entry) <= {MAX_LENGTH}")),
    Expression(rule="requirement-characters", path="packages", cel=_each_package(_is("entry", r"^[\x20-\x7e]*$"))),
    Expression(
        rule="requirement-option",
        path="packages",
        cel=_each_package(_not(_BEFORE_MARKER, r"(^|\s)--?[A-Za-z]") + " && " + _not("entry", r"\s--[a-z]")),
    ),
    Expression(
        rule="requirement-shell",
        path="packages",
        cel=_each_package(
            " && ".join(
                (
                    _is("entry", r"^([^$]|\$\{[^}]*\})*$"),
                    _not(_BEFORE_MARKER, r"[`|\\]|&&"),
                    _not("entry", r'://[^ ;]*["*<>()]'),
                    "(!entry.contains(';') || " + _is("entry", ";.*([<>=!~]| in )") + ")",
                )
            )
        ),
    ),
    Expression(
        rule="requirement-local-path",
        path="packages",
        cel=_each_package(
            _not("entry", r"^ *([.]{1,2}$|[.]{1,2}[/\\]|[/\\~]|[A-Za-z]:[/\\]|file:)")
            + " && "
            + _not("entry", r"^[^@;:]*\.(whl|zip|egg|tar\.gz|tar\.bz2|tgz|txt) *$")
        ),
    ),
    Expression(
        rule="requirement-variable",
        path="packages",
        cel=_each_package("!entry.contains('${')"),
        unless="allowedVariables",
    ),
    Expression(
        rule="requirement-syntax",
        path="packages",
        # Matching costs by length, and what costs too much counts as a failure.
        cel=f"size(variables.packages) > {_MATCHED_PACKAGES} || " + _each_package(_is("entry", _REQUIREMENT)),
    ),
    Expression(
        rule="direct-http", path="packages", cel=_each_package(_not("entry", "(?i)(^|@) *(http|git|git[+]http)://"))
    ),
    Expression(
        rule="direct-scheme",
        path="packages",
        cel=_each_package(
            _not("entry", "(^|@) *[A-Za-z][A-Za-z0-9+.-]*://")
            + " || "
            + _is("entry", f"(?i)(^|@) *({'|'.join(scheme.replace('+', '[+]') for scheme in SCHEMES)})://")
        ),
    ),
    Expression(
        rule="direct-credentials",
        path="packages",
        cel=_each_package(
            _not("entry", "://[^/?#@$ ]*:[^/?#@$ ]+@")
            + " && "
            + _not("entry", "(?i)(^|@) *(git[+])?https://[^/?#@:$ ]+@")
        ),
    ),
    Expression(rule="index-credentials", path="indexUrl, extraIndexUrls", cel=_each_index("!index.contains('@')")),
    Expression(
        rule="index-url",
        path="indexUrl, extraIndexUrls",
        cel=_each_index(
            f"size(index) <= {MAX_URL_LENGTH} && "
            + _is("index", rf"(?i)^https?://{_HOST}(:{_PORT}?)?(/([a-z0-9._~:/!+,=-]|[[]|\]|%[0-9a-f][0-9a-f])*)?$")
        ),
    ),
    Expression(
        rule="index-http-untrusted",
        path="indexUrl, extraIndexUrls",
        # An address in brackets is left to the webhook: it has more than one writing.
        cel=_each_index(
            "index.contains('[') || !isURL(index) || url(index).getScheme().lowerAscii() != 'http'"
            " || variables.trusted.exists(host, host == url(index).getHostname().lowerAscii()"
            " || host == url(index).getHostname().lowerAscii() + ':'"
            " + (url(index).getPort() == '' ? '80' : url(index).getPort()))"
        ),
    ),
    Expression(
        rule="index-http-credentials",
        path="indexUrl, extraIndexUrls",
        cel=f"!has(variables.asked.credentials) || {_each_index(_not('index', '(?i)^http://'))}",
    ),
    Expression(
        rule="host-metadata",
        path="indexUrl, extraIndexUrls, packages",
        cel="(variables.indexes + variables.packages).all(entry, "
        + _not(
            "entry",
            r"(?i)://([^/?#@]*@)?(169\.254\.[0-9]+\.[0-9]+|100\.100\.100\.200|metadata(\.google\.internal)?"
            r"|\[fe80:[^\]]*\]|\[fd00:ec2::254\])([:/?#]|$)",
        )
        + ")",
    ),
    Expression(
        rule="trusted-host",
        path="trustedHosts",
        cel="variables.trusted.all(host, "
        + _is("host", rf"^({_HOST}(:{_PORT})?|[0-9a-f:.]*:[0-9a-f:.]*:[0-9a-f:.]*(%[0-9a-z]+)?)$")
        + ")",
    ),
    Expression(
        rule="secret-name",
        path="credentials.secretRef.name",
        cel=_is("variables.asked.?credentials.?secretRef.?name.orValue('name')", _SUBDOMAIN),
    ),
    Expression(
        rule="secret-key",
        path="credentials.secretRef",
        cel=" && ".join(
            _is(key, _KEY_OF_SECRET) + f" && {key} != '.' && !{key}.startsWith('..')"
            for key in (
                "variables.asked.?credentials.?secretRef.?usernameKey.orValue('key')",
                "variables.asked.?credentials.?secretRef.?passwordKey.orValue('key')",
            )
        ),
    ),
    Expression(
        rule="install-retries",
        path="installPolicy.retries",
        cel=_between("variables.asked.?installPolicy.?retries.orValue(0)", 0, MAX_RETRIES),
    ),
    Expression(
        rule="install-timeout",
        path="installPolicy.timeout",
        cel=_between(
            f"variables.asked.?installPolicy.?timeout.orValue({MIN_TIMEOUT_SECONDS})",
            MIN_TIMEOUT_SECONDS,
            MAX_TIMEOUT_SECONDS,
        ),
    ),
    Expression(
        rule="install-on-failure",
        path="installPolicy.onFailure",
        cel=_choice(f"variables.asked.?installPolicy.?onFailure.orValue('{ON_FAILURE[0]}')", ON_FAILURE),
    ),
    Expression(
        rule="resources-quantity",
        path="resources",
        cel=" && ".join(
            f"variables.asked.?resources.?{group}.orValue({{}}).all(name, "
            + _quantity(f"variables.asked.resources.{group}[name]", "0")
            + ")"
            for group in ("requests", "limits")
        ),
    ),
    Expression(rule="cache-type", path="cache.type", cel=_choice("variables.asked.?cache.?type.orValue('pvc')", TYPES)),
    Expression(
        rule="cache-gcs",
        path="cache.gcs",
        cel="(variables.asked.?cache.?type.orValue('pvc') != 'gcs' || variables.asked.?cache.?gcs.?bucket.hasValue()) && "
        + " && ".join(
            (
                _is("variables.asked.?cache.?gcs.?bucket.orValue('bucket')", "^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$|^$"),
                _is("variables.asked.?cache.?gcs.?secretRef.?name.orValue('name')", f"{_SUBDOMAIN}|^$"),
                _is("variables.asked.?cache.?gcs.?secretRef.?key.orValue('key')", _KEY_OF_SECRET),
                _quantity("variables.asked.?cache.?gcs.?maxArchiveSize.orValue('1')", "1"),
            )
        ),
    ),
    Expression(rule="cache-size", path="cache.size", cel=_quantity(_size("asked"), "1")),
    Expression(rule="cache-access-mode", path="cache.accessMode", cel=_choice(_access_mode("asked"), ACCESS_MODES)),
    Expression(
        rule="cache-storage-class",
        path="cache.storageClass",
        cel="variables.asked.?cache.?storageClass.orValue('') == '' || "
        + _is("variables.asked.cache.storageClass", _SUBDOMAIN),
    ),
    Expression(
        rule="cache-shrinks",
        path="cache.size",
        cel=f"{_HAD_CLAIM}!isQuantity({_size('asked')}) || !isQuantity({_size('before')}) || "
        f"quantity({_size('asked')}).compareTo(quantity({_size('before')})) >= 0",
    ),
    Expression(
        rule="cache-immutable",
        path="cache",
        cel=f"{_HAD_CLAIM}{_access_mode('asked')} == {_access_mode('before')}"
        " && variables.asked.?cache.?storageClass == variables.before.?cache.?storageClass",
    ),
)

ANNOTATION_EXPRESSIONS: Final = (
    Expression(
        rule="verify-imports-syntax",
        path=names.VERIFY_IMPORTS_ANNOTATION,
        cel=f"!('{names.VERIFY_IMPORTS_ANNOTATION}' in variables.annotations) || (size(variables.modules) > 0"
        " && variables.modules.all(entry, "
        + _is("entry", rf"^{_PART}(\.{_PART})*(:{_PART}(\.{_PART})*)?$")
        + " && "
        + _not("entry", f"(^|[.:])({'|'.join(keyword.kwlist)})([.:]|$)")
        + "))",
    ),
    *(
        Expression(
            rule=rule,
            path=key,
            cel=_choice(f"variables.annotations[?'{key}'].orValue('{choices[0]}').trim()", choices),
        )
        for rule, key, choices in (
            ("rollout-value", names.ROLLOUT_ANNOTATION, ROLLOUTS),
            ("install-value", names.INSTALL_ANNOTATION, INSTALLS),
        )
    ),
)
