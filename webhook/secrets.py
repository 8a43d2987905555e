"""The Secret that credentials name: whether it is there and which keys it has, where the policy wants to know.

The right to read Secrets is only given where the admin asked for it (`secretRef.verify` of the chart). What is read stays
here: values are dropped at once, and only the names of the keys are handed on.
"""

import asyncio
import logging
from dataclasses import dataclass
from typing import Any, Final, Protocol

from wheelwarden.api.errors import KubeError, NotFound
from wheelwarden.api.objects import mapping_in
from wheelwarden.api.redaction import shown
from wheelwarden.api.violations import Action
from wheelwarden.kube import SECRETS, Resource
from wheelwarden.parsing.request import LocatedRequest
from wheelwarden.rules import KnownSecret
from wheelwarden.rules.policy import Policy
from wheelwarden.rules.secrets import SECRET_MISSING

LOGGER = logging.getLogger(__name__)
TIMEOUT_SECONDS: Final = 2.0  # of the 5 that the API server gives us


class SecretReader(Protocol):
    """What is needed of `wheelwarden.kube.Cluster`."""

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> dict[str, Any]:
        """One object, read live. Raises NotFound, KubeError."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Lookup:
    """What came of it: `secret` is None where nobody looked or could; `warning` says why it could not be seen."""

    secret: KnownSecret | None = None
    warning: str = ""


async def look_up_secret(objects: SecretReader, located: LocatedRequest, namespace: str, policy: Policy) -> Lookup:
    """Looks at the Secret that the credentials of a request name, where the policy's rule `secret-missing` is on.

    A Secret that cannot be seen is no reason to refuse anything: its absence is not known.
    """
    if not policy.may_be_on(SECRET_MISSING):
        return Lookup()
    if policy.applied_to(located.obj).actions.get(SECRET_MISSING, Action.OFF) is Action.OFF:
        return Lookup()
    spec = located.reading.spec if located.reading is not None else None
    named = spec.credentials if spec is not None and spec.packages else None
    if named is None:
        return Lookup()
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            found = await objects.get(SECRETS, named.name, namespace)
    except NotFound:
        return Lookup(secret=KnownSecret(exists=False))
    except (KubeError, TimeoutError) as error:
        LOGGER.warning("Secret %s/%s could not be looked up: %s", namespace, named.name, error or "no answer in time")
        return Lookup(warning=f"Wheelwarden could not check the Secret {shown(named.name)}; it is admitted unchecked")
    return Lookup(secret=KnownSecret(exists=True, keys=frozenset(mapping_in(found, "data"))))
