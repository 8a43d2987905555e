"""The case table: requests, good and bad, with everything that is to be found in them.

Each `*.yaml` here is a list of cases. A case has a `name`, the `violations` to expect, each as `ACTION RULE PATH`, and
either `packages` (a `pythonPackages`: judged as a KasprApp and as a Notebook, with paths below it) or `object` (a whole
object, with whole paths; apiVersion and kind may be left out for a Notebook). A `policy` may be given as in a policy
file, and `before`: what stood in the place of `packages` or `object` before an update.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from wheelwarden import names
from wheelwarden.policy import Policy, parse_policy
from wheelwarden.request import packages_path
from wheelwarden.targets import KASPR_APP, NOTEBOOK


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One object and what is to be found in it.

    Attributes:
        id: for the test's name.
        obj: the whole object.
        old: what the object was before an update; None at its creation.
        policy_data: the policy as a policy file has it.
        expected: action, rule and path of every violation, in order.
    """

    id: str
    obj: Mapping[str, Any]
    old: Mapping[str, Any] | None
    policy_data: Mapping[str, Any]
    expected: tuple[tuple[str, str, str], ...]

    @property
    def policy(self) -> Policy:
        """What the admin allows."""
        return parse_policy(self.policy_data)

    @property
    def denied(self) -> bool:
        return any(action == "deny" for action, _, _ in self.expected)


def load_cases() -> list[Case]:
    """All cases of the table."""
    return [case for file in sorted(Path(__file__).parent.glob("*.yaml")) for case in _load(file)]


def kaspr_app(packages: object) -> dict[str, Any]:
    """A KasprApp, as the operator accepts it, with a `pythonPackages`."""
    return {
        "apiVersion": KASPR_APP.api_version,
        "kind": KASPR_APP.name,
        "metadata": {"name": "orders", "namespace": "shop"},
        "spec": {
            "bootstrapServers": "kafka.example.com:9092",
            "authentication": {"type": "plain"},
            "replicas": 1,
            "storage": {"type": "ephemeral", "class": "standard", "size": "1Gi"},
            "pythonPackages": packages,
        },
    }


def notebook(packages: object) -> dict[str, Any]:
    """A Notebook with a `pythonPackages` in its annotation."""
    text = packages if isinstance(packages, str) else yaml.safe_dump(packages)
    return {
        "apiVersion": NOTEBOOK.api_version,
        "kind": NOTEBOOK.name,
        "metadata": {
            "name": "analysis",
            "namespace": "science",
            "annotations": {names.PACKAGES_ANNOTATION: text},
        },
        "spec": {"template": {"spec": {"containers": [{"name": "analysis", "image": "registry.example.com/lab:1"}]}}},
    }


def _load(file: Path) -> list[Case]:
    cases = []
    for entry in yaml.safe_load(file.read_text()):
        policy_data = entry.get("policy", {})
        expected = [tuple(line.split(" ", 2)) for line in entry["violations"]]
        name = f"{file.stem}: {entry['name']}"
        if "object" in entry:
            obj = {"apiVersion": NOTEBOOK.api_version, "kind": NOTEBOOK.name} | entry["object"]
            old = (
                {"apiVersion": NOTEBOOK.api_version, "kind": NOTEBOOK.name} | entry["before"]
                if "before" in entry
                else None
            )
            cases.append(Case(id=name, obj=obj, old=old, policy_data=policy_data, expected=tuple(expected)))
            continue
        for kind, make in ((KASPR_APP, kaspr_app), (NOTEBOOK, notebook)):
            obj = make(entry["packages"])
            old = make(entry["before"]) if "before" in entry else None
            base = packages_path(kind)
            located = tuple(
                (action, rule, f"{base}.{path}" if path != "." else base) for action, rule, path in expected
            )
            cases.append(Case(id=f"{name} ({kind.name})", obj=obj, old=old, policy_data=policy_data, expected=located))
    return cases
