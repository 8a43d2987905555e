"""Rules on our annotations, other than the packages themselves."""

from collections.abc import Iterable, Sequence
from typing import Final

from packaging.utils import canonicalize_name

from wheelwarden.api import names
from wheelwarden.api.redaction import HIDDEN, shown
from wheelwarden.api.request import INSTALLS, ROLLOUTS
from wheelwarden.api.violations import Action, item_path, key_path
from wheelwarden.parsing.import_names import IMPORT_OF_DISTRIBUTION, explain_module
from wheelwarden.parsing.request import ANNOTATIONS_PATH
from wheelwarden.parsing.suggestions import nearest
from wheelwarden.rules.rule import Finding, Rule, Subject

MAX_MODULES: Final = 100
MAX_NAMED: Final = 100  # unknown annotations; looking for what was meant costs some 30 µs each
MAX_MODULE_LENGTH: Final = 255  # characters; no file system takes a longer name of a file

_MODULES_PATH: Final = key_path(ANNOTATIONS_PATH, names.VERIFY_IMPORTS_ANNOTATION)


def _module_syntax(subject: Subject) -> Iterable[Finding]:
    value = subject.annotations.get(names.VERIFY_IMPORTS_ANNOTATION)
    if isinstance(value, str) and not subject.modules:
        yield Finding(
            path=_MODULES_PATH,
            value=shown(value),
            reason="it names no module",
            remedy="Write modules with commas between them, or drop it to have them derived from what is installed",
        )
    # A URL that got in here falls apart at a comma in its password, and nobody can tell the parts any more.
    secret = isinstance(value, str) and "@" in value
    for index, entry in enumerate(subject.modules[:MAX_MODULES]):
        reason = explain_module(entry)
        if reason:
            yield Finding(
                path=item_path(_MODULES_PATH, index),
                value=HIDDEN if secret else shown(entry),
                reason=reason,
                remedy=_module_remedy(entry),
            )


def _module_remedy(entry: str) -> str:
    known = _import_name(entry)
    if known:
        return f"Write the name that is imported: {known}"
    if entry.startswith(("-", "[", '"', "'")):
        return "Write bare names with commas or line breaks between them: no list, no quotes"
    underscored = entry.replace("-", "_")
    if "@" not in entry and underscored != entry and explain_module(underscored) is None and len(entry) <= 100:
        return f"Did you mean {underscored}?"
    return "Write module, package.module or module:attribute"


def _import_name(entry: str) -> str | None:
    return IMPORT_OF_DISTRIBUTION.get(canonicalize_name(entry)) if len(entry) <= 100 else None


def _module_limit(subject: Subject) -> Iterable[Finding]:
    if len(subject.modules) > MAX_MODULES:
        yield Finding(
            path=_MODULES_PATH,
            value=None,
            reason=f"it names {len(subject.modules)} modules, more than {MAX_MODULES}, and only those were looked at",
            remedy="Name the modules that your code imports itself",
        )
    for index, entry in enumerate(subject.modules[:MAX_MODULES]):
        if len(entry) > MAX_MODULE_LENGTH:
            yield Finding(
                path=item_path(_MODULES_PATH, index),
                value=None,
                reason=f"it has {len(entry)} characters, more than {MAX_MODULE_LENGTH}",
                remedy="Write module, package.module or module:attribute",
            )


def _module_names(subject: Subject) -> Iterable[Finding]:
    for index, entry in enumerate(subject.modules[:MAX_MODULES]):
        module = entry.partition(":")[0]
        known = _import_name(module)
        if known and known != module and explain_module(entry) is None:
            yield Finding(
                path=item_path(_MODULES_PATH, index),
                value=shown(entry),
                reason=f"{module} is the name of the package; what is imported is called {known}",
                remedy=f"Write {known}",
            )


def _choice(subject: Subject, key: str, choices: Sequence[str]) -> Iterable[Finding]:
    value = subject.annotations.get(key)
    if isinstance(value, str) and value.strip() not in choices:
        meant = nearest(value.strip(), choices)
        yield Finding(
            path=key_path(ANNOTATIONS_PATH, key),
            value=shown(value),
            reason=f"it is neither {' nor '.join(choices)}",
            remedy=f'Did you mean "{meant}"?' if meant else f"Write {' or '.join(choices)}, or drop it",
        )


