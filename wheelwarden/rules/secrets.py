"""The rule on what is in a Secret; off unless the admin wants it, since it needs the right to read Secrets.

Whoever calls `judge` looks the Secret up and hands over the names of its keys, never its values.
"""

from collections.abc import Iterable
from typing import Final

from wheelwarden.api.names import NETRC_KEY
from wheelwarden.api.redaction import shown
from wheelwarden.api.violations import Action
from wheelwarden.rules.rule import Finding, Rule, Subject

SECRET_MISSING: Final = "secret-missing"  # noqa: S105 - the id of a rule


def _missing(subject: Subject) -> Iterable[Finding]:
    secret = None if subject.spec is None else subject.spec.credentials
    found = subject.secret
    if secret is None or found is None:
        return
    path = f"{subject.base}.credentials.secretRef"
    if not found.exists:
        yield Finding(
            path=f"{path}.name",
            value=shown(secret.name),
            reason="there is no such Secret in the namespace",
            remedy=f"Create it first, with the keys {shown(secret.username_key)} and {shown(secret.password_key)}",
        )
        return
    if NETRC_KEY in found.keys:
        return
    for field, key in (("usernameKey", secret.username_key), ("passwordKey", secret.password_key)):
        if key not in found.keys:
            held = ", ".join(shown(name) for name in sorted(found.keys)[:10]) or "none"
            yield Finding(
                path=f"{path}.{field}",
                value=shown(key),
                reason=f"the Secret {shown(secret.name)} has no such key; its keys: {held}",
                remedy=f"Add the key to the Secret, or name the right one in {field}",
            )


RULES: Final = (
    Rule(
        id=SECRET_MISSING,
        action=Action.OFF,
        summary="The Secret exists and has the keys that are named, or a key netrc",
        bad="{packages: [mine], indexUrl: 'https://packages.example.com/simple',"
        " credentials: {secretRef: {name: not-there}}}",
        good="{packages: [mine], indexUrl: 'https://packages.example.com/simple',"
        " credentials: {secretRef: {name: packages}}}",
        check=_missing,
        policy="rules: {secret-missing: deny}",
    ),
)
