"""The table of all rules. `wheelwarden rules` prints it; webhook, controller and CLI apply it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from wheelwarden.rules import (
    annotations,
    cache,
    changes,
    hosts,
    indexes,
    installation,
    object_name,
    packages,
    requirements,
    secrets,
    shape,
)
from wheelwarden.rules.rule import Rule

RULES: Final[tuple[Rule, ...]] = (
    *shape.RULES,
    *requirements.RULES,
    *packages.RULES,
    *indexes.RULES,
    *hosts.RULES,
    *installation.RULES,
    *secrets.RULES,
    *cache.RULES,
    *changes.RULES,
    *annotations.RULES,
    *object_name.RULES,
)
RULES_BY_ID: Final[Mapping[str, Rule]] = MappingProxyType({rule.id: rule for rule in RULES})