def _rollout(subject: Subject) -> Iterable[Finding]:
    return _choice(subject, names.ROLLOUT_ANNOTATION, ROLLOUTS)


def _install(subject: Subject) -> Iterable[Finding]:
    return _choice(subject, names.INSTALL_ANNOTATION, INSTALLS)


def _unknown(subject: Subject) -> Iterable[Finding]:
    unknown = [key for key in subject.located.own_keys if key not in names.USER_ANNOTATIONS]
    for key in unknown[:MAX_NAMED]:
        prefix, _, name = key.partition("/")
        known = {user_key.partition("/")[2]: user_key for user_key in names.USER_ANNOTATIONS}
        meant = name if name in known else nearest(name, known)
        yield Finding(
            path=key_path(ANNOTATIONS_PATH, key),
            value=None,
            reason=f"Wheelwarden knows no such annotation under {prefix}/, so it does nothing",
            remedy=f'Did you mean "{known[meant]}"?' if meant else f"Known are {', '.join(names.USER_ANNOTATIONS)}",
        )
    if len(unknown) > MAX_NAMED:
        yield Finding(
            path=ANNOTATIONS_PATH,
            value=None,
            reason=f"Wheelwarden does not know {len(unknown)} of them; the first {MAX_NAMED} are named",
            remedy=f"Known are {', '.join(names.USER_ANNOTATIONS)}",
        )


RULES: Final = (
    Rule(
        id="verify-imports-syntax",
        action=Action.DENY,
        summary="verify-imports holds module, package.module or module:attribute, separated by commas or line breaks",
        bad="metadata: {annotations: {wheelwarden.dev/verify-imports: 'numpy, sdg-hub'}}",
        good="metadata: {annotations: {wheelwarden.dev/verify-imports: 'numpy, sdg_hub'}}",
        check=_module_syntax,
    ),
    Rule(
        id="verify-imports-limit",
        action=Action.DENY,
        summary=f"verify-imports names at most {MAX_MODULES} modules, of at most {MAX_MODULE_LENGTH} characters each",
        bad="metadata: {annotations: {wheelwarden.dev/verify-imports: '"
        + ", ".join(f"m{number}" for number in range(MAX_MODULES + 1))
        + "'}}",
        good="metadata: {annotations: {wheelwarden.dev/verify-imports: numpy}}",
        check=_module_limit,
    ),
    Rule(
        id="verify-imports-name",
        action=Action.WARN,
        summary="verify-imports names modules, not packages, where the two are known to differ",
        bad="metadata: {annotations: {wheelwarden.dev/verify-imports: PyYAML}}",
        good="metadata: {annotations: {wheelwarden.dev/verify-imports: yaml}}",
        check=_module_names,
    ),
    Rule(
        id="rollout-value",
        action=Action.DENY,
        summary="The annotation rollout is auto or manual",
        bad="metadata: {annotations: {wheelwarden.dev/verify-imports: numpy, wheelwarden.dev/rollout: never}}",
        good="metadata: {annotations: {wheelwarden.dev/verify-imports: numpy, wheelwarden.dev/rollout: manual}}",
        check=_rollout,
    ),
    Rule(
        id="install-value",
        action=Action.DENY,
        summary="The annotation install is managed or observe",
        bad="metadata: {annotations: {wheelwarden.dev/verify-imports: numpy, wheelwarden.dev/install: watch}}",
        good="metadata: {annotations: {wheelwarden.dev/verify-imports: numpy, wheelwarden.dev/install: observe}}",
        check=_install,
    ),
    Rule(
        id="annotation-unknown",
        action=Action.WARN,
        summary="There is no annotation of our domain that we do not know",
        bad="metadata: {annotations: {wheelwarden.dev/verify-import: numpy}}",
        good="metadata: {annotations: {wheelwarden.dev/verify-imports: numpy}}",
        check=_unknown,
    ),
)
