"""The rules for callers who hold a `pythonPackages` alone, without an object around it."""

from collections.abc import Mapping
from typing import Any

from wheelwarden.api.kinds import PACKAGES_FIELD, kind_of_bare_spec
from wheelwarden.api.violations import Action, Violation
from wheelwarden.rules.engine import judge_object


def validate_packages_spec(spec: Mapping[str, Any]) -> tuple[bool, list[str]]:
    """Judges one `pythonPackages` by the rules and the default policy.

    Args:
        spec: plain data such as `{"packages": ["requests==2.31.0"], "indexUrl": "https://packages.example.com/simple"}`.

    Returns:
        Whether it may be admitted, and one line for each violation that denies it; warnings are not among them. What
        is no mapping is not admitted, and no value makes it raise.
    """
    errors = [_line(violation) for violation in judge_spec(spec) if violation.action is Action.DENY]
    return not errors, errors


def judge_spec(spec: Mapping[str, Any]) -> list[Violation]:
    """All violations of one `pythonPackages`, as `judge_object` gives them; paths begin with `spec.pythonPackages`."""
    # None is left out everywhere else; here it was handed over as the spec.
    data = [] if spec is None else spec
    kind = kind_of_bare_spec()
    return judge_object({"apiVersion": kind.api_version, "kind": kind.name, "spec": {"pythonPackages": data}})


def _line(violation: Violation) -> str:
    return violation.message.removeprefix(f"{PACKAGES_FIELD}.")
