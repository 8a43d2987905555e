"""The rules that CEL can express, for a ValidatingAdmissionPolicy: what is left where no webhook shall run.

Each expression is true for what is allowed. None refuses what `judge` admits: an expression may be laxer than its rule,
never stricter. A Notebook's packages are YAML in an annotation, which CEL cannot read: of Notebooks only the other
annotations are judged. The dialect is Kubernetes' own (API docs, "Common Expression Language in Kubernetes"): RE2,
optional fields, the libraries for quantities and URLs.
"""

from dataclasses import dataclass
from typing import Final

from wheelwarden import names
from wheelwarden.indexes import MAX_LENGTH as MAX_URL_LENGTH
from wheelwarden.policy import DEFAULT_MAX_PACKAGES
from wheelwarden.references import SCHEMES
from wheelwarden.request import INSTALLS, ROLLOUTS
from wheelwarden.requirements import MAX_LENGTH
from wheelwarden.rules.cache import ACCESS_MODES, TYPES
from wheelwarden.rules.installation import MAX_RETRIES, MAX_TIMEOUT_SECONDS, MIN_TIMEOUT_SECONDS, ON_FAILURE
from wheelwarden.spec import DEFAULT_PACKAGES_ACCESS_MODE, DEFAULT_PACKAGES_PVC_SIZE


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

_PACKAGES: Final = "variables.packages.all(entry, {})"
_INDEXES: Final = "variables.indexes.all(index, {})"
# Before the marker, where a semicolon begins one.
_BEFORE_MARKER: Final = "entry.split(';')[0]"
_SUBDOMAIN: Final = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$"
_SECRET_KEY: Final = r"^[-._a-zA-Z0-9]{1,253}$"
_QUANTITY: Final = "isQuantity(string({0})) && quantity(string({0})).compareTo(quantity('{1}')) >= 0"
_HAD_CLAIM: Final = (
    "!(size(variables.packages) > 0 && variables.asked.?cache.?enabled.orValue(true)"
    " && variables.asked.?cache.?type.orValue('pvc') == 'pvc' && size(variables.before.?packages.orValue([])) > 0"
    " && variables.before.?cache.?enabled.orValue(true) && variables.before.?cache.?type.orValue('pvc') == 'pvc') || "
)
_PART: Final = "[a-zA-Z_][a-zA-Z0-9_]*"


def _matches(value: str, pattern: str) -> str:
    return f"{value}.matches('{pattern}')"


def _choice(value: str, choices: tuple[str, ...]) -> str:
    return f"{value} in [{', '.join(repr(choice) for choice in choices)}]"


def _secret_keys() -> str:
    return " && ".join(
        _matches(f"variables.asked.?credentials.?secretRef.?{field}.orValue('key')", _SECRET_KEY)
        for field in ("usernameKey", "passwordKey")
    )


KASPR_APP_EXPRESSIONS: Final = (
    Expression(
        rule="packages-limit",
        path="packages",
        cel=f"size(variables.packages) <= {DEFAULT_MAX_PACKAGES}",
        unless="maxPackages",
    ),
    Expression(rule="requirement-empty", path="packages", cel=_PACKAGES.format(_matches("entry", "[^ ]"))),
    Expression(rule="requirement-length", path="packages", cel=_PACKAGES.format(f"size(entry) <= {MAX_LENGTH}")),
    Expression(
        rule="requirement-characters", path="packages", cel=_PACKAGES.format(_matches("entry", r"^[\\x20-\\x7e]*$"))
    ),
    Expression(
        rule="requirement-option",
        path="packages",
        cel=_PACKAGES.format(
            f"!{_matches(_BEFORE_MARKER, r'(^|\\s)--?[A-Za-z]')} && !{_matches('entry', r'\\s--[a-z]')}"
        ),
    ),
    Expression(
        rule="requirement-shell",
        path="packages",
        cel=_PACKAGES.format(
            f"{_matches('entry', r'^([^$]|\\$\\{[^}]*\\})*$')} && !{_matches(_BEFORE_MARKER, r'[`|\\\\]|&&')}"
        ),
    ),
    Expression(
        rule="requirement-local-path",
        path="packages",
        cel=_PACKAGES.format(
            f"!{_matches('entry', r'^ *([.]{1,2}$|[.]{1,2}[/\\\\]|[/\\\\~]|[A-Za-z]:[/\\\\]|file:)')}"
        ),
    ),
    Expression(
        rule="requirement-variable",
        path="packages",
        cel=_PACKAGES.format("!entry.contains('${')"),
        unless="allowedVariables",
    ),
    Expression(
        rule="requirement-syntax",
        path="packages",
        cel=_PACKAGES.format(
            f"{_matches(_BEFORE_MARKER, r'^ *[A-Za-z0-9]')}"
            f" && ({_BEFORE_MARKER}.contains('@') || {_BEFORE_MARKER}.contains('://')"
            f" || !{_matches(_BEFORE_MARKER, r'[^=<>!~]=([^=]|$)|[<>=!~] *$|[!^&|]([^=]|$)|[=<>!~]=*[<>]')})"
        ),
    ),
    Expression(
        rule="direct-scheme",
        path="packages",
        cel=_PACKAGES.format(
            f"!{_matches('entry', r'^ *[A-Za-z][A-Za-z0-9+.-]*://')}"
            f" || {_matches('entry', '(?i)^ *(' + '|'.join(scheme.replace('+', r'\\+') for scheme in SCHEMES) + ')://')}"
        ),
    ),
    Expression(
        rule="direct-http",
        path="packages",
        cel=_PACKAGES.format(f"!{_matches('entry', r'(?i)(^|@) *(http|git|git\\+http)://')}"),
    ),
    Expression(
        rule="direct-credentials",
        path="packages",
        cel=_PACKAGES.format(f"!{_matches('entry', r'://[^/?#@$ ]*:[^/?#@$ ]+@')}"),
    ),
    Expression(rule="index-credentials", path="indexUrl, extraIndexUrls", cel=_INDEXES.format("!index.contains('@')")),
    Expression(
        rule="index-url",
        path="indexUrl, extraIndexUrls",
        cel=_INDEXES.format(
            f"size(index) <= {MAX_URL_LENGTH} && "
            + _matches(
                "index",
                r"(?i)^https?://([a-z0-9_.-]+|\\[[0-9a-z:.%]+\\])(:[0-9]{0,5})?(/[a-z0-9._~:/\\[\\]!+,=%-]*)?$",
            )
        ),
    ),
    Expression(
        rule="index-http-untrusted",
        path="indexUrl, extraIndexUrls",
        # An address in brackets is left to the webhook: it has more than one writing.
        cel=_INDEXES.format(
            "index.contains('[') || !isURL(index) || url(index).getScheme().lowerAscii() != 'http'"
            " || variables.trusted.exists(host, host == url(index).getHostname().lowerAscii()"
            " || host == url(index).getHostname().lowerAscii() + ':'"
            " + (url(index).getPort() == '' ? '80' : url(index).getPort()))"
        ),
    ),
    Expression(
        rule="index-http-credentials",
        path="indexUrl, extraIndexUrls",
        cel=f"!has(variables.asked.credentials) || {_INDEXES.format(f'!{_matches("index", "(?i)^http://")}')}",
    ),
    Expression(
        rule="host-metadata",
        path="indexUrl, extraIndexUrls, packages",
        cel="(variables.indexes + variables.packages).all(entry, !"
        + _matches(
            "entry",
            r"(?i)://([^/?#@]*@)?(169\\.254\\.[0-9.]+|metadata(\\.google\\.internal)?|\\[fe80:[^\\]]*\\])([:/?#]|$)",
        )
        + ")",
    ),
    Expression(
        rule="trusted-host",
        path="trustedHosts",
        cel="variables.trusted.all(host, "
        + _matches("host", r"^([a-z0-9_.-]+(:[0-9]{1,5})?|\\[[0-9a-z:.%]+\\](:[0-9]{1,5})?|[0-9a-z:.%]+)$")
        + ")",
    ),
    Expression(
        rule="secret-name",
        path="credentials.secretRef.name",
        cel=_matches("variables.asked.?credentials.?secretRef.?name.orValue('name')", _SUBDOMAIN),
    ),
    Expression(rule="secret-key", path="credentials.secretRef", cel=_secret_keys()),
    Expression(
        rule="install-retries",
        path="installPolicy.retries",
        cel=f"variables.asked.?installPolicy.?retries.orValue(0) >= 0"
        f" && variables.asked.?installPolicy.?retries.orValue(0) <= {MAX_RETRIES}",
    ),
    Expression(
        rule="install-timeout",
        path="installPolicy.timeout",
        cel=f"variables.asked.?installPolicy.?timeout.orValue({MIN_TIMEOUT_SECONDS}) >= {MIN_TIMEOUT_SECONDS}"
        f" && variables.asked.?installPolicy.?timeout.orValue({MIN_TIMEOUT_SECONDS}) <= {MAX_TIMEOUT_SECONDS}",
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
            + _QUANTITY.format(f"variables.asked.resources.{group}[name]", "0")
            + ")"
            for group in ("requests", "limits")
        ),
    ),
    Expression(rule="cache-type", path="cache.type", cel=_choice("variables.asked.?cache.?type.orValue('pvc')", TYPES)),
    Expression(
        rule="cache-gcs",
        path="cache.gcs",
        cel="variables.asked.?cache.?type.orValue('pvc') != 'gcs' || variables.asked.?cache.?gcs.?bucket.hasValue()",
    ),
    Expression(
        rule="cache-size",
        path="cache.size",
        cel=_QUANTITY.format(f"variables.asked.?cache.?size.orValue('{DEFAULT_PACKAGES_PVC_SIZE}')", "1"),
    ),
    Expression(
        rule="cache-access-mode",
        path="cache.accessMode",
        cel=_choice(f"variables.asked.?cache.?accessMode.orValue('{DEFAULT_PACKAGES_ACCESS_MODE}')", ACCESS_MODES),
    ),
    Expression(
        rule="cache-storage-class",
        path="cache.storageClass",
        cel="variables.asked.?cache.?storageClass.orValue('') == '' || "
        + _matches("variables.asked.cache.storageClass", _SUBDOMAIN),
    ),
    Expression(
        rule="cache-shrinks",
        path="cache.size",
        cel=_HAD_CLAIM
        + "!isQuantity(string({0})) || !isQuantity(string({1})) ||"
        " quantity(string({0})).compareTo(quantity(string({1}))) >= 0".format(
            *(f"variables.{one}.?cache.?size.orValue('{DEFAULT_PACKAGES_PVC_SIZE}')" for one in ("asked", "before"))
        ),
    ),
    Expression(
        rule="cache-immutable",
        path="cache",
        cel=_HAD_CLAIM + f"variables.asked.?cache.?accessMode.orValue('{DEFAULT_PACKAGES_ACCESS_MODE}')"
        f" == variables.before.?cache.?accessMode.orValue('{DEFAULT_PACKAGES_ACCESS_MODE}')"
        " && variables.asked.?cache.?storageClass == variables.before.?cache.?storageClass",
    ),
)

ANNOTATION_EXPRESSIONS: Final = (
    Expression(
        rule="verify-imports-syntax",
        path=names.VERIFY_IMPORTS_ANNOTATION,
        cel=f"!('{names.VERIFY_IMPORTS_ANNOTATION}' in variables.annotations) || (size(variables.modules) > 0"
        " && variables.modules.all(entry, "
        + _matches("entry", rf"^{_PART}(\\.{_PART})*(:{_PART}(\\.{_PART})*)?$")
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
